"""The API keys of callers.

Only hashes of keys are stored, so that a copy of the file gives no access. A key is 256 random bits, which cannot be
guessed as a password can, so one round of SHA-256 is enough.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import ConfigurationError

_KEY_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_MAX_LIMIT: Final = 10**15
_FORM: Final = "NAME sha256:HASH [characters=NUMBER] [requests_per_minute=NUMBER]"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key.

    Attributes:
        name: The name of the key in logs and messages.
        digest: The SHA-256 hash of the key.
        characters: The characters that may be translated with the key until the service restarts; 0 is no limit.
        requests_per_minute: The rate of the key; 0 is the rate of the settings.
    """

    name: str
    digest: bytes
    characters: int = 0
    requests_per_minute: int = 0

    def __str__(self) -> str:
        """The line of the key in the file."""
        limits = ("characters", "requests_per_minute")
        extra = [f"{limit}={getattr(self, limit)}" for limit in limits if getattr(self, limit)]
        return " ".join([self.name, f"sha256:{self.digest.hex()}", *extra])


class KeyRing:
    """All keys of the service; an empty ring admits requests without a key."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self.keys = tuple(keys)
        for what, values in (
            ("name", [key.name for key in self.keys]),
            ("hash", [key.digest.hex() for key in self.keys]),
        ):
            for value in values:
                if values.count(value) > 1:
                    raise ConfigurationError(f"API keys: two have the {what} {value}")

    @classmethod
    def read(cls, path: Path | None, lines: str = "") -> "KeyRing":
        """Read the keys of a file and of a text.

        Args:
            path: A file with one key per line.
            lines: More keys, one per line; semicolons may replace line breaks.

        Raises:
            ConfigurationError: A line cannot be read; the message names the line and the fault.
        """
        found = list(_parse(lines.replace(";", "\n"), "PASSERELLE_API_KEYS"))
        if path is not None:
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"PASSERELLE_API_KEYS_FILE cannot be read: {error}") from None
            keys = list(_parse(text, str(path)))
            if not keys:  # an empty ring would admit every request
                raise ConfigurationError(f"{path}: there is no key in it")
            found += keys
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.keys)

    def find(self, key: str) -> ApiKey | None:
        """Find a key, which takes the same time for every key."""
        digest = digest_of(key)
        found = None
        for stored in self.keys:
            if hmac.compare_digest(stored.digest, digest):
                found = stored
        return found


def new_key() -> str:
    """Make a random key."""
    return secrets.token_urlsafe(_KEY_BYTES)


def digest_of(key: str) -> bytes:
    """Return the SHA-256 hash of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def parse_admin_digest(text: str) -> bytes | None:
    """Read the hash of the admin key from its setting.

    Args:
        text: ``sha256:HASH``, with or without a name before it; may be empty.

    Returns:
        The hash, or None if the setting is empty.

    Raises:
        ConfigurationError: The text is not a hash.
    """
    words = text.split()
    if not words:
        return None
    found = _DIGEST.fullmatch(words[-1])
    if found is None or len(words) > 2:  # not shown, because it may be the key itself
        raise ConfigurationError("PASSERELLE_ADMIN_KEY_HASH is not sha256: with 64 hexadecimal digits")
    return bytes.fromhex(found.group(1))


def check_name(name: str) -> str:
    """Return the name of a key.

    Raises:
        ConfigurationError: The text cannot be the name of a key.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"the name of a key is {name[:80]!r}, it must be 1 to 64 letters, digits or any of ._-"
        )
    return name


def _parse(text: str, where: str) -> Iterable[ApiKey]:
    """Yield the keys of a text; ``where`` names it in messages."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            yield _parse_key(words)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}, line {number}: {error}; a line is: {_FORM}") from None


def _parse_key(words: list[str]) -> ApiKey:
    digest = _DIGEST.fullmatch(words[1]) if len(words) > 1 else None
    if digest is None:
        # The line is not shown, because it may hold the key itself.
        raise ConfigurationError("there is no sha256: with 64 hexadecimal digits behind the name")
    limits = {"characters": 0, "requests_per_minute": 0}
    for word in words[2:]:
        name, _, value = word.partition("=")
        if name not in limits:
            raise ConfigurationError(f"{name[:40]!r} is no limit of a key")
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:20]) <= _MAX_LIMIT):
            raise ConfigurationError(f"{name} is {value[:40]!r}, it must be 1 to {_MAX_LIMIT}")
        limits[name] = int(value)
    return ApiKey(check_name(words[0]), bytes.fromhex(digest.group(1)), **limits)


def make_key(name: str, characters: int = 0, requests_per_minute: int = 0) -> tuple[str, ApiKey]:
    """Make a key.

    Returns:
        The key, which is stored nowhere, and what the file of keys holds of it.

    Raises:
        ConfigurationError: The name cannot be that of a key.
    """
    key = new_key()
    return key, ApiKey(check_name(name), digest_of(key), characters, requests_per_minute)
