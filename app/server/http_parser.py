"""How strictly requests are parsed: what could be read in two ways is refused, and no other protocol is spoken."""

import re
from typing import Final, Protocol

from httptools import HttpParserUpgrade, HttpRequestParser

_VERSIONS: Final = ("1.0", "1.1")
_HOST: Final = re.compile(rb"[^\s,/?#@\\\x00-\x20\x7f]*")


class Upgradable(Protocol):
    """A connection whose client may offer to change the protocol."""

    def decline_upgrade(self, rest: bytes) -> None:
        """Read the request again without the offer; ``rest`` is what was received behind its headers."""


class StrictParser(HttpRequestParser):
    """A parser for which an offer to change the protocol, as clients of HTTP/2 make it, is a header like others.

    After such a request the parser of httptools takes everything that follows, also its body, for the other protocol.
    """

    def __init__(self, connection: "Upgradable") -> None:
        """Make a parser that calls the methods of a connection."""
        super().__init__(connection)
        self._connection = connection
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does, so that it can answer first

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """Parse bytes and call the connection's methods."""
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._connection.decline_upgrade(data[upgrade.args[0] :])


def find_fault(version: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    """Find what makes a request ambiguous or impossible to serve (RFC 9112, sections 2.3, 3.2 and 6.1).

    Returns:
        The status and the message of the refusal; None if there is no such fault.
    """
    if version not in _VERSIONS:
        return 505, f"The request is in HTTP/{version}, only {' and '.join(_VERSIONS)} are served"
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return 400, f"The request has {len(hosts)} Host headers, it must have 1"
    if hosts and not _HOST.fullmatch(hosts[0].strip()):
        return 400, "The Host header is no host"
    codings = b",".join(value for name, value in headers if name == b"transfer-encoding").strip().lower()
    if codings not in (b"", b"chunked"):
        return 501, "Transfer-Encoding must be chunked, no other coding is read"
    return None
