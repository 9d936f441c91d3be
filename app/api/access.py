"""Who may ask, how often and how much: keys, the rate of each caller, and the characters of each key."""

import hmac
import ipaddress
import re
from typing import Final

from fastapi import Request

from app.access.keys import KeyRing, admin_digest, digest_of
from app.access.quota import CharacterQuota
from app.access.rate import RateLimiter
from app.api.body import Fields
from app.errors import KeyMissing, KeyUnknown
from app.settings import Settings

_SCHEMES: Final = re.compile(r"(?:DeepL-Auth-Key|Bearer)\s+(\S.*)", re.IGNORECASE)
_FIELDS: Final = ("api_key", "auth_key")
# Whoever has one address of the new kind has a whole network of them.
_NETWORK_BITS: Final = 64
_ADMIN_ATTEMPTS_PER_MINUTE: Final = 60


class Access:
    """The door. Without keys it is open to everybody, whatever key they send, and only the rate is looked at."""

    def __init__(self, keys: KeyRing, settings: Settings) -> None:
        """:raises ConfigurationError: the storage of rates cannot be used."""
        self._settings = settings
        self._rate = RateLimiter(settings.rate_storage)
        self._admin = admin_digest(settings.admin_key_hash)
        self._no_quota = CharacterQuota(0)
        self._quotas: dict[str, CharacterQuota] = {}
        self.use(keys)

    def use(self, keys: KeyRing) -> None:
        """These keys from now on. What was counted for a name stays counted, as long as there is a key of that name."""
        quotas = {key.name: CharacterQuota(key.characters, f"characters of {key.name}") for key in keys.keys}
        for name in quotas.keys() & self._quotas.keys():
            quotas[name] = self._quotas[name]
            quotas[name].limit = next(key.characters for key in keys.keys if key.name == name)
        self._keys, self._quotas = keys, quotas

    @property
    def keys(self) -> KeyRing:
        return self._keys

    @property
    def quotas(self) -> tuple[CharacterQuota, ...]:
        """Those of the keys."""
        return tuple(self._quotas.values())

    @property
    def has_keys(self) -> bool:
        return bool(self._keys)

    @property
    def asks_for_key(self) -> bool:
        return self.has_keys and self._settings.api_key_required

    async def admit(self, request: Request, fields: Fields) -> CharacterQuota:
        """Let a request in, and count it.

        :returns: the quota of its key.
        :raises KeyMissing: no key, where one is asked for.
        :raises KeyUnknown: there is no such key.
        :raises RateExceeded: too many requests; this one is not counted.
        """
        given = key_of(request, fields) if self._keys else ""
        key = self._keys.find(given) if given else None
        if key is not None:
            await self._rate.take(f"key {key.name}", key.requests_per_minute or self._settings.key_requests_per_minute)
            return self._quotas[key.name]
        # Before the refusal: to try key after key is limited as well.
        await self._rate.take(f"address {address_of(request)}", self._settings.requests_per_minute)
        self._refuse(given)
        return self._no_quota

    def check(self, request: Request) -> None:
        """For what costs nothing: the key alone, where one is asked for.

        :raises KeyMissing, KeyUnknown: as ``admit``.
        """
        given = key_of(request, {})
        if self._keys.find(given) is None:
            self._refuse(given)

    async def close(self) -> None:
        await self._rate.close()

    def is_admin(self, given: str) -> bool:
        """Takes the same time whatever the key is."""
        return self._admin is not None and hmac.compare_digest(self._admin, digest_of(given))

    async def count_attempt(self, address: str) -> None:
        """Somebody tried a wrong admin key.

        :raises RateExceeded: too often.
        """
        await self._rate.take(f"admin {address}", _ADMIN_ATTEMPTS_PER_MINUTE)

    def _refuse(self, given: str) -> None:
        if given and self._keys:
            raise KeyUnknown("Invalid API key")
        if self.asks_for_key:
            raise KeyMissing("Please contact the server operator to get an API key")


def key_of(request: Request, fields: Fields) -> str:
    """The key of a request in any of the ways that clients send one; empty if there is none."""
    header = _SCHEMES.match(request.headers.get("authorization", "").strip())
    if header is not None:
        return header.group(1).strip()
    # Beside a body in JSON the query is no field, but the key may stand there.
    for place in (fields, request.query_params):
        for name in _FIELDS:
            given = place.get(name)
            if isinstance(given, str) and given.strip():
                return given.strip()
    return ""


def address_of(request: Request) -> str:
    """Where a request comes from: an address, of the new kind its network. Proxies that are trusted were asked."""
    host = request.client.host if request.client is not None else ""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _NETWORK_BITS), strict=False))


def quota_of(request: Request) -> CharacterQuota:
    """The quota of the key with which the request was let in."""
    quota = request.state.quota
    assert isinstance(quota, CharacterQuota)
    return quota
