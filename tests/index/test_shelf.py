import contextlib
import itertools
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from index import Document, InputError, split_passages
from index.database import DATABASE, SCHEMA
from index.retriever import retrieve
from index.shelf import Shelf
from index.store import MemoryIndex
from tests.index.kill import kill
from tests.index.together import together

ADA = Document.from_text("Acme is led by Ada Berg.\n\nIt makes bolts in Oslo.", "acme.txt", "/a/acme.txt")
BEN = Document.from_text("Acme is led by Ben Holm.", "acme.txt", "/a/acme.txt")
RAIN = Document.from_text("Rain fell on the plain all day.", page_starts=(0, 10))


@pytest.fixture
def shelf(tmp_path, embedder):
    return Shelf(tmp_path / "shelf", embedder, create=True)


def changed(shelf, statement, *values):
    """Change what is stored behind the shelf's back."""
    with sqlite3.connect(shelf.folder / DATABASE) as database:
        database.execute(statement, values)


def test_a_shelf_opens_again_with_all_it_had(shelf, embedder):
    for each in (ADA, RAIN):
        assert shelf.put(each)
    again = Shelf(shelf.folder, embedder)
    assert list(again.view().documents.values()) == [ADA, RAIN]
    assert again.check() == []


def test_it_is_searched_as_an_index_in_memory(shelf, embedder, article):
    memory = MemoryIndex(embedder)
    for each in (ADA, article, RAIN):
        memory.add([each])
        shelf.put(each)
    for question in ("Where was Ghosn arrested?", "Who leads Acme?", "What fell?"):
        stored, held = (retrieve(index, question, 5) for index in (shelf.view(), memory))
        assert [hit.passage for hit in stored] == [hit.passage for hit in held]
        assert [hit.score for hit in stored] == pytest.approx([hit.score for hit in held], abs=1e-3)


def test_equal_texts_are_added_once_and_a_changed_file_replaces_what_it_was(shelf):
    assert shelf.put(ADA)
    assert not shelf.put(ADA)
    assert shelf.put(BEN)
    assert list(shelf.view().documents) == [BEN.id]


def test_texts_without_a_file_never_replace_each_other(shelf):
    for text in ("One.", "Two."):
        shelf.put(Document.from_text(text, source="-"))
    assert len(shelf.view().documents) == 2


def test_removing_passes_over_what_is_not_there(shelf):
    shelf.put(ADA)
    assert shelf.remove(["nothing", ADA.id]) == 1
    assert not shelf.view().documents


def test_other_processes_writes_are_seen_and_a_view_stays_as_it_was(shelf, embedder):
    shelf.put(ADA)
    before = shelf.view()
    other = Shelf(shelf.folder, embedder)
    other.put(RAIN)
    assert list(before.documents) == [ADA.id]
    assert len(before.search_vectors("Who?", 5)[0]) == 1
    assert retrieve(before, "Who?", 5)[0].passage.text == ADA.text
    assert list(shelf.view().documents) == [ADA.id, RAIN.id]
    assert shelf.view() is shelf.view()


def test_a_question_that_meets_a_removed_document_is_asked_again(shelf, embedder):
    shelf.put(ADA)
    other = Shelf(shelf.folder, embedder)
    views = []

    def ask(view):
        views.append(view)
        if len(views) == 1:
            other.put(BEN)
        return [hit.passage.text for hit in retrieve(view, "Who?", 5)]

    assert shelf.steadily(ask) == [BEN.text]
    assert len(views) == 2


def written_at_every_look(shelf, embedder):
    """Another process's writer that replaces the one document whenever it is asked to, if it may write."""
    other = Shelf(shelf.folder, embedder, wait=0.1)

    def write():
        with contextlib.suppress(InputError):
            other.put(Document.from_text(f"Acme is led by number {next(numbers)}.", "a", "/a/acme.txt"))

    numbers = itertools.count()
    return write


def test_a_question_is_answered_however_often_the_document_is_replaced(shelf, embedder):
    write = written_at_every_look(shelf, embedder)
    write()

    def ask(view):
        write()
        return [hit.passage.text for hit in retrieve(view, "Who?", 5)]

    (text,) = shelf.steadily(ask)
    assert "led by number" in text


def test_a_view_is_made_however_often_the_document_is_replaced(shelf, embedder, monkeypatch):
    write, read = written_at_every_look(shelf, embedder), shelf.database.row
    write()
    monkeypatch.setattr(shelf.database, "row", lambda first: (write(), read(first))[1])
    assert len(shelf.view().passages) == 1


def test_a_folder_without_an_index_or_of_another_maker_is_refused(shelf, tmp_path, embedder):
    with pytest.raises(InputError, match="holds no index"):
        Shelf(tmp_path / "nowhere", embedder)
    changed(shelf, "UPDATE meta SET schema = ?", SCHEMA + 1)
    with pytest.raises(InputError, match="newer version"):
        Shelf(shelf.folder, embedder)
    strange = np.roll(embedder.encode(["strange"])[0], 1).astype(np.float16)
    changed(shelf, "UPDATE meta SET schema = ?, probe = ?", SCHEMA, strange.tobytes())
    with pytest.raises(InputError, match="another embedder"):
        Shelf(shelf.folder, embedder)


@pytest.mark.parametrize("damage", [lambda data: b"no database", lambda data: data[:3000]])
def test_a_damaged_index_is_one_sentence(shelf, embedder, damage):
    shelf.put(ADA)
    shelf.close()
    path = shelf.folder / DATABASE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"cannot be used \(.*add the files to a new index\.$"):
        Shelf(shelf.folder, embedder).view()


def test_checking_tells_what_is_wrong_and_repairing_mends_it(shelf):
    noise = np.roll(shelf._embedder.encode([ADA.text]), 7, axis=1).astype(np.float16).tobytes()
    wrong = {
        "its text": ("text", "Sun."),
        "a blank text": ("text", " "),
        "its vectors": ("vectors", noise),
        "a part of a vector": ("vectors", b"x" * 101),
        "no vectors": ("vectors", bytes(2 * 384)),
        "its bounds": ("bounds", np.array([0, 3], np.int64).tobytes()),
        "a part of a bound": ("bounds", b"x"),
    }
    documents = {
        name: Document.from_text(f"{name.capitalize()} is wrong.", name, f"/{name}") for name in wrong
    }
    for name, (column, value) in wrong.items():
        shelf.put(documents[name])
        changed(shelf, f"UPDATE documents SET {column} = ? WHERE id = ?", value, documents[name].id)
    shelf.put(RAIN)
    assert len(shelf.check()) == len(wrong)
    done = shelf.repair()
    assert len(done) == len(wrong)
    assert sum("was lost" in sentence for sentence in done) == 2
    assert shelf.check() == []
    assert [document.title for document in shelf.view().documents.values()] == [RAIN.title, *list(wrong)[2:]]
    assert shelf.put(documents["its text"])
    assert not shelf.put(documents["its bounds"])


def test_a_damaged_document_is_one_sentence(shelf):
    shelf.put(ADA)
    shelf.view()
    changed(shelf, "UPDATE documents SET bounds = ? WHERE id = ?", b"x", ADA.id)
    with pytest.raises(InputError, match=r"holds a damaged document, acme.txt: run `article-qa index check"):
        retrieve(shelf.view(), "Who?", 5)


def test_repairing_does_not_bring_back_what_was_removed_meanwhile(shelf, embedder):
    shelf.put(ADA)
    changed(shelf, "UPDATE documents SET vectors = ? WHERE id = ?", bytes(2 * 384), ADA.id)
    first = shelf.database.first(ADA.id)
    Shelf(shelf.folder, embedder).remove([ADA.id])
    shelf.database.mend(first, split_passages(ADA), embedder.encode([ADA.text]))
    assert shelf.database.entries() == []


def test_a_file_that_takes_the_text_of_another_leaves_its_own(shelf):
    other = replace(BEN, source="/b/other.txt")
    shelf.put(ADA)
    shelf.put(other)
    assert shelf.put(BEN)
    assert list(shelf.view().documents) == [BEN.id]
    assert not shelf.put(BEN)


def test_a_text_stays_while_one_of_its_files_has_it(shelf):
    copy = replace(ADA, source="/b/copy.txt")
    assert shelf.put(ADA)
    assert not shelf.put(copy)
    assert shelf.put(BEN)
    assert [entry.source for entry in shelf.database.entries()] == ["/b/copy.txt", "/a/acme.txt"]
    assert shelf.database.find("/b/copy.txt") == ADA.id
    shelf.remove([shelf.database.find("/b/copy.txt")])
    assert list(shelf.view().documents) == [BEN.id]


def test_a_database_that_others_use_too_long_is_not_called_damaged(shelf, embedder):
    shelf.put(ADA)
    late = Shelf(shelf.folder, embedder, wait=0.1)
    other = sqlite3.connect(shelf.folder / DATABASE, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM meta").fetchone()
    with pytest.raises(InputError, match=r"in use by another process for 0\.1 s: try again later"):
        late.put(BEN)
    other.execute("COMMIT")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match="in use by another process"):
        late.view()
    with pytest.raises(InputError, match="in use by another process"):
        Shelf(shelf.folder, embedder, wait=0.1)
    other.execute("COMMIT")
    assert late.put(BEN)


def test_a_file_in_the_place_of_the_folder_and_an_empty_database(tmp_path, embedder):
    (tmp_path / "file").write_text("x")
    for create in (True, False):
        with pytest.raises(InputError, match="file is a file: name a folder"):
            Shelf(tmp_path / "file", embedder, create=create)
    (tmp_path / DATABASE).touch()
    with pytest.raises(InputError, match="holds no index"):
        Shelf(tmp_path, embedder)
    assert Shelf(tmp_path, embedder, create=True).put(ADA)
    with pytest.raises(InputError, match="characters in its name that are none"):
        Shelf(tmp_path / "\udce9", embedder, create=True)


def test_a_copy_of_the_database_put_in_its_place_is_seen(shelf, embedder, tmp_path):
    shelf.put(ADA)
    shutil.copy(shelf.folder / DATABASE, tmp_path / "copy")
    shelf.put(RAIN)
    (tmp_path / "copy").rename(shelf.folder / DATABASE)
    assert list(shelf.view().documents) == [ADA.id]
    assert shelf.put(BEN)
    other = Shelf(tmp_path / "other", embedder, create=True)
    (other.folder / DATABASE).rename(shelf.folder / DATABASE)
    with pytest.raises(InputError, match="was replaced by another index"):
        shelf.view()


def test_a_writer_that_has_to_wait_too_long_says_for_whom(shelf, embedder):
    late = Shelf(shelf.folder, embedder, wait=0.1)
    with (
        shelf.database._writing(),
        pytest.raises(InputError, match=r"in use by process \d+ on .* for 0\.1 s"),
    ):
        late.put(ADA)
    assert late.put(ADA)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(shelf, embedder):
    shelf.put(ADA)
    script = f"""
import resource, signal
from index import Document
from index.embedder import load_embedder
from index.shelf import Shelf
shelf = Shelf({str(shelf.folder)!r}, load_embedder())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
for number in range(20):
    shelf.put(Document.from_text(f"Hall {{number}}.\\n\\n" + "word " * 2000))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "index.errors.InputError" in done.stderr.splitlines()[-1]
    assert "cannot be used (" in done.stderr.splitlines()[-1]
    again = Shelf(shelf.folder, embedder)
    assert ADA.id in again.view().documents
    assert again.check() == []


def test_a_writer_killed_at_any_point_loses_nothing_that_was_done(tmp_path):
    assert kill(6, 1, tmp_path / "shelf") > 0


def test_readers_in_other_processes_see_whole_writes_only(tmp_path):
    writes, readings = together(4, 2, tmp_path / "shelf")
    assert writes > 2
    assert readings > 2


def test_documents_that_are_listed_and_not_there_are_one_sentence(shelf, monkeypatch):
    shelf.put(ADA)
    for name in ("row", "vectors"):
        monkeypatch.setattr(shelf.database, name, lambda first: None)
    with pytest.raises(
        InputError, match="lists documents that it does not hold: run `article-qa index check"
    ):
        shelf.view()
