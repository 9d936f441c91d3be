"""Keys: shown once, kept as hashes, read from lines that say what is wrong with them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.keys import ApiKey, KeyRing, digest_of, new_key
from app.commands.command_line import main
from app.errors import ConfigurationError

HASH = "sha256:" + digest_of("secret").hex()


def test_a_new_key_is_shown_once_and_its_line_opens_the_door(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["keys", "new", "weblate", "--characters", "1000", "--requests-per-minute", "60"]) == 0
    shown = capsys.readouterr()
    key = shown.err.split()[-1]
    assert len(key) >= 43  # 256 bits
    assert key not in shown.out
    file = tmp_path / "keys.txt"
    file.write_text(shown.out)
    found = KeyRing.read(file).find(key)
    assert found == ApiKey("weblate", digest_of(key), 1000, 60)
    assert new_key() != new_key()


def test_the_name_of_a_new_key_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "two words"]) == 2
    assert "two words" in capsys.readouterr().err


def test_lines_of_a_file_and_of_the_environment_together(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# whose\n\n  one {HASH}  # until May\n")
    ring = KeyRing.read(file, f"two sha256:{digest_of('b').hex()};three sha256:{digest_of('c').hex()} characters=5")
    assert sorted(key.name for key in ring.keys) == ["one", "three", "two"]
    assert [found.name for key in ("secret", "b", "c") if (found := ring.find(key))] == ["one", "two", "three"]
    for wrong in ("", "d", "secret ", HASH, digest_of("secret").hex(), "\ud800", "é"):
        assert ring.find(wrong) is None, wrong
    assert not KeyRing.read(None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("weblate", "sha256:"),
        ("weblate hunter2hunter2", "sha256:"),
        (f"weblate {HASH[:-1]}", "64"),
        (f"a/b {HASH}", "'a/b'"),
        (f"weblate {HASH} charcters=5", "'charcters' is no limit"),
        (f"weblate {HASH} characters=0", "characters is '0'"),
        (f"weblate {HASH} characters=²", "characters is '²'"),
        (f"weblate {HASH} requests_per_minute", "requests_per_minute is ''"),
        (f"a {HASH}\nb {HASH}", "two have the hash"),
        (f"a {HASH}\na sha256:{'0' * 64}", "two have the name a"),
        ("# none", "no key"),
    ],
)
def test_a_bad_line_is_named_and_no_key_shown(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(line)
    with pytest.raises(ConfigurationError) as caught:
        KeyRing.read(file)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
    if "two have" not in said and "#" not in line:
        assert f"{file}, line 1" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"PASSERELLE_API_KEYS_FILE cannot be read.*nothing"):
        KeyRing.read(tmp_path / "nothing")


@given(
    st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 10**15),
    st.integers(0, 10**6),
)
def test_a_line_is_read_as_it_was_written(name: str, digest: bytes, characters: int, per_minute: int) -> None:
    key = ApiKey(name, digest, characters, per_minute)
    assert KeyRing.read(None, str(key)).keys == (key,)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    said = ""
    try:
        ring = KeyRing.read(None, text)
    except ConfigurationError as error:
        said = str(error)
    assert re.search(r"line \d+|two have", said) if said else all(len(key.digest) == 32 for key in ring.keys)
