"""Formats of the log: plain lines, or JSON with one object per line. Texts, keys and addresses are never logged."""

import json
import logging
import time
from contextvars import ContextVar
from typing import Final, Literal

# Ids of the current request and its trace; empty outside a request.
REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
TRACE_ID: Final[ContextVar[str]] = ContextVar("trace_id", default="")
# Fields that a log record may have as ``extra``, beside its message.
FIELDS: Final = ("method", "path", "status", "milliseconds")
LogFormat = Literal["text", "json"]


class TextFormatter(logging.Formatter):
    """Formats a record as time, level, logger and message, followed by the id of the request.

    Args:
        worker: The number of the worker, which stands before the logger; 0 if one process serves alone.
    """

    def __init__(self, worker: int = 0) -> None:
        super().__init__(f"%(asctime)s %(levelname)s {f'worker {worker} ' if worker else ''}%(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format the first line of a record."""
        line = super().formatMessage(record)
        request_id = REQUEST_ID.get()
        return f"{line} [{request_id}]" if request_id else line


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line.

    The object holds ``time`` (UTC), ``level``, ``logger`` and ``message``; within a request ``request_id`` and
    ``trace_id``; ``worker`` with its number, where there are several; ``exception`` with its traceback; and the fields
    of the record. Line breaks are escaped.

    Args:
        worker: The number of the worker; 0 if one process serves alone.
    """

    def __init__(self, worker: int = 0) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._worker:
            entry["worker"] = self._worker
        for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
            if value := variable.get():
                entry[name] = value
        entry |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=True, default=str)


def configure_logging(level: str, log_format: LogFormat, worker: int = 0) -> None:
    """Configure the root logger, so that messages of libraries have the same format.

    Args:
        level: The lowest level that is logged.
        log_format: ``text`` or ``json``.
        worker: The number of the worker that this process is, which takes the place of its supervisor's format.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(worker) if log_format == "json" else TextFormatter(worker))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=bool(worker))
