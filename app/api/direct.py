"""Routes whose handlers read the request themselves."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response


class DirectRoute(APIRoute):
    """Calls its endpoint with the request and nothing else: FastAPI's own reading of bodies and its dependencies, which
    these handlers do not use, would cost each request more than all of the endpoint's own checks.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler
