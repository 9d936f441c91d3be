"""How many characters were translated for those whose characters are counted, and how many may be."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import QuotaExceeded


class CharacterQuota:
    """Counts in memory, so from the start of the process on. Belongs to one thread, the event loop's.

    ``limit`` 0 is no limit. ``name`` is what messages call it.
    """

    def __init__(self, limit: int, name: str = "deepl_character_limit") -> None:
        self.limit = limit
        self.name = name
        self.count = 0

    @contextmanager
    def counted(self, characters: int) -> Iterator[None]:
        """Count the characters, unless the block fails: what was not translated is not counted.

        :raises QuotaExceeded: so many are not left; then nothing is counted.
        """
        # They are taken before the work begins, so that requests at the same time do not share what is left.
        if self.limit and self.count + characters > self.limit:
            raise QuotaExceeded(
                self.name,
                self.limit,
                self.count + characters,
                f"{self.count} characters are counted, and {characters} more exceed {self.name} ({self.limit})",
            )
        self.count += characters
        try:
            yield
        except BaseException:
            self.count -= characters
            raise
