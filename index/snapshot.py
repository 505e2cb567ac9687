"""What is searched of a shelf, on disk: vectors and words as of one generation of its database.

A snapshot is a folder, `search-GENERATION`, that is complete when it gets its name and never changed after:
a reader holds one open, and all it finds is of one state. After a write the next one is made from the last:
files are linked, not copied, and only what changed is put in or taken out. All of it is derived: each file
is known by its checksum, and a snapshot that is missing, damaged, of another shelf or too old is made anew
from the database, by whichever process needs it first.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from index.database import Database, State
from index.errors import InputError, reason
from index.lexical import LexicalIndex
from index.vectors import FLAT, StoredVectors, link, write

logger = logging.getLogger(__name__)

PREFIX = "search-"
UNFINISHED = ".search-"
LEXICAL, SPANS, MANIFEST = "lexical", "documents.npy", "manifest.json"
FORMAT = 1
ABANDONED = 3600.0  # seconds after which an unfinished snapshot is taken for one whose maker was killed
TOLD = 50_000  # passages from which on it is said that a snapshot is made
_BROKEN = (OSError, ValueError, KeyError, TypeError, RuntimeError)  # what a damaged file may raise

T = TypeVar("T")
_checked: dict[tuple[int, int, int, int], int] = {}  # device, inode, size and time of a file -> its checksum


class Damaged(Exception):  # noqa: N818  # never shown: the snapshot is made anew
    """A snapshot is not what was written."""


class Outdated(Exception):  # noqa: N818  # never shown: the newest one is opened
    """Another process has replaced a snapshot."""


class Snapshot:
    """A shelf's vectors and words, as of one generation.

    Args:
        folder: of the snapshot.
        shelf: the identity of the shelf it has to be of.

    Raises:
        Damaged: it is not complete, not of that shelf, or not what was written.
    """

    def __init__(self, folder: Path, shelf: str) -> None:
        self.folder = folder
        self._temporary: list[tempfile.TemporaryDirectory[str]] = []  # gone with this object
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            if manifest["format"] != FORMAT or manifest["shelf"] != shelf:
                raise Damaged("it is of another shelf")
            self.generation = int(manifest["generation"])
            for name, expected in manifest["files"].items():
                if checksum(folder / name) != expected:
                    raise Damaged(f"{name} is not what was written")
            self.spans: np.ndarray = np.load(folder / SPANS)
            self.vectors = StoredVectors(folder)
            self.words = self._opened(folder / LEXICAL)
            if not len(self.vectors) == len(self.words) == self.spans[:, 1].sum():
                raise Damaged("it does not hold what it says")
        except _BROKEN as error:
            raise Damaged(reason(error)) from None

    def keep(self, temporary: tempfile.TemporaryDirectory[str]) -> None:
        """Keep the folder that it is in until this object is gone."""
        self._temporary.append(temporary)

    def _opened(self, folder: Path) -> LexicalIndex:
        try:
            return LexicalIndex(folder)
        except (OSError, ValueError):
            # Tantivy locks a folder to open it. Where nothing can be written, that is done in another one.
            temporary = tempfile.TemporaryDirectory(prefix="article-qa-")
            for path in folder.iterdir():
                if path.suffix != ".lock":
                    (Path(temporary.name) / path.name).symlink_to(path.absolute())
            self.keep(temporary)
            return LexicalIndex(Path(temporary.name))


def newest(database: Database, held: Snapshot | None) -> Snapshot | None:
    """The newest snapshot on disk, or `held` if there is no newer one; None where it is no good."""
    while True:
        generation, folder = max(_published(database.folder), default=(-1, database.folder))
        if held and held.generation >= generation and held.folder.is_dir():
            return held
        if generation < 0:
            return None
        try:
            return Snapshot(folder, database.shelf)
        except Damaged as error:
            if max(_published(database.folder), default=None) == (generation, folder):
                logger.warning("%s is made anew: %s.", folder, error)
                return None
            # It was replaced by a newer one while it was opened.


def is_of(snapshot: Snapshot, state: State) -> bool:
    """Whether a snapshot is of a state."""
    return snapshot.generation == state.generation and np.array_equal(snapshot.spans, state.spans)


def make(database: Database, state: State, previous: Snapshot | None) -> tuple[Snapshot, bool]:
    """A snapshot of a state, beside the database, or where that cannot be written to in a temporary folder.

    Args:
        database: whose state it is.
        state: that it is to be of.
        previous: to be made from; None: from the database alone.

    Returns:
        the snapshot, and whether all documents of the state were still there; if not, a newer state is.

    Raises:
        Outdated: other processes made newer ones meanwhile.
        InputError: there is no room for it, or the database is damaged.
    """
    target = database.folder / f"{PREFIX}{state.generation}"
    try:
        with _unfinished(database.folder, state.generation) as folder:
            whole = _fill(folder, database, state, previous)
            Snapshot(folder, database.shelf)  # it opens
            _move(folder, target, database.shelf)
    except InputError:
        raise
    except (*_BROKEN, Damaged) as error:
        if previous and max(_published(database.folder), default=(-1, target))[0] > previous.generation:
            raise Outdated from None
        logger.debug("%s: %s", target, error)
        return _elsewhere(database, state, previous)
    _clean(database.folder, state.generation)
    try:
        return Snapshot(target, database.shelf), whole
    except Damaged as error:
        if max(_published(database.folder), default=(-1, target)) > (state.generation, target):
            raise Outdated from None
        raise InputError(f"{database.folder} cannot be searched ({error}): check the disk.") from None


def _elsewhere(database: Database, state: State, previous: Snapshot | None) -> tuple[Snapshot, bool]:
    try:
        temporary = tempfile.TemporaryDirectory(prefix="article-qa-")
        whole = _fill(Path(temporary.name), database, state, previous)
        snapshot = Snapshot(Path(temporary.name), database.shelf)
    except InputError:
        raise
    except (*_BROKEN, Damaged) as error:
        raise InputError(
            f"{database.folder} cannot be searched ({reason(error)}): free some space there or in "
            f"{tempfile.gettempdir()}, nothing that was there is lost."
        ) from None
    snapshot.keep(temporary)
    return snapshot, whole


def damage(database: Database) -> list[str]:
    """What is wrong with the newest snapshot on disk, all its files read again; it is taken away if it is."""
    _checked.clear()
    for _, folder in sorted(_published(database.folder))[-1:]:
        try:
            snapshot = Snapshot(folder, database.shelf)
            state = database.state()
            if snapshot.generation >= state.generation and not is_of(snapshot, state):
                raise Damaged("it holds other documents")
        except Damaged as error:
            shutil.rmtree(folder, ignore_errors=True)
            return [f"{folder} was damaged ({error}) and is made anew."]
    return []


def checksum(path: Path) -> int:
    """CRC-32 of a file; one that was read before and has not changed since is not read again."""
    stat = path.stat()
    key = stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
    if key not in _checked:
        value = 0
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                value = zlib.crc32(block, value)
        _checked[key] = value
    return _checked[key]


def _published(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob(f"{PREFIX}*"):
        number = path.name.removeprefix(PREFIX)
        if number.isdecimal() and path.is_dir():
            yield int(number), path


def _fill(folder: Path, database: Database, state: State, previous: Snapshot | None) -> bool:
    """Write all files of a snapshot; returns whether all documents were still there."""
    vanished: list[int] = []

    def read(get: Callable[[int], T | None], firsts: Iterable[int]) -> Iterator[tuple[int, T]]:
        for first in firsts:
            found = get(first)
            if found is None:
                vanished.append(first)
            else:
                yield first, found

    vectors = partial(read, database.vectors)
    before = previous.spans if previous else np.empty((0, 3), np.int64)
    added, gone = _less(state.spans, before), _less(before, state.spans)
    many = int(added[:, 1].sum())
    if many > TOLD:
        logger.warning("%s: %d passages are made searchable; this is done once.", database.folder, many)
    words = _changed_words(folder, previous)
    if len(gone):
        words.remove(_numbers(gone).tolist())
    if many:
        rows = (row for _, row in read(database.row, added[:, 0].tolist()))
        texts = ((row.first + k, passage.text) for row in rows for k, passage in enumerate(row.passages()))
        words.add(texts, many=many > FLAT)
    firsts = added[:, 0].tolist()
    if not (previous and previous.vectors.write_changed(folder, _numbers(gone), firsts, vectors)):
        write(folder, state.spans, len(database.probe), vectors)
    lost = np.isin(state.spans[:, 0], vanished)
    if lost.any():  # some may have vanished after their words were added
        words.remove(_numbers(state.spans[lost]).tolist())
    np.save(folder / SPANS, state.spans[~lost])
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    sums = {str(path.relative_to(folder)): checksum(path) for path in files}
    manifest = {"format": FORMAT, "shelf": database.shelf, "generation": state.generation, "files": sums}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return not lost.any()


def _changed_words(folder: Path, previous: Snapshot | None) -> LexicalIndex:
    """The words of the snapshot before, to be changed in the folder of the next one."""
    words = folder / LEXICAL
    words.mkdir()
    for path in (previous.folder / LEXICAL).iterdir() if previous else ():
        if path.suffix != ".lock":
            # Tantivy writes its lists of files anew and renames them, and never changes the others.
            link(path, words / path.name)
    return LexicalIndex(words)


def _numbers(spans: np.ndarray) -> np.ndarray:
    """Of all passages of documents."""
    return np.concatenate([np.empty(0, np.int64), *(first + np.arange(n) for first, n in spans[:, :2])])


def _less(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The documents that are not among the others: not the same text under the same numbers."""
    there = set(map(tuple, others.tolist()))
    return spans[[tuple(each) not in there for each in spans.tolist()]]


@contextlib.contextmanager
def _unfinished(folder: Path, generation: int) -> Iterator[Path]:
    """A folder to make a snapshot in, gone at the end unless it was moved."""
    path = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{generation}-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _move(folder: Path, target: Path, shelf: str) -> None:
    """Give a complete snapshot its name. If another process was faster, its one is as good."""
    folder.chmod(0o755)
    try:
        folder.rename(target)
    except OSError:
        try:
            Snapshot(target, shelf)
        except Damaged:
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)


def _clean(folder: Path, generation: int) -> None:
    """Remove older snapshots, which whoever has them open goes on reading, and what killed makers left."""
    for number, path in _published(folder):
        if number < generation:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
