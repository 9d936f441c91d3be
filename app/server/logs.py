"""How the log is written: lines for people, or JSON, one object a line. Texts, keys and addresses never get here."""

import json
import logging
import time
from contextvars import ContextVar
from typing import Final, Literal

# Of the request that is being answered, where there is one.
REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
TRACE_ID: Final[ContextVar[str]] = ContextVar("trace_id", default="")
# What a message says in fields of its own beside the sentence, as ``extra``.
FIELDS: Final = ("method", "path", "status", "milliseconds")
LogFormat = Literal["text", "json"]


class TextFormatter(logging.Formatter):
    """Time, level, where from, and the message, with the id of the request."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        request_id = REQUEST_ID.get()
        return f"{line} [{request_id}]" if request_id else line


class JsonFormatter(logging.Formatter):
    """``time`` (UTC), ``level``, ``logger``, ``message``; ``request_id`` and ``trace_id`` within a request;
    ``exception`` with its traceback; and the fields of the message. A line break in any of them is escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        found: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
            if value := variable.get():
                found[name] = value
        found |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found, ensure_ascii=True, default=str)


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Of the whole process: what other libraries log looks the same."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
