"""Marian's shortlists, binary and text, and bundles that have one: nothing damaged is converted or served."""

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.bundle.store import load_bundle, update_bundle
from app.engine.candidates import OutputLayer
from app.engine.factory import decoding_model, run_engine
from app.engine.sequence import SearchOptions, Sequence
from app.engine.sessions import OnnxGraphs
from app.errors import BundleError
from app.server.resources import ThreadShare
from app.serving.served_bundle import Opener, open_onnx_graphs
from app.serving.snapshot import Installed
from app.settings import Settings
from app.text.placeholder_finder import BUILT_IN
from app.translation.completion import Completer
from app.translation.translator import Translator
from tests.support.marian_models import LEXICON, random_lists, sentences, shortlist_file
from tests.training.convert.test_fuzz import damaged
from tests.unit.engine.test_batch import arrivals, run_alone, run_together
from training.convert import lexicon
from training.convert.folder import find_files
from training.convert.lexicon import parse_binary, read_lexicon
from training.convert.marian import MarianFiles, Published, convert
from training.errors import ConversionError

EN_FR = Published("en", "fr", "en-fr")
LISTS = [[1, 5], [], [0, 2, 7]]
WHOLE = shortlist_file(LISTS, first=2, best=3)


@pytest.fixture(scope="module")
def limited(model_files: MarianFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle with a shortlist, which it does not use by default."""
    folder = tmp_path_factory.mktemp("limited") / "en-fr"
    convert(replace(model_files, shortlist=model_files.model.parent / LEXICON), EN_FR, folder)
    return folder


def head(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def test_a_binary_shortlist_is_read() -> None:
    found = parse_binary(WHOLE, 3, 8)
    assert [one.tolist() for one in found.lists] == LISTS
    assert found.first == 2


def test_a_damaged_shortlist_is_refused_with_its_reason() -> None:
    for content, reason in (
        (b"", "has 0 bytes, a shortlist has at least 48"),
        (WHOLE[:-1], "has 99 bytes, its header says 100"),
        (WHOLE + bytes(4), "has 104 bytes, its header says 100"),
        (b"y" + WHOLE[1:], "is no shortlist of Marian"),
        (WHOLE[:32] + head(2**61, 2**62) + WHOLE[48:], "has 100 bytes, its header says"),
        (WHOLE[:8] + head(1) + WHOLE[16:], "is damaged: its checksum is"),
        (shortlist_file([[1], [2]]), "has lists of 2 source tokens, the model has 3"),
        (shortlist_file([[1], [2], [8]], first=2), "has the id 8, the target vocabulary has 8 tokens"),
        (shortlist_file([[1], [3, 2], [7]], first=2), "ids that do not ascend"),
        (shortlist_file([[1], [2, 3, 4], []], first=2, best=2), "has a list of 3 ids, its header says at most 2"),
        (shortlist_file(LISTS, first=9), "takes the first 9 tokens"),
        (shortlist_file(LISTS, first=2, best=2**40), "which are too many"),
    ):
        with pytest.raises(ConversionError, match=reason):
            parse_binary(content, 3, 8)


def test_a_start_beyond_the_ids_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "_checksum", lambda _: 0)
    for starts in ((1, 2, 2, 5), (0, 2, 2, 4), (0, 2**63, 2, 5), (0, 3, 2, 5)):
        content = WHOLE[:8] + head(0) + WHOLE[16:48] + head(*starts) + WHOLE[80:]
        with pytest.raises(ConversionError, match="whose starts do not go from 0 to 5 ids"):
            parse_binary(content, 3, 8)


def test_damaged_shortlists_are_refused_or_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum is left out, which would hide what stands behind it."""
    content = b""
    monkeypatch.setattr(lexicon, "_checksum", lambda _: struct.unpack_from("<Q", content, 8)[0])
    random = Random(3)
    whole = shortlist_file(random_lists((60, 400), 1, best=12), first=10, best=12)
    reasons = []
    tracemalloc.start()
    for _ in range(1500):
        content = damaged(random, whole)
        try:
            found = parse_binary(content, 60, 400)
        except ConversionError as error:
            reasons.append(str(error))
        else:
            assert len(found.lists) == 60
            assert all(not len(one) or one.max() < 400 for one in found.lists)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(reasons) > 500
    assert max(map(len, reasons)) < 500
    assert peak < 4 * 1024**2


def text_lexicon(folder: Path, text: str) -> Path:
    path = folder / "lex.s2t.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def looked_up(pieces: dict[str, int]) -> Callable[[str], int]:
    return lambda piece: pieces.get(piece, 9)


PIECES = lexicon.Pieces(looked_up({"▁the": 2, "▁a": 1}), looked_up({"▁le": 3, "▁la": 4, "▁un": 5}), 9, 9)


def test_a_text_lexicon_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "▁la ▁the 0.4\n▁le ▁the 0.5\n▁un ▁the 0.01\nNULL ▁the 0.9\n▁un ▁a 0.7\n▁un NULL 1\n▁x ▁the 0.2\n"
    found = read_lexicon(text_lexicon(tmp_path, text), 3, 8, PIECES)
    assert [one.tolist() for one in found.lists] == [[], [5], [3, 4, 5]]
    assert found.first == 50
    monkeypatch.setattr(lexicon, "BEST", 2)
    monkeypatch.setattr(lexicon, "_MOST_KEPT", 2)
    found = read_lexicon(text_lexicon(tmp_path, text), 3, 8, PIECES)
    assert [one.tolist() for one in found.lists] == [[], [5], [3, 4]]


def test_another_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, reason in (
        ("▁le ▁the\n", "line 1 is .*a target piece, a source piece and a probability are expected"),
        ("▁le ▁the 1\n▁le ▁the much\n", "line 2 is"),
        ("x y 0.5\n▁le ▁the 0.5\nu v 0.5\n", "2 of its 3 entries have no piece of these vocabularies"),
        ("", "0 of its 0 entries"),
        ("x" * 10_000, "line 1 is"),
    ):
        with pytest.raises(ConversionError, match=reason):
            read_lexicon(text_lexicon(tmp_path, text), 3, 8, PIECES)
    path = text_lexicon(tmp_path, "▁le ▁the 0.5\n" * 5000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConversionError, match="cannot be read"):
        read_lexicon(path, 3, 8, PIECES)
    path.write_bytes(whole)
    monkeypatch.setattr(lexicon, "MAX_LEXICON_BYTES", 10_000)
    with pytest.raises(ConversionError, match="unpacks to more than 10000 bytes"):
        read_lexicon(path, 3, 8, PIECES)
    monkeypatch.setattr(lexicon, "MAX_SHORTLIST_BYTES", 10)
    with pytest.raises(ConversionError, match="the limit is 10"):
        read_lexicon(path, 3, 8, PIECES)
    with pytest.raises(ConversionError, match="No such file"):
        read_lexicon(tmp_path / "none", 3, 8, PIECES)


def test_a_folder_says_whether_its_engine_uses_the_shortlist(model_files: MarianFiles) -> None:
    folder = model_files.model.parent
    config = folder / "config.intgemm8bitalpha.yml"
    for text, is_used in (
        ("beam-size: 1\n", False),
        ("shortlist:\n    - lex.s2t.bin\n    - false\n", True),
        ("beam-size: 1\nshortlist: [lex.s2t.bin, 50, 50]\n", True),
        ("shortlist: []\n", False),
        ("# shortlist:\n", False),
    ):
        config.write_text(text, encoding="utf-8")
        found = find_files(folder)
        assert (found.shortlist, found.uses_shortlist) == (folder / LEXICON, is_used)
    config.unlink()


def test_the_bundle_uses_its_shortlist_as_the_setting_says(limited: Path) -> None:
    assert load_bundle(limited).shortlist is None
    assert load_bundle(limited, shortlist="off").shortlist is None
    bundle = load_bundle(limited, shortlist="on")
    assert bundle.shortlist is not None
    assert bundle.between("en", "fr").shortlist is bundle.shortlist
    layer = OutputLayer.of(bundle)
    assert layer is not None
    assert layer.weights.shape == (bundle.manifest.tokenizer.vocabulary_size, 32)


@pytest.mark.parametrize(("value", "is_used"), [(None, False), ("off", False), ("On", True)])
def test_the_service_obeys_the_setting(
    limited: Path, value: str | None, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PASSERELLE_SHORTLIST", raising=False)
    if value is not None:
        monkeypatch.setenv("PASSERELLE_SHORTLIST", value)
    opener = Opener(Settings(), open_onnx_graphs, None, BUILT_IN)
    loaded = opener.open_warm(Installed.read(limited), ThreadShare(1, nullcontext()))
    try:
        assert (loaded.engine.model.output is not None) == is_used
        (served,) = loaded.entries.values()
        assert served.failure is None
    finally:
        loaded.engine.stop(drain=False)


def test_a_shortlist_of_other_vocabularies_is_not_converted(model_files: MarianFiles, tmp_path: Path) -> None:
    path = tmp_path / "lex.bin"
    path.write_bytes(WHOLE)
    with pytest.raises(ConversionError, match=r"lex\.bin: has lists of 3 source tokens, the model has"):
        convert(replace(model_files, shortlist=path), EN_FR, tmp_path / "en-fr")
    assert not (tmp_path / "en-fr").exists()


@pytest.mark.parametrize("mode", ["off", "on"])
def test_a_damaged_shortlist_is_not_served_in_any_mode(limited: Path, tmp_path: Path, mode: str) -> None:
    """Also not where the manifest has the checksum of the damaged file."""
    bundle = load_bundle(limited)
    whole = (limited / "shortlist.bin").read_bytes()
    for content, reason in ((whole[:-1], "its header says"), (whole[:-2] + b"\xff\xff", "has the id 65535")):
        with pytest.raises(BundleError, match=rf"shortlist\.bin: .*{reason}"):
            update_bundle(limited, bundle.manifest, {"shortlist.bin": content}, lambda _: None)
    path = limited / "shortlist.bin"
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(BundleError, match=r"shortlist\.bin: its sha256 is"):
            load_bundle(limited, shortlist=mode)  # type: ignore[arg-type]
    finally:
        path.write_bytes(whole)


def test_words_are_completed_from_the_whole_vocabulary(limited: Path) -> None:
    """The typed letters may begin a word that is no candidate."""
    bundle = load_bundle(limited, shortlist="on")
    assert bundle.shortlist is not None
    source = bundle.tokenizer.encode_source("the old house")
    candidates = {int(one) for one in bundle.shortlist.candidates(source)}
    written = bundle.tokenizer.token_bytes()
    (word, *_) = [
        text[1:].decode()
        for token, text in enumerate(written)
        if token not in candidates and text[:1] == b" " and text[1:].isalpha() and len(text) > 6
    ]
    with run_engine(bundle) as engine:
        completer = Completer(bundle, engine, Translator(bundle, engine))
        draft = completer.prepare("the old house", word[:4], 3, 6)
        assert draft.options.allowed is not None
        found = engine.submit(source, draft.options).result()
    assert any(bundle.tokenizer.decode(one.token_ids).startswith(word[:4]) for one in found)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sequence_in_any_company_is_as_alone(limited: Path, data: st.DataObject) -> None:
    """Whoever joins and leaves, with any search, to the last bit."""
    bundle = load_bundle(limited, shortlist="on")
    model = decoding_model(bundle)
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    arriving: list[tuple[int, Sequence]] = data.draw(arrivals(model))
    together = run_together(graphs, model, arriving)
    assert together == [run_alone(graphs, model, sequence) for _, sequence in arriving]


def test_every_token_is_a_candidate(limited: Path) -> None:
    bundle = load_bundle(limited, shortlist="on")
    assert bundle.shortlist is not None
    texts = sentences(10, 3)
    sources = [bundle.tokenizer.encode_source(text) for text in texts]
    options = SearchOptions(beam_size=4, hypotheses=4)
    with run_engine(bundle) as engine:
        found = [future.result() for future in engine.submit_many(sources, options)]
    for source, hypotheses in zip(sources, found, strict=True):
        allowed = set(bundle.shortlist.candidates(source).tolist())
        assert {token for one in hypotheses for token in one.token_ids} <= allowed


def test_the_limited_and_the_whole_search_differ(limited: Path) -> None:
    bundles = [load_bundle(limited, shortlist="on"), load_bundle(limited, shortlist="off")]
    sources = [bundles[0].tokenizer.encode_source(text) for text in sentences(10, 3)]
    found = []
    for bundle in bundles:
        with run_engine(bundle) as engine:
            found.append([future.result()[0].token_ids for future in engine.submit_many(sources)])
    assert found[0] != found[1]
