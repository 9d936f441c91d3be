"""What is there of an output while it grows, kept so that a kill loses nothing and doubles nothing.

While it grows, a file ``OUT`` is ``OUT.part``; beside it ``OUT.part.json`` says how much of it is whole. The file is
flushed to disk before that is said, so whatever stands behind it is thrown away when the work goes on.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from app.errors import BulkError


@dataclass(frozen=True, slots=True)
class Whole:
    """So many ``lines`` stand in the first ``size`` bytes of the part. ``work``: what is being done, so that nobody
    goes on with something else.
    """

    lines: int
    size: int
    work: str


class Part:
    """The file that grows in place of ``path``; used as a context.

    :param work: see ``Whole``.
    :param anew: what is there of an earlier run is thrown away.
    :raises BulkError: the output is there already, or its part is of other work.
    """

    def __init__(self, path: Path, work: str, anew: bool = False) -> None:
        self.path = path
        self.file = path.with_name(path.name + ".part")
        self._journal = path.with_name(path.name + ".part.json")
        if path.exists():
            raise BulkError(f"{path} is there already")
        if anew:
            self._journal.unlink(missing_ok=True)
        self.whole = self._found(work)
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> "Part":
        try:
            self._stream = self.file.open("r+b" if self.file.exists() else "w+b")
        except OSError as error:
            raise BulkError(f"{self.file} cannot be written: {error}") from error
        self._stream.truncate(self.whole.size)
        self._stream.seek(self.whole.size)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stream is not None
        self._stream.close()

    def append(self, data: bytes, lines: int) -> None:
        """:param lines: so many are in the data. Returns when they are on disk."""
        assert self._stream is not None
        self._stream.write(data)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._note(Whole(self.whole.lines + lines, self._stream.tell(), self.whole.work))

    def become_output(self, joined: Path | None = None) -> None:
        """Give the part, or what was ``joined`` from it, the output's name; the work is done."""
        if joined is None:
            self.file.replace(self.path)
        else:
            joined.replace(self.path)
            self.file.unlink()
        self._journal.unlink(missing_ok=True)

    def _found(self, work: str) -> Whole:
        if not self._journal.exists():
            return Whole(0, 0, work)
        try:
            whole = Whole(**json.loads(self._journal.read_text(encoding="utf-8")))
            size = self.file.stat().st_size
        except (OSError, ValueError, TypeError) as error:
            raise BulkError(f"{self._journal} cannot be used ({error}); --anew begins again") from error
        if whole.work != work:
            raise BulkError(
                f"{self.file} was begun with another input, model or options: {whole.work}, now {work}; "
                f"--anew begins again"
            )
        if size < whole.size:
            raise BulkError(f"{self.file} has {size} bytes, {whole.size} were written; --anew begins again")
        return whole

    def _note(self, whole: Whole) -> None:
        """Replaced in one step, so that it is always whole itself."""
        fresh = self._journal.with_name(self._journal.name + ".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(asdict(whole), stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._journal)
        self.whole = whole
