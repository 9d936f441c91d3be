"""The two graphs of a model as calls on numpy arrays. The only file that imports onnxruntime."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.bundle.safety import check_graph_file
from app.bundle.signature import (
    CANDIDATE_WEIGHTS,
    NEXT_PREFIX,
    SOURCE_MASK,
    GraphSignature,
    check_signature,
    describe_graph,
)
from app.bundle.store import Bundle
from app.engine.model import Arrays, Encoded, Stepped
from app.engine.states import mask_of
from app.errors import BundleSignatureError, ConfigurationError

Provider = Literal["auto", "cpu", "cuda"]

_LOG: Final = logging.getLogger(__name__)
_CUDA: Final = "CUDAExecutionProvider"
_CPU: Final = "CPUExecutionProvider"
_DEVICE: Final = "cuda"  # where states and memory are bound


class OnnxGraphs:
    """The graphs of a bundle in onnxruntime; implements ``app.engine.model.Graphs``.

    Args:
        bundle: whose graphs to open.
        provider: the provider that is requested; ``auto`` takes CUDA where it is available.
        threads: threads within one operator; the engine's thread is one of them.
        provider_fallback: if CUDA is requested and unavailable, run on the CPU and log a warning.
        turns: held while a graph runs, so that several bundles together do not use more threads than there are.

    Attributes:
        provider: where the graphs run.

    Raises:
        BundleGraphError: a graph has parts that no export writes.
        BundleSignatureError: a file is no ONNX graph, or not the one that the manifest describes.
        ConfigurationError: CUDA is requested and unavailable, or ``threads`` is below 1.
    """

    def __init__(
        self,
        bundle: Bundle,
        provider: Provider = "auto",
        threads: int = 1,
        provider_fallback: bool = False,
        turns: AbstractContextManager[object] | None = None,
    ) -> None:
        if threads < 1:
            raise ConfigurationError(f"threads is {threads}, at least 1 is needed")
        self._turns = turns if turns is not None else nullcontext()
        wanted = _wanted_providers(provider, provider_fallback)
        manifest, signature = bundle.manifest, bundle.manifest.signature
        options = _session_options(threads, is_exact=manifest.largest_product_weight > 64)
        self._encoder = _open(bundle.encoder_path, wanted, options)
        self._decoder_step = _open(bundle.decoder_step_path, wanted, options)
        for graph, session, size, path in (
            (signature.encoder, self._encoder, manifest.source_vocabulary_size, bundle.encoder_path),
            (signature.decoder_step, self._decoder_step, manifest.tokenizer.vocabulary_size, bundle.decoder_step_path),
        ):
            check_signature(graph, describe_graph(session), size, str(path))
        self.provider: Literal["cpu", "cuda"] = self._settle_provider(wanted, provider, provider_fallback)
        self._memory_names = signature.memory_names
        self._reads_mask = signature.has_source_mask
        self._first_axis = next(iter(signature.source_axes.items()), ("", 1))
        self._state_names = signature.state_names
        self._encoder_outputs = [*self._memory_names, *self._state_names]
        self._encodes_each_alone = bundle.manifest.encoder_rows == "one"
        self._is_paired = bundle.manifest.lone_row == "paired" or self.provider == "cuda"
        self._changing = signature.changing_state_names
        self._step_outputs = _step_outputs(signature.decoder_step, self._changing)
        self._device_step = _DeviceStep(self._decoder_step, self._step_outputs) if self.provider == "cuda" else None

    def encode(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> Encoded:
        rows = len(source_ids)
        if self._encodes_each_alone:
            found = self._encode_each(source_ids, source_lengths)
        else:
            feed = self._fed({"source_ids": source_ids, "source_lengths": source_lengths}, rows)
            with self._turns:
                found = self._encoder.run(self._encoder_outputs, feed)
        named = {name: array[:rows] for name, array in zip(self._encoder_outputs, found, strict=True)}
        return Encoded(
            {name: named[name] for name in self._memory_names}, {name: named[name] for name in self._state_names}
        )

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        rows = len(token_ids)
        lengths = {"source_lengths": source_lengths} if self._memory_names and not self._reads_mask else {}
        if self._reads_mask and SOURCE_MASK not in memory:  # outside the running batch, which keeps one
            name, axis = self._first_axis
            memory = {**memory, SOURCE_MASK: mask_of(source_lengths, memory[name].shape[axis])}
        if self._device_step is not None:
            with self._turns:
                small = _paired({"token_ids": token_ids, **lengths}, rows)
                found = self._device_step.run(small, states, memory, rows, best_k)
        else:
            feed = self._fed({"token_ids": token_ids, **states, **memory, **lengths}, rows)
            feed["best_k"] = np.array([best_k], np.int64)
            with self._turns:
                found = self._decoder_step.run(self._step_outputs, feed)
        if rows == 1:
            found = [array[:1] for array in found]
        changed = dict(zip(self._changing, found[2:], strict=False))
        return Stepped(found[0], found[1], changed, found[-1] if self._memory_names else None)

    def _fed(self, feed: Arrays, rows: int) -> Arrays:
        return _paired(feed, rows) if self._is_paired else feed

    def _encode_each(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> list[NDArray[Any]]:
        """Encode one row a call, without its padding; return the outputs as of one call, zero where a row is padded."""
        rows, width = source_ids.shape
        whole: list[NDArray[Any]] = []
        for row, length in enumerate(source_lengths.tolist()):
            one = slice(row, row + 1)
            feed = {"source_ids": source_ids[one, :length], "source_lengths": source_lengths[one]}
            with self._turns:
                found = self._encoder.run(self._encoder_outputs, feed)
            if not whole:
                for index, array in enumerate(found):
                    fixed = (width, *array.shape[2:]) if index < len(self._memory_names) else array.shape[1:]
                    whole.append(np.zeros((rows, *fixed), array.dtype))
            for index, array in enumerate(found):
                if index < len(self._memory_names):
                    whole[index][row, :length] = array[0]
                else:
                    whole[index][row] = array[0]
        return whole

    def _settle_provider(self, wanted: list[str], requested: Provider, fallback: bool) -> Literal["cpu", "cuda"]:
        """onnxruntime lists CUDA as soon as it is built in, and falls back by itself where the driver then fails."""
        if all(_CUDA in session.get_providers() for session in (self._encoder, self._decoder_step)):
            return "cuda"
        if _CUDA in wanted:
            _refuse_or_warn("onnxruntime could not start CUDA", requested, fallback)
        return "cpu"


class OnDevice:
    """A state that a step left on the device, where the next step reads it.

    numpy converts it to an array, a copy on the host, whenever a row is written, moved or dropped.
    """

    def __init__(self, value: Any, rows: int) -> None:
        self.value = value
        self._rows = rows

    def __getitem__(self, rows: slice) -> "OnDevice":
        """Some of the rows; the value stays whole, because the next step of a lone row reads two rows."""
        return OnDevice(self.value, len(range(self._rows)[rows]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.generic]:
        found: NDArray[np.generic] = np.asarray(self.value.numpy(), dtype)
        return found[: self._rows]


class _DeviceStep:
    """The decoder step with its states and memory bound on the device: it uploads only what the batch changed."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: list[str]) -> None:
        self._session = session
        self._outputs = outputs
        self._memory: Mapping[str, NDArray[np.generic]] | None = None
        self._memory_values: dict[str, Any] = {}
        self._states: dict[str, tuple[NDArray[np.generic], Any]] = {}  # what was sent last

    def run(
        self,
        small: Arrays,
        states: Mapping[str, NDArray[np.generic] | OnDevice],
        memory: Mapping[str, NDArray[np.generic]],
        rows: int,
        best_k: int,
    ) -> list[Any]:
        """Run one step.

        Args:
            small: inputs that are new at every step.
            states: by name, ``[rows, ...]``.
            memory: by name, ``[rows, source, ...]``.
            rows: the number of rows.
            best_k: how many candidates to return.

        Returns: the outputs in their order: states on the device, all others on the host.
        """
        if memory is not self._memory:  # the arena makes a new mapping when a row joins or leaves
            self._memory = memory
            self._memory_values = {name: _upload(name, array, rows) for name, array in memory.items()}
        binding = self._session.io_binding()
        for name, array in small.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        binding.bind_cpu_input("best_k", np.array([best_k], np.int64))
        for name, state in states.items():
            binding.bind_ortvalue_input(name, self._value_of(name, state, rows))
        for name, value in self._memory_values.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, _DEVICE if name.startswith(NEXT_PREFIX) else "cpu", 0)
        self._session.run_with_iobinding(binding)
        found, kept = zip(self._outputs, binding.get_outputs(), strict=True), max(rows, 2)
        return [OnDevice(value, kept) if name.startswith(NEXT_PREFIX) else value.numpy() for name, value in found]

    def _value_of(self, name: str, state: NDArray[np.generic] | OnDevice, rows: int) -> Any:
        if isinstance(state, OnDevice):
            return state.value
        sent, value = self._states.get(name, (None, None))
        if sent is not state:  # one that no step changes is the same array until a row joins or leaves
            value = _upload(name, state, rows)
            self._states[name] = state, value
        return value


def _upload(name: str, array: NDArray[np.generic], rows: int) -> Any:
    whole = _paired({name: array}, rows)[name]
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(whole), _DEVICE, 0)


def _wanted_providers(requested: Provider, fallback: bool) -> list[str]:
    available = onnxruntime.get_available_providers()
    if requested != "cpu" and _CUDA in available:
        return [_CUDA, _CPU]
    if requested == "cuda":
        _refuse_or_warn(f"this onnxruntime has only {', '.join(available)}", requested, fallback)
    return [_CPU]


def _refuse_or_warn(reason: str, requested: Provider, fallback: bool) -> None:
    if requested == "cuda" and not fallback:
        raise ConfigurationError(f"provider is cuda, but {reason}")
    _LOG.warning("provider is %s, but %s: running on the CPU", requested, reason)


def _session_options(threads: int, is_exact: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Idle threads sleep instead of spinning, because a service waits most of the time and shares its cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # one for every set of input shapes, and here almost every step has another
    if is_exact:  # without VNNI, products of larger weights would saturate: take a kernel that adds them in 32 bits
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3  # errors only: warnings are about how the graph was made
    return options


def _open(path: Path, providers: list[str], options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    check_graph_file(path.read_bytes(), str(path))
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise BundleSignatureError(f"{path}: onnxruntime cannot open it: {error}") from error


def _step_outputs(decoder_step: GraphSignature, changing: tuple[str, ...]) -> list[str]:
    """The outputs of a step in this order: scores, ids, the changed states, and attention last if there is one."""
    attention = [spec.name for spec in decoder_step.outputs if spec.name == "attention"]
    return ["scores", "score_ids", *(NEXT_PREFIX + name for name in changing), *attention]


def _paired(feed: Arrays, rows: int) -> Arrays:
    """Add to a lone row a copy of itself.

    onnxruntime computes a matrix product of one row with another kernel (matrix times vector), which sums in another
    order than the product of several rows: the same sentence would get other last bits alone than in a batch. From two
    rows on, the bits of a row are the same in any batch. The weights of candidates belong to no row.
    """
    if rows > 1:
        return feed
    return {
        name: array if name == CANDIDATE_WEIGHTS else np.concatenate((array, array)) for name, array in feed.items()
    }
