"""A folder for temporary files that does not outlive its process for long, however that ends."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "passerelle-files-"


class ScratchFolder:
    """A new folder that nobody else may read, at ``path``.

    It is locked as long as its process lives: so another can tell it from one whose process was killed.
    """

    def __init__(self, parent: Path | None = None) -> None:
        """:param parent: where it is made; None takes the system's folder for temporary files."""
        self._lock: int | None = None
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = _locked(self.path, waits=True)
            if self.path.exists():  # else another process took it for abandoned before it was locked
                return
            self.close()

    def close(self) -> None:
        """Delete it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def delete_abandoned(parent: Path | None = None) -> None:
    """Delete such folders of processes that are gone. What cannot be deleted stays."""
    for path in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        lock = _locked(path, waits=False)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _locked(path: Path, waits: bool) -> int | None:
    """The descriptor of a folder that is locked now; None if another process has it, or if it is not ours."""
    if sys.platform == "win32":
        return None  # no such locks there, so what was abandoned stays
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(f"{path} is somebody else's")
        fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
