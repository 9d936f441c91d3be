"""Every error the service raises on purpose. Knows no HTTP; ``app.api`` maps these to statuses.

PasserelleError
├── BundleError                 a bundle cannot be used; names the file and the value
│   ├── BundleFormatError       manifest unreadable, unknown key, wrong format version, bad value
│   ├── BundleFileError         missing file, extra file, wrong checksum, a path that leaves the folder
│   ├── BundleGraphError        a graph is made of what no export writes
│   └── BundleSignatureError    the graphs do not have the tensors the manifest promises
├── RequestError                the caller asked for something that cannot be done as asked
│   ├── InvalidRequest          a field is missing or malformed
│   ├── InvalidGlossary         its entries cannot be used
│   ├── AccessRefused           not without a key
│   │   ├── KeyMissing          there is none
│   │   └── KeyUnknown          there is no such key
│   ├── UnsupportedLanguage     no bundle translates this pair
│   ├── UnusableFile            a file is damaged, unsafe, or of a format or encoding that is not read
│   └── LimitExceeded           names the limit, its value and the value given
│       ├── RequestTooLarge     the request is longer than may be read
│       ├── FileTooLarge        a file is larger than may be read, or unpacks to more
│       ├── QuotaExceeded       so many characters are not left
│       └── RateExceeded        too many requests in a short time
├── EngineError                 the engine could not answer
│   ├── EngineOverloaded        the bounded queue is full
│   ├── EngineStopped           the engine is stopping or was never started
│   ├── DeadlineExceeded        the request's deadline passed
│   ├── RequestCancelled        the caller left
│   └── StepFailed              a graph raised while it ran
├── BodiesExceeded              so much of other requests is being read that no more of this one is
├── StorageError                what should be kept could not be written or read
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
    """The manifest is unreadable, has an unknown key, a wrong version or a bad value."""


class BundleFileError(BundleError):
    """A file is missing, unexpected, changed, or outside the bundle's folder."""


class BundleGraphError(BundleError):
    """A graph is made of what no export writes: data outside its file, operators of strangers."""


class BundleSignatureError(BundleError):
    """A graph does not have the tensors that the manifest promises."""


class RequestError(PasserelleError):
    """The caller asked for something that cannot be done as asked."""


class InvalidRequest(RequestError):
    """A field is missing or malformed."""


class InvalidGlossary(RequestError):
    """The entries of a glossary cannot be used; names the first fault."""


class AccessRefused(RequestError):
    """The caller may not ask for this without a key."""


class KeyMissing(AccessRefused):
    """A key is asked for and there is none."""


class KeyUnknown(AccessRefused):
    """There is no such key."""


class UnsupportedLanguage(RequestError):
    """No bundle translates this pair of languages."""


class UnusableFile(RequestError):
    """A file is damaged, unsafe, or of a format or encoding that is not read."""


class LimitExceeded(RequestError):
    """A value is over a limit. The message names the limit, its bound and the value given."""

    def __init__(self, name: str, limit: float, value: float, message: str | None = None) -> None:
        super().__init__(message or f"{name} ({value}) exceeds the limit ({limit})")
        self.name = name
        self.limit = limit
        self.value = value


class RequestTooLarge(LimitExceeded):
    """The request is longer than may be read; the rest of it is not read."""


class FileTooLarge(LimitExceeded):
    """A file is larger than may be read, or unpacks to more."""


class QuotaExceeded(LimitExceeded):
    """So many characters are not left of those that may be translated."""


class RateExceeded(LimitExceeded):
    """Too many requests in a short time. ``retry_after_seconds`` says when to come back."""

    def __init__(self, per_minute: int, retry_after_seconds: float) -> None:
        super().__init__("requests per minute", per_minute, per_minute + 1, f"Slowdown: {per_minute} per 1 minute")
        self.retry_after_seconds = retry_after_seconds


class EngineError(PasserelleError):
    """The engine could not answer."""


class EngineOverloaded(EngineError):
    """The bounded queue is full. ``retry_after_seconds`` says when to come back."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EngineStopped(EngineError):
    """The engine is stopping or was never started."""


class DeadlineExceeded(EngineError):
    """The deadline of the request passed before it was finished."""


class RequestCancelled(EngineError):
    """The caller left before the request was finished."""


class StepFailed(EngineError):
    """A graph raised while it ran; every waiting request fails with this."""


class BodiesExceeded(PasserelleError):
    """So much of other requests is being read that no more of this one is."""


class StorageError(PasserelleError):
    """What should be kept could not be written or read: a full disk, or a file that others hold for too long."""


class ConfigurationError(PasserelleError):
    """A setting cannot be honoured."""


class BulkError(PasserelleError):
    """A file of lines cannot be translated: unreadable, or begun with other work."""


_SHOWN_TO_CALLERS: Final = (
    RequestError,
    EngineOverloaded,
    EngineStopped,
    DeadlineExceeded,
    RequestCancelled,
    BodiesExceeded,
    StorageError,
)


def sentence_for_caller(error: PasserelleError) -> str:
    """Return the message of an error if the caller may read it, else one sentence that names nothing internal."""
    return str(error) if isinstance(error, _SHOWN_TO_CALLERS) else INTERNAL_ERROR_SENTENCE
