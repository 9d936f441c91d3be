"""The keys that callers may have. Only their hashes are kept: who reads the file cannot use a key.

A key is 256 random bits, so one round of SHA-256 is enough: there is nothing to guess, as there is with passwords.
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
_MOST: Final = 10**15
_FORM: Final = "NAME sha256:HASH [characters=NUMBER] [requests_per_minute=NUMBER]"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key. ``characters`` may be translated with it until the service is started anew;
    ``requests_per_minute`` is its own limit. 0: none, or that of the settings.
    """

    name: str
    digest: bytes
    characters: int = 0
    requests_per_minute: int = 0

    def __str__(self) -> str:
        """Its line in the file."""
        limits = ("characters", "requests_per_minute")
        extra = [f"{limit}={getattr(self, limit)}" for limit in limits if getattr(self, limit)]
        return " ".join([self.name, f"sha256:{self.digest.hex()}", *extra])


class KeyRing:
    """Every key that is known; without any, nobody is asked for one."""

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
        """The keys of a file, and those of a text, where they may also be divided by semicolons.

        :raises ConfigurationError: names the line and what is wrong with it.
        """
        found = list(_parse(lines.replace(";", "\n"), "PASSERELLE_API_KEYS"))
        if path is not None:
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"PASSERELLE_API_KEYS_FILE cannot be read: {error}") from None
            keys = list(_parse(text, str(path)))
            if not keys:  # an open door that was meant to be closed
                raise ConfigurationError(f"{path}: there is no key in it")
            found += keys
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.keys)

    def find(self, key: str) -> ApiKey | None:
        """The key that this is. Takes the same time whichever it is, and if it is none."""
        digest = digest_of(key)
        found = None
        for known in self.keys:
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found


def new_key() -> str:
    """A key that nobody else has."""
    return secrets.token_urlsafe(_KEY_BYTES)


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def admin_digest(text: str) -> bytes | None:
    """The hash of the admin key as its setting has it, with or without a name before it; None if it is empty.

    :raises ConfigurationError: it is no hash.
    """
    words = text.split()
    if not words:
        return None
    found = _DIGEST.fullmatch(words[-1])
    if found is None or len(words) > 2:  # not shown: it may be the key itself
        raise ConfigurationError("PASSERELLE_ADMIN_KEY_HASH is not sha256: with 64 hexadecimal digits")
    return bytes.fromhex(found.group(1))


def checked_name(name: str) -> str:
    """:raises ConfigurationError: it cannot be the name of a key."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"the name of a key is {name[:80]!r}, it must be 1 to 64 letters, digits or any of ._-"
        )
    return name


def _parse(text: str, where: str) -> Iterable[ApiKey]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            yield _key(words)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}, line {number}: {error}; a line is: {_FORM}") from None


def _key(words: list[str]) -> ApiKey:
    digest = _DIGEST.fullmatch(words[1]) if len(words) > 1 else None
    if digest is None:
        # Not shown: somebody may have written the key itself.
        raise ConfigurationError("there is no sha256: with 64 hexadecimal digits behind the name")
    limits = {"characters": 0, "requests_per_minute": 0}
    for word in words[2:]:
        name, _, value = word.partition("=")
        if name not in limits:
            raise ConfigurationError(f"{name[:40]!r} is no limit of a key")
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:20]) <= _MOST):
            raise ConfigurationError(f"{name} is {value[:40]!r}, it must be 1 to {_MOST}")
        limits[name] = int(value)
    return ApiKey(checked_name(words[0]), bytes.fromhex(digest.group(1)), **limits)
