"""How many files and sockets this process may have open."""

import sys
from typing import Final

_UNKNOWN: Final = 2048  # where the system sets no such limit


def allowed_open_files() -> int:
    """Ask for as many as the system lets a process have: what is set for a shell is often 1,024."""
    if sys.platform == "win32":
        return _UNKNOWN
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and soft != resource.RLIM_INFINITY:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return soft
        soft = hard
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft
