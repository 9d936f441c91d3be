"""The service as replicas of Ray Serve: ``serve run app.deploy.ray_serve:app min_replicas=2 max_replicas=8``.

This module puts ``create_app`` into a deployment. Each replica is a process with its own bundles and engines, in which
the lifespan of the application runs.
"""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.bundle.folders import absolute_models
from app.main import create_app
from app.server.environment import load_settings
from app.server.logs import configure_logging
from app.settings import Settings


class Scale(BaseModel):
    """The number and size of replicas; arguments of ``serve run`` in the form ``name=value``.

    Attributes:
        min_replicas: The lowest number of replicas.
        max_replicas: The highest number of replicas.
        replica_cpus: The CPUs of a replica.
        target_ongoing_requests: The average number of requests that a replica should have, running or waiting for it.
            Ray starts and stops replicas to stay near it.
        max_ongoing_requests: The highest number of requests that are sent to one replica.
        max_queued_requests: The number of requests that wait at a proxy for a replica; others are refused (503).
        upscale_delay_seconds: How long the load must be higher before replicas are added.
        downscale_delay_seconds: How long the load must be lower before replicas are removed.
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
        """Return the application. Ray calls this once, and runs the lifespan around the requests of the replica."""
        served: Any = self.service_app  # uvicorn and Starlette have different types for the same thing
        return ProxyHeadersMiddleware(served, self._trusted_proxies) if self._trusted_proxies else served

    def check_health(self) -> None:
        """Check what ``GET /ready`` reports. Ray replaces a replica whose check fails three times.

        Raises:
            RuntimeError: The replica is not ready.
        """
        problem = self.service_app.state.service.serving.registry.why_not_ready()
        if problem is not None:
            raise RuntimeError(f"not ready: {problem}")


def app(scale: Scale) -> serve.Application:
    """Build the deployment with the settings of the environment in which this function runs.

    Args:
        scale: The number and size of replicas.

    Raises:
        ConfigurationError: The environment holds a setting that cannot be used.
    """
    settings = load_settings()
    here = {
        # A replica may run in another folder, or on another machine.
        "models_dir": absolute_models(settings.models_dir),
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
        # The service writes its own log; Ray's access log would hold addresses of clients.
        logging_config={"enable_access_log": False},
    )
    return deployment(serve.ingress()(Replica)).bind(settings.model_copy(update=here))
