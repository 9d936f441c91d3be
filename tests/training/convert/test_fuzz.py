"""5,000 damaged inputs for the readers: each is read or refused with a reason, quickly, and with little memory."""

import json
import struct
import tracemalloc
from random import Random

import pytest

from tests.support.marian_models import Shape, config_text, float_model, student_model, vocabulary, write_npz
from training.convert.catalogue import parse_catalogue
from training.convert.marian_config import read_config
from training.convert.marian_file import parse_binary, parse_npz
from training.convert.student_reader import read_student
from training.errors import ConversionError

SMALL = Shape(8, 16, 1, 1, 2)
NUMBERS = (0, 1, 2, 3, 4, 127, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
PEAK_BYTES = 16 * 1024**2


def damaged(random: Random, content: bytes) -> bytes:
    """A copy with bits, bytes or numbers changed, cut, doubled or moved; mostly in its first part, the header."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        reach = len(data) if random.random() < 0.2 else min(len(data), 6000)
        if not reach:
            break
        place, kind = random.randrange(reach), random.randrange(6)
        if kind == 0:
            data[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[place : place + 1] = random.randbytes(random.randrange(4))
        elif kind == 2:
            start = place - place % 8
            data[start : start + 8] = struct.pack("<Q", random.choice(NUMBERS))
        elif kind == 3:
            start = place - place % 4
            data[start : start + 4] = struct.pack("<I", random.choice(NUMBERS) % 2**32)
        elif kind == 4:
            del data[place : place + random.choice((1, 8, 100, 10**9))]
        else:
            other = random.randrange(reach)
            data[place : place + 64] = data[other : other + 64]
    return bytes(data)


@pytest.mark.slow
def test_damaged_models_are_refused() -> None:
    random = Random(1)
    whole, _ = student_model(SMALL, (vocabulary(),))
    npz = write_npz(float_model(SMALL, (300,)))
    assert read_student(parse_binary(whole)).dim == 8
    read, reasons = 0, []
    tracemalloc.start()
    for number in range(3500):
        try:
            if number % 10:
                read_student(parse_binary(damaged(random, whole)))
            else:
                read_student(parse_npz(damaged(random, npz), max_bytes=10_000_000), needs_alphas=False)
            read += 1  # one bit of a weight may change without a trace
        except ConversionError as error:
            reasons.append(str(error))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read + len(reasons) == 3500
    assert len(reasons) > 2000
    assert max(map(len, reasons)) < 1000
    assert peak < PEAK_BYTES


def test_damaged_configurations_and_catalogues_are_refused() -> None:
    random = Random(2)
    config = config_text(SMALL).encode()
    file = {"path": "a/model.bin.gz", "uncompressedSize": 100, "uncompressedHash": "0" * 64}
    entry = {
        **{"architecture": "tiny", "releaseStatus": "Release", "sourceLanguage": "en", "targetLanguage": "fr"},
        **{"files": {"model": file, "vocab": {"path": "a/vocab.spm.gz"}}, "metrics": {"x": {"bleu": 1.0}}},
    }
    catalogue = json.dumps({"baseUrl": "http://here", "models": {"en-fr": [entry]}}).encode()
    reasons = []
    for number in range(1500):
        try:
            if number % 2:
                read_config(damaged(random, config).decode("utf-8", "replace"))
            else:
                for model in parse_catalogue(damaged(random, catalogue), "http://here/models.json").models:
                    assert all(one.url.startswith("http") and "/" not in one.name for one in model.files.values())
        except ConversionError as error:
            reasons.append(str(error))
    assert len(reasons) > 500
    assert max(map(len, reasons)) < 2000
