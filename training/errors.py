"""The errors that training raises.

TrainingError
├── ConfigError         the TOML file is unreadable, has an unknown key or a bad value
├── CorpusError         a corpus file is unreadable; names the file and the line
├── DownloadError       a corpus could not be fetched or has the wrong checksum
├── CheckpointError     a checkpoint does not belong to this run or is damaged
├── NotANumber          the loss is no longer finite
├── ConversionError     a published model cannot be converted, with the reason
└── ParityError         an exported graph does not compute what the model computes
"""


class TrainingError(Exception):
    """Base class of the errors of training. Commands print the message and exit with status 1."""


class ConfigError(TrainingError):
    """The run's TOML file cannot be used."""


class CorpusError(TrainingError):
    """A corpus file cannot be read; the message names the file and the line."""


class DownloadError(TrainingError):
    """A corpus could not be downloaded completely."""


class CheckpointError(TrainingError):
    """A checkpoint does not belong to this run or is damaged."""


class NotANumber(TrainingError):
    """The loss is no longer finite, so training cannot continue."""


class ConversionError(TrainingError):
    """A published model cannot be converted; the message names the file and the reason."""


class ParityError(TrainingError):
    """An exported graph does not compute what the model computes."""
