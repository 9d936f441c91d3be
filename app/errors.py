"""Every error that the service raises on purpose. ``app.api`` maps them to HTTP statuses; this module has no HTTP.

PasserelleError
├── BundleError                 a bundle cannot be used; the message names the file and the value
│   ├── BundleFormatError       the manifest is unreadable, or has an unknown key, a wrong version or a bad value
│   ├── BundleFileError         a file is missing, unexpected, changed, or outside the bundle's folder
│   ├── BundleGraphError        a graph has something that no export writes
│   └── BundleSignatureError    a graph does not have the tensors that the manifest promises
├── RequestError                the request cannot be served as it is
│   ├── InvalidRequest          a field is missing or malformed
│   ├── InvalidGlossary         the entries of a glossary cannot be used
│   ├── AccessRefused           the request needs a valid key
│   │   ├── KeyMissing          it has none
│   │   └── KeyUnknown          the service has no such key
│   ├── UnsupportedLanguage     no bundle translates this pair
│   ├── UnusableFile            a file is damaged, unsafe, or of a format or encoding that is not read
│   └── LimitExceeded           a value is over a limit; the message names both
│       ├── RequestTooLarge     the request is longer than the limit
│       ├── FileTooLarge        a file is larger than the limit, or decompresses to more
│       ├── QuotaExceeded       the quota has fewer characters left
│       └── RateExceeded        too many requests came in a short time
├── EngineError                 the engine could not answer
│   ├── EngineOverloaded        the bounded queue is full
│   ├── EngineStopped           the engine is stopping or was never started
│   ├── BundleUnavailable       a bundle is not in memory yet, or cannot be loaded
│   ├── DeadlineExceeded        the request's deadline passed
│   ├── RequestCancelled        the caller left
│   └── StepFailed              a graph failed while it ran
├── BodiesExceeded              the bodies that are being read need all the memory reserved for them
├── StorageError                data could not be written to disk or read from it
├── BulkError                   a file of lines cannot be translated
└── ConfigurationError          a setting cannot be honoured
"""

from typing import Final

INTERNAL_ERROR_SENTENCE: Final = "The server could not answer this request. The operator finds the reason in the log."


class PasserelleError(Exception):
    """Base of every error raised on purpose."""


class BundleError(PasserelleError):
    """A bundle cannot be used."""


class BundleFormatError(BundleError):
    """The manifest is unreadable, or has an unknown key, a wrong version or a bad value."""


class BundleFileError(BundleError):
    """A file is missing, unexpected, changed, or outside the bundle's folder."""


class BundleGraphError(BundleError):
    """A graph has something that no export writes: data outside its file, or custom operators."""


class BundleSignatureError(BundleError):
    """A graph does not have the tensors that the manifest promises."""


class RequestError(PasserelleError):
    """The request cannot be served as it is; the caller has to change it."""


class InvalidRequest(RequestError):
    """A field is missing or malformed."""


class InvalidGlossary(RequestError):
    """The entries of a glossary cannot be used; the message names the first fault."""


class AccessRefused(RequestError):
    """The request needs a valid key."""


class KeyMissing(AccessRefused):
    """The request has no key."""


class KeyUnknown(AccessRefused):
    """The service does not have the key of the request."""


class UnsupportedLanguage(RequestError):
    """No bundle translates this pair of languages."""


class UnusableFile(RequestError):
    """A file is damaged, unsafe, or of a format or encoding that is not read."""


class LimitExceeded(RequestError):
    """A value is over a limit.

    Attributes:
        name: The name of the limit.
        limit: Its bound.
        value: The value that exceeds it.
    """

    def __init__(self, name: str, limit: float, value: float, message: str | None = None) -> None:
        """Make an error whose message names the limit, its bound and the value, unless a message is given."""
        super().__init__(message or f"{name} ({value}) exceeds the limit ({limit})")
        self.name = name
        self.limit = limit
        self.value = value


class RequestTooLarge(LimitExceeded):
    """The request is longer than the limit; the rest of it is not read."""


class FileTooLarge(LimitExceeded):
    """A file is larger than the limit, or decompresses to more."""


class QuotaExceeded(LimitExceeded):
    """A quota has fewer characters left than the request has."""


class RateExceeded(LimitExceeded):
    """Too many requests came in a short time.

    Attributes:
        retry_after_seconds: The time after which a request is admitted.
    """

    def __init__(self, per_minute: int, retry_after_seconds: float) -> None:
        super().__init__("requests per minute", per_minute, per_minute + 1, f"Slowdown: {per_minute} per 1 minute")
        self.retry_after_seconds = retry_after_seconds


class EngineError(PasserelleError):
    """The engine could not answer."""


class EngineOverloaded(EngineError):
    """The bounded queue is full.

    Attributes:
        retry_after_seconds: The time after which the client should try again.
    """

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EngineStopped(EngineError):
    """The engine is stopping or was never started."""


class BundleUnavailable(EngineError):
    """A bundle is not in memory: it is being loaded, waits for the memory of others, or cannot be loaded.

    Attributes:
        retry_after_seconds: The time after which the client should try again.
    """

    def __init__(self, message: str, retry_after_seconds: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeadlineExceeded(EngineError):
    """The deadline of the request passed before it was finished."""


class RequestCancelled(EngineError):
    """The caller left before the request was finished."""


class StepFailed(EngineError):
    """A graph failed while it ran; every request in the engine fails with this error."""


class BodiesExceeded(PasserelleError):
    """The bodies of other requests, which are being read, need all the memory reserved for bodies."""


class StorageError(PasserelleError):
    """Data could not be written or read: the disk is full, or another process locks the file for too long."""


class ConfigurationError(PasserelleError):
    """A setting cannot be honoured."""


class BulkError(PasserelleError):
    """A file of lines cannot be translated: it is unreadable, or its output belongs to other work."""


_SHOWN_TO_CALLERS: Final = (
    RequestError,
    EngineOverloaded,
    EngineStopped,
    BundleUnavailable,
    DeadlineExceeded,
    RequestCancelled,
    BodiesExceeded,
    StorageError,
)


def sentence_for_caller(error: PasserelleError) -> str:
    """Return the message of an error if the caller may read it, else one sentence that names nothing internal."""
    return str(error) if isinstance(error, _SHOWN_TO_CALLERS) else INTERNAL_ERROR_SENTENCE
