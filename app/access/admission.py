"""Admission of a request: its key, the rate of its caller, and the characters that its key may still translate."""

import hmac
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from app.access.keys import KeyRing, digest_of, parse_admin_digest
from app.errors import EngineOverloaded, KeyMissing, KeyUnknown, QuotaExceeded
from app.server.shared_memory import SharedCounts, SharedNumbers
from app.settings import Settings

if TYPE_CHECKING:
    from app.access.rate import RateLimiter

_ADMIN_ATTEMPTS_PER_MINUTE: Final = 60
# How many sentences a text has is known only after it was cut, which takes long.
_SENTENCE_CHARACTERS: Final = 100
# A longer request is bulk, which waits behind the others.
_MOST_OF_REQUEST: Final = 32


class CharacterQuota:
    """Counts translated characters in memory since the service started. Only the event loop's thread uses it.

    Attributes:
        limit: The characters that may be translated; 0 is no limit.
        name: The name of the quota in messages, and in the memory that workers share.
    """

    def __init__(self, limit: int, name: str = "deepl_character_limit", shared: SharedNumbers | None = None) -> None:
        """Set up a quota.

        Args:
            limit: The characters that may be translated; 0 is no limit.
            name: The name of the quota.
            shared: Holds the count of all workers; None in a single process.
        """
        self.limit = limit
        self.name = name
        self._shared = shared
        self._count = 0

    @property
    def count(self) -> int:
        """The characters counted so far, by all workers."""
        return self._count if self._shared is None else int(self._shared.get(self.name) or 0)

    def reserve(self, characters: int) -> AbstractContextManager[None]:
        """Count characters, unless the block raises: text that was not translated is not counted.

        Args:
            characters: The number of characters that the block translates.

        Raises:
            QuotaExceeded: Fewer characters than these are left; none of them is counted.
        """
        return _Reservation(self, characters)

    def take(self, characters: int, limit: int) -> None:
        """Count characters, or fewer below 0; raises as ``reserve`` where the count would exceed a limit above 0."""
        with nullcontext() if self._shared is None else self._shared.locked():
            count = self.count
            if limit and count + characters > limit:
                raise QuotaExceeded(
                    self.name,
                    limit,
                    count + characters,
                    f"{count} characters are counted, and {characters} more exceed {self.name} ({limit})",
                )
            if self._shared is None:
                self._count = count + characters
            else:
                self._shared.set(self.name, count + characters)


class CallerLoad:
    """Counts the sentences in progress of each caller, so that one caller leaves room in the queue for others.

    Only the event loop's thread uses it.
    """

    def __init__(self, limit: int) -> None:
        """Set up the count.

        Args:
            limit: The sentences that one caller may have in progress; 0 is no limit.
        """
        self._limit = limit
        self._sentences: Counter[str] = Counter()

    def hold(self, caller: str, characters: int, texts: int) -> AbstractContextManager[None]:
        """Count a request until the block ends.

        Args:
            caller: The name of the caller.
            characters: The characters of the request.
            texts: The number of its texts.

        Raises:
            EngineOverloaded: The caller has other requests in progress, and with this one too many sentences.
        """
        sentences = min(_MOST_OF_REQUEST, max(texts, 1 + characters // _SENTENCE_CHARACTERS))
        return _Held(self, caller, sentences)

    def take(self, caller: str, sentences: int) -> None:
        """Count sentences of a caller; raises as ``hold``."""
        held = self._sentences[caller]
        if self._limit and held and held + sentences > self._limit:
            raise EngineOverloaded(
                f"{held} sentences of this caller are in progress, and {sentences} more exceed max_caller_sentences "
                f"({self._limit})"
            )
        self._sentences[caller] = held + sentences

    def give_back(self, caller: str, sentences: int) -> None:
        """End the count of sentences."""
        self._sentences[caller] -= sentences
        if not self._sentences[caller]:
            del self._sentences[caller]


class _Reservation(AbstractContextManager[None]):
    """Characters that are counted unless the block raises. A class, because a generator takes four times as long."""

    __slots__ = ("_characters", "_quota")

    def __init__(self, quota: CharacterQuota, characters: int) -> None:
        self._quota, self._characters = quota, characters

    def __enter__(self) -> None:
        # The characters are taken before the work starts, so that concurrent requests do not share what is left.
        self._quota.take(self._characters, self._quota.limit)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._quota.take(-self._characters, 0)


class _Held(AbstractContextManager[None]):
    """Sentences of a caller that are counted until the block ends."""

    __slots__ = ("_caller", "_load", "_sentences")

    def __init__(self, load: CallerLoad, caller: str, sentences: int) -> None:
        self._load, self._caller, self._sentences = load, caller, sentences

    def __enter__(self) -> None:
        self._load.take(self._caller, self._sentences)

    def __exit__(self, *_: object) -> None:
        self._load.give_back(self._caller, self._sentences)


class Admission:
    """Admits or refuses requests. If the service has no keys, every request is admitted, with any key, and only the
    rate of its address is limited.

    Attributes:
        has_keys: Whether the service has keys.
        load: What each caller has in progress.
    """

    def __init__(self, keys: KeyRing, settings: Settings, counts: SharedCounts | None = None) -> None:
        """Set up admission with the first keys.

        Args:
            keys: The keys of callers.
            settings: The limits, and the hash of the admin key.
            counts: The memory in which workers count together; None in a single process.

        Raises:
            ConfigurationError: The storage of rates, or the admin key, cannot be used.
        """
        self._settings = settings
        self._rate_numbers = None if counts is None else counts.rates
        self._rate: RateLimiter | None = None
        if settings.rate_storage != "memory":  # a server is connected to at the start
            self._limit_rate()
        self._shared_quotas = None if counts is None else counts.quotas
        self._admin = parse_admin_digest(settings.admin_key_hash)
        self._no_quota = CharacterQuota(0)
        self.load = CallerLoad(settings.max_caller_sentences)
        self._quotas: dict[str, CharacterQuota] = {}
        self.use(keys)

    def use(self, keys: KeyRing) -> None:
        """Replace the keys. The count of a quota is kept as long as there is a key with its name."""
        shared = self._shared_quotas
        quotas = {key.name: CharacterQuota(key.characters, f"characters of {key.name}", shared) for key in keys.keys}
        for name in quotas.keys() & self._quotas.keys():
            quotas[name] = self._quotas[name]
            quotas[name].limit = next(key.characters for key in keys.keys if key.name == name)
        self._keys, self._quotas, self.has_keys = keys, quotas, bool(keys)

    @property
    def keys(self) -> KeyRing:
        """The keys of callers."""
        return self._keys

    @property
    def quotas(self) -> tuple[CharacterQuota, ...]:
        """The quotas of the keys."""
        return tuple(self._quotas.values())

    @property
    def requires_key(self) -> bool:
        """Whether a request without a key is refused."""
        return self.has_keys and self._settings.api_key_required

    async def admit(self, key: str, address: str) -> CharacterQuota:
        """Admit a request and count it in the rate of its key, or of its address.

        Args:
            key: The key of the request; empty if it has none.
            address: The network address of the caller.

        Returns:
            The quota of the key; a quota without a limit if the request has no key.

        Raises:
            KeyMissing: The service requires a key and the request has none.
            KeyUnknown: The service has keys, and this is none of them.
            RateExceeded: Too many requests came; this one is not counted.
        """
        found = self._keys.find(key) if key and self.has_keys else None
        if found is not None:
            per_minute = found.requests_per_minute or self._settings.key_requests_per_minute
            await self._take_rate(f"key {found.name}", per_minute)
            return self._quotas[found.name]
        # The rate is taken before the key is refused, so that guessing keys is limited as well.
        await self._take_rate(f"address {address}", self._settings.requests_per_minute)
        self._refuse(key)
        return self._no_quota

    def name_caller(self, key: str, address: str) -> str:
        """Return the name under which the requests of a caller are counted: that of its key, or its address."""
        found = self._keys.find(key) if key and self.has_keys else None
        return f"address {address}" if found is None else f"key {found.name}"

    async def check(self, key: str, address: str) -> None:
        """Check a key for an answer that costs nothing: only a request that is refused is counted.

        Args:
            key: The key of the request; empty if it has none.
            address: The network address of the caller.

        Raises:
            KeyMissing: The service requires a key and the request has none.
            KeyUnknown: The service has keys, and this is none of them.
            RateExceeded: Too many requests without a right key came from this address.
        """
        if self._keys.find(key) is not None or not (self.requires_key or (key and self.has_keys)):
            return
        await self._take_rate(f"address {address}", self._settings.requests_per_minute)
        self._refuse(key)

    def is_admin(self, key: str) -> bool:
        """Compare a key with the admin key, which takes the same time for every key."""
        return self._admin is not None and hmac.compare_digest(self._admin, digest_of(key))

    async def count_admin_attempt(self, address: str) -> None:
        """Count a wrong admin key.

        Raises:
            RateExceeded: Too many wrong keys came from this address.
        """
        await self._limit_rate().take(f"admin {address}", _ADMIN_ATTEMPTS_PER_MINUTE)

    async def close(self) -> None:
        """Close the connections to the storage of rates."""
        if self._rate is not None:
            await self._rate.close()

    def _limit_rate(self) -> "RateLimiter":
        """Return the limiter, made for the first caller whose rate has a limit: loading it takes 0.13 seconds."""
        if self._rate is None:
            from app.access.rate import RateLimiter

            self._rate = RateLimiter(self._settings.rate_storage, numbers=self._rate_numbers)
        return self._rate

    async def _take_rate(self, caller: str, per_minute: int) -> None:
        if per_minute:  # 0 is no limit
            await self._limit_rate().take(caller, per_minute)

    def _refuse(self, key: str) -> None:
        if key and self.has_keys:
            raise KeyUnknown("Invalid API key")
        if self.requires_key:
            raise KeyMissing("Please contact the server operator to get an API key")
