"""Limits of the bytes that are read: of one body, and of all bodies together.

This is plain ASGI, as ``app.api.middleware``, because a wrapper of whole requests would read them itself.
"""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import RETRY_AFTER
from app.api.responses import error_response, header_of
from app.api.upload import FILE_PATHS, FORM_BYTES
from app.errors import BodiesExceeded, RequestTooLarge

# A connection may hold more than this in headers anyway. Bodies up to this size are not counted, so that callers who
# send, or only announce, long bodies do not keep out a caller who sends a sentence.
FREE_BYTES: Final = 16 * 1024
_DISCARDED_BYTES: Final = 16 * 1024 * 1024
_DISCARD_SECONDS: Final = 2.0


class BodyBudget:
    """Counts the bytes of all bodies that are in memory. Used by the event loop's thread alone."""

    def __init__(self, max_mib: int) -> None:
        self.held_bytes = 0
        self._max_mib = max_mib

    def take(self, more_bytes: int, own_bytes: int) -> None:
        """Take bytes for a body. A body that is alone is never refused.

        Args:
            more_bytes: The bytes to take.
            own_bytes: The bytes that this body has already.

        Raises:
            BodiesExceeded: The budget has fewer bytes left; none is taken.
        """
        others_bytes = self.held_bytes - own_bytes
        if others_bytes and self.held_bytes + more_bytes > self._max_mib * 2**20:
            message = (
                f"Bodies of {self.held_bytes} bytes are being read, and {more_bytes} more exceed "
                f"max_bodies_mib ({self._max_mib}); come back later"
            )
            raise BodiesExceeded(message)
        self.held_bytes += more_bytes

    def give_back(self, taken_bytes: int) -> None:
        self.held_bytes -= taken_bytes


class BodyLimit:
    """Refuses bodies that are too long, and bodies that exceed the budget of all.

    A body over the limit is refused while it is read, whatever length the client announced. A body that exceeds the
    budget is refused before it is read, if the client announced its length. A body counts until its request is
    answered, because it is in memory until then.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, max_file_bytes: int, budget: BodyBudget) -> None:
        """Wrap an application.

        Args:
            app: The application.
            max_body_bytes: The longest body.
            max_file_bytes: The longest file, which counts instead where files are uploaded.
            budget: Counts the bodies of all requests.
        """
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_file_bytes = max_file_bytes
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = header_of(scope, b"content-length")
        announced_bytes = int(announced[:20]) if announced.isdecimal() else 0
        read_bytes = taken_bytes = 0
        is_refused = False
        is_file = scope["method"] == "POST" and scope["path"].removeprefix(scope.get("root_path", "")) in FILE_PATHS
        max_bytes = self._max_file_bytes + FORM_BYTES if is_file else self._max_body_bytes

        def take(body_bytes: int) -> None:
            """Take what a body of ``body_bytes`` needs beyond what it has already."""
            nonlocal taken_bytes, is_refused
            if body_bytes > max(taken_bytes, FREE_BYTES):
                try:
                    self._budget.take(body_bytes - taken_bytes, taken_bytes)
                except BodiesExceeded:
                    is_refused = True
                    raise
                taken_bytes = body_bytes

        async def receive_counted() -> Message:
            nonlocal read_bytes, is_refused
            message = await receive()
            if message["type"] == "http.request":
                read_bytes += len(message.get("body", b""))
                if read_bytes > max_bytes:
                    is_refused = True
                    raise self._too_large(read_bytes, is_file)
                take(read_bytes)
            return message

        async def send_then_discard(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_last and is_refused:
                await send({**message, "more_body": True})
                await _discard(receive)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            if announced_bytes > max_bytes:
                is_refused = True
                error = self._too_large(announced_bytes, is_file)
                refusal = error_response(scope, 413, str(error), {"Connection": "close"})
                await refusal(scope, receive, send_then_discard)
                return
            try:
                take(announced_bytes)
            except BodiesExceeded as error:
                headers = {"Connection": "close", "Retry-After": RETRY_AFTER}
                await error_response(scope, 503, str(error), headers)(scope, receive, send_then_discard)
                return
            await self._app(scope, receive_counted, send_then_discard)
        finally:
            self._budget.give_back(taken_bytes)

    def _too_large(self, given_bytes: int, is_file: bool) -> RequestTooLarge:
        name, limit = ("max_file_bytes", self._max_file_bytes) if is_file else ("max_body_bytes", self._max_body_bytes)
        message = f"Request body ({given_bytes} bytes or more) exceeds {name} ({limit})"
        return RequestTooLarge(name, limit, given_bytes, message)


async def _discard(receive: Receive) -> None:
    """Read and drop some more of a refused body.

    Most clients read the answer only after they sent everything; closing the connection at once would break it before
    they see the answer. A body that is longer than the limits of this function is cut off.
    """
    left_bytes = _DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            more = True
            while more and left_bytes > 0:
                message = await receive()
                more = message["type"] == "http.request" and message.get("more_body", False)
                left_bytes -= len(message.get("body", b""))
