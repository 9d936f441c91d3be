"""Every environment variable once, with its unit, bounds, default and meaning.

Only ``app.server.environment.load_settings`` reads them. ``passerelle settings`` prints the table of app/README.md.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AliasChoices, BeforeValidator, Field, JsonValue, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "PASSERELLE_"
DEFAULT_PORT: Final = 8000
MAX_WORKERS: Final = 256
MAX_BUNDLE_FILE_BYTES: Final = 512 * 1024 * 1024
ShortlistMode = Literal["auto", "on", "off"]


def _count(default: int, unit: str, least: int, most: int, description: str) -> Any:
    """A whole number with its unit and bounds."""
    return Field(default=default, ge=least, le=most, description=description, json_schema_extra={"unit": unit})


def _seconds(default: float, most: float, description: str, may_be_zero: bool = False) -> Any:
    """A time in seconds, above 0 unless ``may_be_zero``."""
    extra: dict[str, JsonValue] = {"unit": "seconds"}
    if may_be_zero:
        return Field(default=default, ge=0, le=most, description=description, json_schema_extra=extra)
    return Field(default=default, gt=0, le=most, description=description, json_schema_extra=extra)


def _path(default: str, description: str) -> Any:
    """A file or folder."""
    return Field(default=default, description=description, json_schema_extra={"unit": "path"})


def _port(value: object) -> object:
    # In Kubernetes a service named "passerelle" puts PASSERELLE_PORT=tcp://10.0.0.1:8000 into every pod: not a setting.
    return DEFAULT_PORT if isinstance(value, str) and value.startswith("tcp://") else value


def _root_path(value: object) -> object:
    return "/" + value.strip("/") if isinstance(value, str) and value.strip("/") else ""


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _workers(value: object) -> object:
    if _lower(value) == "auto":
        return "auto"
    if not str(value).isdecimal() or not 1 <= int(str(value)) <= MAX_WORKERS:
        raise ValueError(f"Input should be 'auto' or a whole number from 1 to {MAX_WORKERS}")
    return int(str(value))


class Settings(BaseSettings):
    """How one process of the service runs. Frozen; a value out of bounds is refused at start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    models_dir: Path = Field(
        default=Path("models"),
        validation_alias=AliasChoices("MODELS_DIR", "PASSERELLE_MODELS_DIR"),
        description="Folder whose sub-folders are the bundles, or several, separated as in `PATH`: new ones go into "
        "the last. Also `PASSERELLE_MODELS_DIR`, which it overrides.",
        json_schema_extra={"unit": "path"},
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; the image sets `0.0.0.0`.")
    port: Annotated[int, BeforeValidator(_port)] = Field(
        default=DEFAULT_PORT, ge=0, le=65535, description="Port to listen on; 0 takes any free one."
    )
    workers: Annotated[int | Literal["auto"], BeforeValidator(_workers)] = Field(
        default=1,
        description="Processes that serve the port together; `auto`: one for each CPU of the container or machine, as "
        "far as its memory holds them.",
        json_schema_extra={"unit": "processes", "allowed": f"1 to {MAX_WORKERS}, `auto`"},
    )
    root_path: Annotated[str, BeforeValidator(_root_path)] = Field(
        default="", description="Path under which a reverse proxy publishes the service, such as `/translate-api`."
    )
    trusted_proxies: str = Field(
        default="", description="Addresses (with commas) whose `X-Forwarded-*` headers are believed; empty: of none."
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

    api_keys_file: str = _path(
        "",
        "File with the hashes of the keys that callers may have; `passerelle keys new NAME` makes a key and its line.",
    )
    api_keys: str = Field(default="", description="Such lines, divided by semicolons, beside or instead of the file.")
    api_key_required: bool = Field(
        default=True, description="With keys: refuse callers that send none. A wrong key is always refused."
    )
    requests_per_minute: int = _count(
        0,
        "requests",
        0,
        1_000_000,
        "Requests of one address without a key; this many may come at once, more are refused (429). 0 sets no limit.",
    )
    key_requests_per_minute: int = _count(
        0, "requests", 0, 1_000_000, "As above, with a key whose line names no other number."
    )
    rate_storage: str = Field(
        default="memory",
        description="Where requests are counted: `memory`, by the workers of a service together, or a Redis or Valkey "
        "server that replicas share: `redis://HOST:PORT`, `rediss://`, `unix://`.",
    )
    admin_key_hash: str = Field(
        default="",
        description="Hash of the key for `POST /admin/reload`, as `passerelle keys new admin` prints it; empty: "
        "there is no such path.",
    )
    metrics: Annotated[Literal["open", "key", "off"], BeforeValidator(_lower)] = Field(
        default="key",
        description="Access to `/metrics`: `open` to all, with a `key` where keys are required, or `off`.",
    )

    max_bundle_file_bytes: int = _count(
        MAX_BUNDLE_FILE_BYTES,
        "bytes",
        1024,
        2 * 1024**3,
        "Largest file of a bundle; a bundle with a larger one is not loaded.",
    )
    max_loaded_mib: int = _count(
        1024,
        "MiB",
        1,
        1024**2,
        "Memory for bundles, each counted as 2.5 times its graphs and tokenizer. A bundle is loaded at its first "
        "request; if it has no room, idle ones leave, the least recently used first.",
    )
    preload: str = Field(
        default="auto",
        description="Bundles (names of folders, with commas) that are loaded at the start; `all`, `none`, or `auto`: "
        "all if they fit into `PASSERELLE_MAX_LOADED_MIB`, otherwise none.",
    )
    forbidden_pivots: str = Field(
        default="",
        description="Languages (codes, with commas) through which nothing is translated; `*`: all, so that only pairs "
        "are served that a bundle translates. Other pairs are translated by two bundles, through English if possible.",
    )
    provider: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_lower)] = Field(
        default="auto", description="Where the graphs run; `auto` takes CUDA where it works, else the CPU."
    )
    provider_fallback: bool = Field(
        default=False, description="With `cuda`: go on with the CPU, loudly, when CUDA cannot be used."
    )
    shortlist: Annotated[ShortlistMode, BeforeValidator(_lower)] = Field(
        default="auto",
        description="Search only a bundle's lexical shortlist: faster, may miss words; `auto`: as the bundle says.",
    )
    threads: int = _count(
        0,
        "threads",
        0,
        256,
        "Threads of all bundles together, divided among those that work; 0 takes the CPU quota of the container, else "
        "the CPUs of the process.",
    )

    max_body_bytes: int = _count(
        2 * 1024 * 1024, "bytes", 1024, 1024**3, "Largest request body; a longer one is refused while it is read (413)."
    )
    max_bodies_mib: int = _count(
        256, "MiB", 1, 1024**2, "All request bodies over 16 KiB that are in memory together; one more is refused (503)."
    )
    max_characters: int = _count(
        200_000, "characters", 1, 10_000_000, "Characters of all texts of one request together."
    )
    max_items: int = _count(256, "texts", 1, 100_000, "Texts in one request.")
    max_segments: int = _count(
        4096, "segments", 1, 100_000, "Sentences (or parts of too long ones) that one request may put into the queue."
    )
    max_alternatives: int = _count(3, "translations", 0, 31, "Alternatives of one request.")
    max_beam_size: int = _count(8, "hypotheses", 1, 32, "Largest beam of one request.")
    max_file_bytes: int = _count(
        10 * 1024 * 1024, "bytes", 1024, 1024**3, "Largest file; a larger one is refused while it is read (413)."
    )
    max_unpacked_bytes: int = _count(
        50 * 1024 * 1024, "bytes", 1024, 16 * 1024**3, "What a zip file (docx, odt, pptx, epub) may unpack to, in all."
    )
    max_files: int = _count(
        8, "files", 1, 10_000, "Files that a worker translates, two at a time, or that wait; one more is refused (429)."
    )
    file_processes: bool = Field(
        default=True, description="Read and write files in processes of their own, which a bad file cannot take along."
    )
    file_process_mib: int = _count(1024, "MiB", 64, 1024**2, "Memory that one file may take in its process.")
    file_reading_seconds: float = _seconds(
        60.0, 3600, "Longest time in which a process reads or writes one file, without its translation."
    )
    max_stored_bytes: int = _count(
        256 * 1024 * 1024, "bytes", 1024, 1024**4, "Translated files that wait to be fetched, all together."
    )
    files_dir: str = _path(
        "",
        "Folder for documents and translated files, which several processes of one machine may share; each "
        "then knows the files of all. Empty: a folder among the temporary files, deleted at the end.",
    )
    deepl_character_limit: int = _count(
        0,
        "characters",
        0,
        10**15,
        "Characters that DeepL's clients may translate until the service is restarted; more are refused "
        "(456), and `/v2/usage` counts them. 0 sets no limit.",
    )
    placeholder_patterns: str = Field(
        default="",
        description="Regular expressions without captures, one a line, of further text to keep, such as "
        "`ACME-[0-9]{1,6}`.",
        json_schema_extra={"unit": "lines"},
    )
    data_dir: Path = Field(
        default=Path("data"),
        description="Folder for glossaries. It is made when there is something to keep.",
        json_schema_extra={"unit": "path"},
    )
    max_glossaries: int = _count(1000, "glossaries", 0, 1_000_000, "Glossaries kept.")
    max_glossary_entries: int = _count(10_000, "entries", 1, 100_000, "Terms in one glossary.")
    max_rows: int = _count(64, "rows", 1, 4096, "Hypotheses decoded in one step.")
    max_padded_tokens: int = _count(
        8192, "tokens", 64, 4_194_304, "Rows of one step times the longest source among them."
    )
    cache_mib: int = _count(
        0, "MiB", 0, 1024**2, "Memory for translated sentences, which are not decoded again. 0 keeps none."
    )
    max_waiting: int = _count(
        256,
        "segments",
        1,
        1_000_000,
        "A request is refused (429) while this many segments of its priority wait for a row; of one request an "
        "eighth of this number counts at most.",
    )

    max_caller_sentences: int = _count(
        192,
        "sentences",
        0,
        1_000_000,
        "Of the requests of one caller (a key, or an address) in progress together, of each request 32 at most; one "
        "more is refused (429), so that other callers find room in the queue. 0 sets no limit.",
    )
    max_connections: int = _count(
        16_384, "connections", 1, 1_000_000, "At once, at most half of the files that a process may open; else 503."
    )
    client_timeout_seconds: float = _seconds(
        20.0,
        3600,
        "A connection is closed if headers take longer (408), or if its client reads nothing of an answer for "
        "this long.",
    )
    request_timeout_seconds: float = _seconds(
        30.0, 3600, "Deadline of one request; `X-Request-Timeout-Seconds` can shorten it."
    )
    file_timeout_seconds: float = _seconds(600.0, 86_400, "Longest translation of a file.")
    file_keep_seconds: float = _seconds(
        900.0, 86_400, "A translated file is deleted if it is not fetched in this time."
    )
    warm_up_timeout_seconds: float = _seconds(60.0, 3600, "Longest warm-up of one bundle.")
    probe_seconds: float = _seconds(5.0, 3600, "Time between two warm-up attempts of a bundle that does not work.")
    stall_seconds: float = _seconds(30.0, 3600, "A bundle with work to do and no step for this long is not ready.")
    drain_seconds: float = _seconds(
        0.0,
        3600,
        "Told to stop, the service first reports at `/ready` that it leaves, and accepts requests for this "
        "long, until no load balancer sends any.",
        may_be_zero=True,
    )
    shutdown_seconds: float = _seconds(
        8.0, 3600, "Time for requests that run when the service stops; then they are refused (503).", may_be_zero=True
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
