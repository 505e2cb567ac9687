import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from index import Document, InputError, vectors
from index import snapshot as snapshots
from index.database import DATABASE
from index.retriever import retrieve
from index.shelf import Shelf
from index.snapshot import PREFIX
from index.store import MemoryIndex

QUESTIONS = ("What is the colour of hall 3?", "Which hall is near the harbour?", "Who keeps hall 12?")
NOBODY = 65534


def hall(number, keeper="Berg"):
    text = f"Hall {number} was painted blue in {1900 + number}.\n\nIts keeper is {keeper} {number}, of Oslo."
    return Document.from_text(text, f"{number}.txt", f"/halls/{number}.txt")


@pytest.fixture(scope="module")
def made(tmp_path_factory, embedder):
    """The folder of a shelf with a snapshot of 14 documents, to be copied."""
    shelf = Shelf(tmp_path_factory.mktemp("made") / "shelf", embedder, create=True)
    for number in range(14):
        shelf.put(hall(number))
    shelf.view()
    shelf.close()
    return shelf.folder


@pytest.fixture
def shelf(made, tmp_path, embedder):
    """A shelf with a snapshot of 14 documents."""
    shutil.copytree(made, tmp_path / "shelf")
    return Shelf(tmp_path / "shelf", embedder)


def snapshot(shelf):
    (folder,) = shelf.folder.glob(f"{PREFIX}*")
    return folder


def found(shelf):
    return [
        [
            (hit.passage.text, pytest.approx(hit.score, abs=2e-3))
            for hit in retrieve(shelf.view(), question, 5)
        ]
        for question in QUESTIONS
    ]


def biggest(folder):
    """The biggest file of words."""
    return max(folder.glob("lexical/[!.]*.[!j]*"), key=os.path.getsize)


FILES = {
    "vectors": lambda folder: folder / "vectors.faiss",
    "documents": lambda folder: folder / "documents.npy",
    "manifest": lambda folder: folder / "manifest.json",
    "words": biggest,
    "list of words": lambda folder: folder / "lexical" / "meta.json",
}
DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:9] + b"#" + path.read_bytes()[10:]),
    "deleted": lambda path: path.unlink(),
    "swapped": lambda path: (
        shutil.copy(path.parent / "../documents.npy", path)
        if path.parent.name == "lexical"
        else shutil.copy(biggest(path.parent), path)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_snapshot_is_made_anew_with_the_same_answers(shelf, embedder, file, damage, caplog):
    before = found(shelf)
    path = FILES[file](snapshot(shelf))
    linked = path.stat().st_nlink
    assert linked == 1
    DAMAGES[damage](path)
    again = Shelf(shelf.folder, embedder)
    assert found(again) == before
    assert "is made anew" in caplog.text
    assert again.check() == []


def test_checking_finds_a_damaged_snapshot(shelf):
    DAMAGES["flipped"](FILES["vectors"](snapshot(shelf)))
    (problem,) = shelf.check()
    assert "vectors.faiss is not what was written" in problem
    assert "is made anew" in problem
    assert shelf.check() == []


def test_a_snapshot_of_another_shelf_or_of_another_state_is_not_used(shelf, tmp_path, embedder):
    other = Shelf(tmp_path / "other", embedder, create=True)
    for number in range(20, 34):
        other.put(hall(number, "Holm"))
    expected = found(other)
    shutil.rmtree(snapshot(other))
    shutil.copytree(snapshot(shelf), other.folder / snapshot(shelf).name)
    assert found(Shelf(other.folder, embedder)) == expected


@pytest.mark.parametrize("looked", [True, False])
def test_an_older_copy_of_the_database_put_back_is_searched_as_it_is(shelf, embedder, looked):
    backup = (shelf.folder / DATABASE).read_bytes()
    shelf.put(hall(50))
    shelf.view()
    (shelf.folder / DATABASE).write_bytes(backup)
    again = Shelf(shelf.folder, embedder)
    if looked:
        assert hall(50).id not in again.view().documents
    again.put(hall(60, "Lund"))  # under the numbers, and with the generation, of hall 50
    assert retrieve(again.view(), "Who is the keeper Lund?", 1)[0].passage.text == hall(60, "Lund").text


def test_a_snapshot_replaced_while_it_is_opened_is_not_made_anew(shelf, embedder, monkeypatch, caplog):
    other, real = Shelf(shelf.folder, embedder), snapshots.checksum

    def replaced(path):
        if path.name == "documents.npy" and not path.parent.name.startswith("."):
            monkeypatch.setattr(snapshots, "checksum", real)
            shelf.put(hall(50))
            shelf.view()
        return real(path)

    monkeypatch.setattr(snapshots, "checksum", replaced)
    made = []
    monkeypatch.setattr(snapshots, "make", lambda *arguments: made.append(arguments))
    assert hall(50).id in other.view().documents
    assert made == []
    assert "made anew" not in caplog.text


def test_a_snapshot_that_cannot_be_opened_is_not_made_over_and_over(shelf, monkeypatch):
    shelf.view()
    tried = []

    def refuse(folder):
        tried.append(folder)
        raise RuntimeError("out of address space")

    monkeypatch.setattr(snapshots, "StoredVectors", refuse)
    shelf.put(hall(50))
    with pytest.raises(InputError, match=r"cannot be searched \(out of address space\): free some space"):
        shelf.view()
    assert len(tried) == 2


def test_only_what_changed_is_written_anew(shelf):
    old = biggest(snapshot(shelf)).stat().st_ino
    shelf.put(hall(50))
    shelf.view()
    assert old in {path.stat().st_ino for path in snapshot(shelf).glob("lexical/*")}


def test_what_killed_makers_left_is_removed_when_it_is_old(shelf):
    for name, age in (("old", 7200), ("new", 0)):
        folder = shelf.folder / f".search-{name}"
        folder.mkdir()
        os.utime(folder, (folder.stat().st_mtime - age,) * 2)
    shelf.put(hall(50))
    shelf.view()
    assert [path.name for path in shelf.folder.glob(".search-*")] == [".search-new"]


@pytest.mark.parametrize("few", [1_000, 20])
def test_after_many_changes_a_shelf_is_searched_as_an_index_in_memory(tmp_path, embedder, few, monkeypatch):
    monkeypatch.setattr(vectors, "FLAT", few)
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    memory = MemoryIndex(embedder)
    for step in range(36):
        document = hall(step % 28, f"Holm {step}")
        shelf.put(document)
        memory.put(document)
        if step % 5 == 4:
            gone = [hall(step % 28 - 2, f"Holm {step - 2}").id]
            shelf.remove(gone)
            memory.remove(gone)
        if step % 7 == 0:
            assert ("lists" in shelf.view().snapshot.vectors.kind) == (len(memory.passages) > few)
            for question in QUESTIONS:
                stored, held = (index.search_vectors(question, 5) for index in (shelf.view(), memory))
                assert stored[1] == pytest.approx(held[1], abs=0.01)
    assert shelf.check() == []
    assert list(shelf.view().documents) == list(memory.documents)


@pytest.fixture
def unwritable(embedder):
    """Make a shelf's folder unwritable, for the superuser too, until the test is over."""
    root, made = os.geteuid() == 0, []

    def lock(shelf):
        folder = Path(tempfile.mkdtemp()) / "shelf"  # pytest's own folders are shut to others
        made.append(folder.parent)
        shutil.copytree(shelf.folder, folder)
        folder.parent.chmod(0o755)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if root:
            os.seteuid(NOBODY)
        return Shelf(folder, embedder)

    yield lock
    if root:
        os.seteuid(0)
    for folder in made:
        for path in folder.rglob("*"):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        shutil.rmtree(folder)


@pytest.mark.parametrize("state", ["with a snapshot", "without", "behind"])
def test_a_folder_that_cannot_be_written_to_is_searched_and_says_so(shelf, unwritable, state):
    before = found(shelf)
    if state == "without":
        shutil.rmtree(snapshot(shelf))
    elif state == "behind":
        shelf.put(hall(99, "Lund"))
    locked = unwritable(shelf)
    with pytest.raises(InputError, match=r"readonly database\): check its permissions"):
        locked.put(hall(50))
    if state == "behind":
        assert retrieve(locked.view(), "Who is the keeper Lund?", 1)[0].passage.text == hall(99, "Lund").text
    else:
        assert found(locked) == before
