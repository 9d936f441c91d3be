"""The service as replicas of Ray Serve: ``serve run app.deploy.ray_serve:app min_replicas=2 max_replicas=8``.

A starter, as ``app/__main__.py`` is: it puts ``create_app`` into a deployment and knows nothing of HTTP. Each replica
is a process with the bundles and engines of its own; its lifespan runs there.
"""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.main import create_app
from app.server.environment import load_settings
from app.server.logs import configure_logging
from app.settings import Settings


class Scale(BaseModel):
    """How many replicas there are, and of what size; ``name=value`` behind ``serve run``.

    ``target_ongoing_requests``: that many a replica should have in hand or waiting for it, on average; Ray starts and
    stops replicas to keep near it. ``max_ongoing_requests``: more are never given to one. ``max_queued_requests``: so
    many wait at a proxy until a replica takes them; what is over is refused (503).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(default=1, ge=1, le=10_000)
    max_replicas: int = Field(default=4, ge=1, le=10_000)
    replica_cpus: float = Field(default=1.0, gt=0, le=256)
    target_ongoing_requests: float = Field(default=16.0, gt=0, le=4096)
    max_ongoing_requests: int = Field(default=128, ge=1, le=4096)
    max_queued_requests: int = Field(default=1024, ge=1, le=1_000_000)
    upscale_delay_seconds: float = Field(default=10.0, ge=0, le=3600)
    downscale_delay_seconds: float = Field(default=120.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _fits(self) -> "Scale":
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas is {self.min_replicas}, more than max_replicas, which is {self.max_replicas}"
            )
        return self


class Replica:
    """One process of the service."""

    def __init__(self, settings: Settings) -> None:
        configure_logging(settings.log_level, settings.log_format)
        self._trusted_proxies = settings.trusted_proxies
        self.service_app = create_app(settings)

    def __serve_build_asgi_app__(self) -> Any:
        """Ray asks for it once, and runs its lifespan before the replica takes requests and after the last one."""
        served: Any = self.service_app  # uvicorn and Starlette have different types for the same thing
        return ProxyHeadersMiddleware(served, self._trusted_proxies) if self._trusted_proxies else served

    def check_health(self) -> None:
        """As ``GET /ready`` says. Ray replaces a replica that fails three times.

        :raises RuntimeError: it is not ready.
        """
        problem = self.service_app.state.service.registry.why_not_ready()
        if problem is not None:
            raise RuntimeError(f"not ready: {problem}")


def app(scale: Scale) -> serve.Application:
    """:raises ConfigurationError: the environment, here, where this runs, has a setting that cannot be."""
    settings = load_settings()
    here = {
        # A replica may run in another folder, of another machine.
        "models_dir": settings.models_dir.absolute(),
        "data_dir": settings.data_dir.absolute(),
        "threads": settings.threads or math.ceil(scale.replica_cpus),
    }
    deployment = serve.deployment(
        name="Passerelle",
        autoscaling_config={
            "min_replicas": scale.min_replicas,
            "max_replicas": scale.max_replicas,
            "target_ongoing_requests": scale.target_ongoing_requests,
            "upscale_delay_s": scale.upscale_delay_seconds,
            "downscale_delay_s": scale.downscale_delay_seconds,
        },
        max_ongoing_requests=scale.max_ongoing_requests,
        max_queued_requests=scale.max_queued_requests,
        ray_actor_options={"num_cpus": scale.replica_cpus},
        health_check_period_s=settings.probe_seconds,
        health_check_timeout_s=max(10.0, settings.probe_seconds),
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=settings.shutdown_seconds,
        # The service writes its own log; an access log of Ray's would be one more place with addresses.
        logging_config={"enable_access_log": False},
    )
    return deployment(serve.ingress()(Replica)).bind(settings.model_copy(update=here))
