"""The process that reads and writes files for the service: ``python -m app.files.worker``.

It reads one file at a time, so that a file that takes all memory, or for ever, costs this process and not the service.
Requests come on the standard input and answers go to the standard output, each as a JSON object and bytes behind it.
"""

import json
import os
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from app.errors import FileTooLarge, UnusableFile
from app.files.document import Document
from app.files.formats.registry import read_document

# The lengths in bytes of the JSON object and of the bytes behind it.
HEAD: Final = struct.Struct(">QQ")
_STATM: Final = Path("/proc/self/statm")


def pack(fields: dict[str, Any], content: bytes = b"") -> bytes:
    """Return a message as it is sent."""
    text = json.dumps(fields).encode()
    return HEAD.pack(len(text), len(content)) + text + content


def main(source: BinaryIO, target: BinaryIO, memory_mib: int) -> None:
    """Answer requests until the input ends.

    Args:
        source: The requests.
        target: The answers.
        memory_mib: The memory that a file may take beyond what the process takes itself; 0 sets no limit.
    """
    if memory_mib:
        _limit_memory(memory_mib * 2**20)
    document: Document | None = None
    while head := source.read(HEAD.size):
        sizes = HEAD.unpack(head)
        fields, content = json.loads(source.read(sizes[0])), source.read(sizes[1])
        if fields["do"] == "read":
            document = None  # the file before is freed first

            def read(fields: dict[str, Any] = fields, content: bytes = content) -> tuple[dict[str, Any], bytes]:
                nonlocal document
                document = read_document(fields["name"], content, fields["limit"], fields["languages"])
                return {"passages": [[one.text, one.text_format] for one in document.passages]}, b""

            answer = _attempt(read)
        else:
            assert document is not None
            write, translations = document.write, iter(fields["translations"])
            answer = _attempt(lambda write=write, of=translations, to=fields["target"]: ({}, write(of, to)))  # type: ignore[misc]
            document = None
        target.write(answer)
        target.flush()


def _attempt(work: Callable[[], tuple[dict[str, Any], bytes]]) -> bytes:
    try:
        return pack(*work())
    except FileTooLarge as error:
        return pack({"error": "too large", "arguments": [error.name, error.limit, error.value, str(error)]})
    except UnusableFile as error:
        return pack({"error": "unusable", "arguments": [str(error)]})
    except MemoryError:
        return pack({"error": "memory"})
    except Exception:
        traceback.print_exc()
        return pack({"error": "unexpected"})


def _limit_memory(more_bytes: int) -> None:
    if sys.platform == "win32" or not _STATM.exists():
        return
    import resource

    own_bytes = int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = own_bytes + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


if __name__ == "__main__":
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    main(sys.stdin.buffer, answers, int(sys.argv[1]))
