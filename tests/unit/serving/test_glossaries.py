"""Glossaries: their entries are read as they were written, and kept through anything."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidGlossary, LimitExceeded
from app.serving.glossaries import Entry, format_entries, read_entries
from app.serving.glossary_store import Dictionary, GlossaryStore

TERMS = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=30).filter(
    lambda term: term == term.strip() and term.isprintable()
)
ENTRIES = st.dictionaries(TERMS, TERMS, min_size=1, max_size=8).map(
    lambda found: tuple(Entry(source, target) for source, target in found.items())
)


@given(ENTRIES)
def test_what_is_written_reads_the_same(entries: tuple[Entry, ...]) -> None:
    assert read_entries(format_entries(entries), "tsv", 100) == entries
    assert read_entries(format_entries(entries).replace("\n", "\r\n") + "\r\n\r\n", "tsv", 100) == entries


def test_csv_has_quotes_and_may_name_the_languages() -> None:
    found = read_entries('"a, b",c\n\nhello,"bon""jour",en,fr\n', "csv", 10)
    assert found == (Entry("a, b", "c"), Entry("hello", 'bon"jour'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No entries"),
        ("a b", "index 0 .*misses tab separator"),
        ("a\tb\nc", "index 1 .*misses tab separator"),
        ("a\t", "Value with the index 0 is empty"),
        (" \ta", "Key with the index 0 is empty"),
        ("a\tb\tc", "index 0 has 3 columns"),
        ("a\tb\nc\td\na\te", "index 2 duplicates key with the index 0"),
        ("a\tb\x07", "index 0 has a character that cannot be printed"),
        ("é" * 513 + "\tb", "index 0 has 1026 bytes, the limit is 1024"),
    ],
)
def test_a_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidGlossary, match=message):
        read_entries(text, "tsv", 10)


def test_too_many_entries() -> None:
    with pytest.raises(LimitExceeded, match=r"max_glossary_entries \(3\) exceeds the limit \(2\)"):
        read_entries("a\tb\nc\td\ne\tf", "tsv", 2)


def test_a_store_keeps_finds_and_forgets(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "glossaries.sqlite3"
    store = GlossaryStore(path, 10, 100)
    assert store.list_all() == []
    assert store.find("x") is None
    assert store.load_entries("x", "en", "fr") == ()
    assert not store.delete("x")
    assert not path.parent.exists()  # nothing is made before there is something to keep
    entries = (Entry("b", "1"), Entry("a", "2"))
    first, second = (
        store.create("one", [Dictionary("en", "fr", entries)]),
        store.create("two", [Dictionary("fr", "en", entries[:1])]),
    )
    again = GlossaryStore(path, 10, 100)  # as after a restart
    assert again.list_all() == [first, second]
    assert again.find(first.id) == first
    assert again.load_entries(first.id, "en", "fr") == entries
    assert again.delete(first.id)
    assert not again.delete(first.id)
    assert store.list_all() == [second]
    assert store.load_entries(first.id, "en", "fr") == ()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM entry").fetchone() == (1,)
    database.close()


def test_no_more_than_may_be_even_at_the_same_time(tmp_path: Path) -> None:
    stores = [GlossaryStore(tmp_path / "g.sqlite3", 3, 100) for _ in range(8)]

    def create(store: GlossaryStore) -> bool:
        try:
            store.create("one", [Dictionary("en", "fr", (Entry("a", "b"),))])
        except LimitExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, stores)) == 3
    assert len(stores[0].list_all()) == 3


def test_killed_while_writing_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from app.serving.glossaries import Entry
from app.serving.glossary_store import Dictionary, GlossaryStore
store = GlossaryStore(Path(sys.argv[1]), 10**6, 10**6)
entries = tuple(Entry(str(number), "b") for number in range(50))
while True:
    print(store.create("one", [Dictionary("en", "fr", entries)]).id, flush=True)
"""
    path = tmp_path / "g.sqlite3"
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    store = GlossaryStore(path, 10**6, 100)
    kept = {info.id: info.dictionaries[0].entry_count for info in store.list_all()}
    assert set(acknowledged) <= set(kept)
    assert set(kept.values()) == {50}  # none is there in part
    store.create("after", [Dictionary("en", "fr", (Entry("a", "b"),))])


OLD_SCHEMA = """
CREATE TABLE glossary (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE entry (
    glossary_id TEXT NOT NULL REFERENCES glossary (id) ON DELETE CASCADE,
    place INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (glossary_id, place)
) STRICT, WITHOUT ROWID;
INSERT INTO glossary VALUES ('1', 'one', 'en', 'fr', '2026-11-20T23:12:35.220000+00:00');
INSERT INTO glossary VALUES ('2', 'two', 'fr', 'en', '2026-11-21T23:12:35.220000+00:00');
INSERT INTO entry VALUES ('1', 0, 'b', 'x'), ('1', 1, 'a', 'y'), ('2', 0, 'c', 'z');
"""


def test_a_file_of_the_earlier_version_is_read_by_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "g.sqlite3"
    with sqlite3.connect(path) as database:
        database.executescript(OLD_SCHEMA)
    stores = [GlossaryStore(path, 10, 10) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(GlossaryStore.list_all, stores))
    assert all(one == found[0] for one in found)
    assert [(info.id, info.name, info.dictionaries[0].entry_count) for info in found[0]] == [
        ("1", "one", 2),
        ("2", "two", 1),
    ]
    assert stores[0].load_entries("1", "en", "fr") == (Entry("b", "x"), Entry("a", "y"))
    assert stores[0].delete("1")
    assert [info.id for info in stores[1].list_all()] == ["2"]
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM entry").fetchone() == (1,)


def test_dictionaries_are_merged_replaced_and_deleted(tmp_path: Path) -> None:
    store = GlossaryStore(tmp_path / "g.sqlite3", 10, 3)
    there = Dictionary("en", "fr", (Entry("a", "1"), Entry("b", "2")))
    back = Dictionary("fr", "en", (Entry("1", "a"),))
    made = store.create("both", [there, back])
    assert [(one.source, one.target, one.entry_count) for one in made.dictionaries] == [
        ("en", "fr", 2),
        ("fr", "en", 1),
    ]
    changed = store.update(made.id, "new", [Dictionary("en", "fr", (Entry("b", "3"), Entry("c", "4")))])
    assert changed is not None
    assert (changed.name, changed.created) == ("new", made.created)
    assert store.load_entries(made.id, "en", "fr") == (Entry("a", "1"), Entry("b", "3"), Entry("c", "4"))
    with pytest.raises(LimitExceeded, match=r"max_glossary_entries \(4\) exceeds the limit \(3\)"):
        store.update(made.id, "lost", [Dictionary("en", "fr", (Entry("d", "5"),))])
    assert store.find(made.id) == changed  # nothing has changed
    replaced = store.replace(made.id, Dictionary("en", "fr", (Entry("z", "9"),)))
    assert replaced is not None
    assert store.load_entries(made.id, "en", "fr") == (Entry("z", "9"),)
    assert store.delete_dictionary(made.id, "en", "fr")
    assert not store.delete_dictionary(made.id, "en", "fr")
    rest = store.find(made.id)
    assert rest is not None
    assert [one.source for one in rest.dictionaries] == ["fr"]
    assert store.update("x", "new", []) is None
    assert store.replace("x", back) is None
