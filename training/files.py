"""Atomic replacement of files."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a temporary file beside ``path``, flushes it to the disk and renames it to ``path``.

    Readers see either the former file or the new one, also after a crash.
    """
    temporary = path.with_name(f".{path.name}.writing")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
