"""Every environment variable once, with its unit, bounds, default and meaning.

``app.server.environment.load_settings`` reads them, nobody else does. ``python -m app settings`` prints README's table.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "PASSERELLE_"
DEFAULT_PORT: Final = 8000
MAX_BUNDLE_FILE_BYTES: Final = 512 * 1024 * 1024


def _port(value: object) -> object:
    # In Kubernetes a service named "passerelle" puts PASSERELLE_PORT=tcp://10.0.0.1:8000 into every pod: not a setting.
    return DEFAULT_PORT if isinstance(value, str) and value.startswith("tcp://") else value


def _root_path(value: object) -> object:
    if not isinstance(value, str) or not value.strip("/"):
        return ""
    return "/" + value.strip("/")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """How one process of the service runs. Frozen; a value out of bounds is refused at start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    models_dir: Path = Field(
        default=Path("models"),
        validation_alias=AliasChoices("MODELS_DIR", "PASSERELLE_MODELS_DIR"),
        description="Folder whose sub-folders are the bundles; also `PASSERELLE_MODELS_DIR`, which it overrides.",
        json_schema_extra={"unit": "path"},
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; the image sets `0.0.0.0`.")
    port: Annotated[int, BeforeValidator(_port)] = Field(
        default=DEFAULT_PORT, ge=0, le=65535, description="Port to listen on; 0 takes any free one."
    )
    root_path: Annotated[str, BeforeValidator(_root_path)] = Field(
        default="", description="Path under which a reverse proxy publishes the service, such as `/translate-api`."
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses (with commas) whose `X-Forwarded-*` headers are believed; empty believes nobody.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="Least severe message that is logged. Texts and keys are never logged."
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = Field(
        default="text",
        description="How the log is written; `json`: an object a line, with the ids of request and trace.",
    )
    access_log: bool = Field(
        default=False, description="Log one line for each request: method, path without query, status, time."
    )

    api_keys_file: str = Field(
        default="",
        description="File with the hashes of the keys that callers may have; `python -m app keys new NAME` makes a key "
        "and its line.",
        json_schema_extra={"unit": "path"},
    )
    api_keys: str = Field(default="", description="Such lines, divided by semicolons, beside or instead of the file.")
    api_key_required: bool = Field(
        default=True, description="Where there are keys: refuse who has none. Who sends a wrong one is refused anyway."
    )
    requests_per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Requests of one address without a key; so many may come at once, what is over is refused (429). 0 "
        "sets no limit.",
        json_schema_extra={"unit": "requests"},
    )
    key_requests_per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="As above, with a key whose line says nothing else.",
        json_schema_extra={"unit": "requests"},
    )
    rate_storage: str = Field(
        default="memory",
        description="Where these are counted: `memory`, by each process for itself, or a Redis or Valkey server that "
        "replicas share: `redis://HOST:PORT`, `rediss://`, `unix://`.",
    )
    admin_key_hash: str = Field(
        default="",
        description="Hash of the key for `POST /admin/reload`, as `python -m app keys new admin` prints it; empty: "
        "there is no such path.",
    )
    metrics: Annotated[Literal["open", "key", "off"], BeforeValidator(_lower)] = Field(
        default="key",
        description="Who may read `/metrics`: everybody, or where keys are asked for those with a key, or nobody.",
    )

    max_bundle_file_bytes: int = Field(
        default=MAX_BUNDLE_FILE_BYTES,
        ge=1024,
        le=2 * 1024**3,
        description="Largest file of a bundle; a bundle with a larger one is not loaded.",
        json_schema_extra={"unit": "bytes"},
    )
    provider: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_lower)] = Field(
        default="auto", description="Where the graphs run; `auto` takes CUDA where it works, else the CPU."
    )
    provider_fallback: bool = Field(
        default=False, description="With `cuda`: go on with the CPU, loudly, when CUDA cannot be used."
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Threads of all bundles together, divided among them; 0 takes the CPU quota of the container, else "
        "the CPUs of the process.",
        json_schema_extra={"unit": "threads"},
    )

    max_body_bytes: int = Field(
        default=2 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="Largest request body; a longer one is refused while it is read (413).",
        json_schema_extra={"unit": "bytes"},
    )
    max_bodies_mib: int = Field(
        default=256,
        ge=1,
        le=1024**2,
        description="All request bodies over 16 KiB that are in memory together; one more is refused (503).",
        json_schema_extra={"unit": "MiB"},
    )
    max_characters: int = Field(
        default=200_000,
        ge=1,
        le=10_000_000,
        description="Characters of all texts of one request together.",
        json_schema_extra={"unit": "characters"},
    )
    max_items: int = Field(
        default=256, ge=1, le=100_000, description="Texts in one request.", json_schema_extra={"unit": "texts"}
    )
    max_segments: int = Field(
        default=4096,
        ge=1,
        le=100_000,
        description="Sentences (or parts of too long ones) that one request may put into the queue.",
        json_schema_extra={"unit": "segments"},
    )
    max_alternatives: int = Field(
        default=3, ge=0, le=31, description="Alternatives of one request.", json_schema_extra={"unit": "translations"}
    )
    max_beam_size: int = Field(
        default=8, ge=1, le=32, description="Largest beam of one request.", json_schema_extra={"unit": "hypotheses"}
    )
    max_file_bytes: int = Field(
        default=10 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="Largest file that is translated; of its request nothing more is read (413).",
        json_schema_extra={"unit": "bytes"},
    )
    max_unpacked_bytes: int = Field(
        default=50 * 1024 * 1024,
        ge=1024,
        le=16 * 1024**3,
        description="What a file that is a zip file (docx, odt, pptx, epub) may unpack to, in all.",
        json_schema_extra={"unit": "bytes"},
    )
    max_files: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="Files that are translated or wait for it, two of them at a time; one more is refused (429).",
        json_schema_extra={"unit": "files"},
    )
    max_stored_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024,
        le=1024**4,
        description="Translated files that wait to be fetched, all together.",
        json_schema_extra={"unit": "bytes"},
    )
    files_dir: str = Field(
        default="",
        description="Folder for documents and translated files, which several processes of one machine may share; each "
        "then knows the files of all. Empty: a folder among the temporary files, deleted at the end.",
        json_schema_extra={"unit": "path"},
    )
    deepl_character_limit: int = Field(
        default=0,
        ge=0,
        le=10**15,
        description="Characters that DeepL's clients may have translated until the service is started anew; what is "
        "over is refused (456), and `/v2/usage` tells how many are left. 0 sets no limit.",
        json_schema_extra={"unit": "characters"},
    )
    placeholder_patterns: str = Field(
        default="",
        description="Regular expressions without captures, one a line, of more to keep, such as `ACME-[0-9]{1,6}`.",
        json_schema_extra={"unit": "lines"},
    )
    data_dir: Path = Field(
        default=Path("data"),
        description="Folder for what callers leave here: glossaries. It is made when there is something to keep.",
        json_schema_extra={"unit": "path"},
    )
    max_glossaries: int = Field(
        default=1000, ge=0, le=1_000_000, description="Glossaries kept.", json_schema_extra={"unit": "glossaries"}
    )
    max_glossary_entries: int = Field(
        default=5000, ge=1, le=100_000, description="Terms in one glossary.", json_schema_extra={"unit": "entries"}
    )
    max_rows: int = Field(
        default=64, ge=1, le=4096, description="Hypotheses decoded in one step.", json_schema_extra={"unit": "rows"}
    )
    max_padded_tokens: int = Field(
        default=8192,
        ge=64,
        le=4_194_304,
        description="Rows of one step times the longest source among them.",
        json_schema_extra={"unit": "tokens"},
    )
    cache_mib: int = Field(
        default=0,
        ge=0,
        le=1024**2,
        description="Memory for finished sentences: what is asked again is not decoded again. 0 keeps none.",
        json_schema_extra={"unit": "MiB"},
    )
    max_waiting: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="A request is refused (429) while so many segments of its priority wait for a row.",
        json_schema_extra={"unit": "segments"},
    )

    max_connections: int = Field(
        default=16_384,
        ge=1,
        le=1_000_000,
        description="At the same time, at most half of the files that the process may open; more are refused (503).",
        json_schema_extra={"unit": "connections"},
    )
    client_timeout_seconds: float = Field(
        default=20.0,
        gt=0,
        le=3600,
        description="A connection is closed if headers take longer (408), or if nothing of an answer is taken.",
        json_schema_extra={"unit": "seconds"},
    )
    request_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Deadline of one request; `X-Request-Timeout-Seconds` can shorten it.",
        json_schema_extra={"unit": "seconds"},
    )
    file_timeout_seconds: float = Field(
        default=600.0,
        gt=0,
        le=86_400,
        description="Longest translation of a file.",
        json_schema_extra={"unit": "seconds"},
    )
    file_keep_seconds: float = Field(
        default=900.0,
        gt=0,
        le=86_400,
        description="A translated file that nobody fetched is deleted after so long.",
        json_schema_extra={"unit": "seconds"},
    )
    warm_up_timeout_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="Longest warm-up of one bundle.", json_schema_extra={"unit": "seconds"}
    )
    probe_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Time between two warm-up attempts of a bundle that does not work.",
        json_schema_extra={"unit": "seconds"},
    )
    stall_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="A bundle with work to do and no step for so long is not ready.",
        json_schema_extra={"unit": "seconds"},
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=3600,
        description="Told to stop, the service first says at `/ready` that it leaves, and takes requests for so long, "
        "until no load balancer sends any.",
        json_schema_extra={"unit": "seconds"},
    )
    shutdown_seconds: float = Field(
        default=8.0,
        ge=0,
        le=3600,
        description="Time to finish running requests when the service is stopped.",
        json_schema_extra={"unit": "seconds"},
    )

    @model_validator(mode="after")
    def _limits_fit(self) -> "Settings":
        if self.max_beam_size < self.max_alternatives + 1:
            raise ValueError(
                f"MAX_BEAM_SIZE ({self.max_beam_size}) must be at least MAX_ALTERNATIVES + 1 "
                f"({self.max_alternatives + 1}): the alternatives are the other hypotheses of the beam"
            )
        if self.max_rows < self.max_beam_size:
            raise ValueError(f"MAX_ROWS ({self.max_rows}) must be at least MAX_BEAM_SIZE ({self.max_beam_size})")
        return self
