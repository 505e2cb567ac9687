"""What is stored in Milvus: passages to search, texts in pieces, and a row for each file: what counts.

Three collections, whose names begin with the index's: the passages with their vectors and words, each known
by a number; the texts, in pieces, as a string in Milvus has at most 65,535 bytes; and the documents. A
file's passages and pieces have a version, the number of its first passage, drawn at random, so that writers
need not agree. They count only where the file's row names that version: this row is the one point at which an
add, a replacement or a removal happens, whatever is interrupted before or after. Files of one text are one
document, but each has a version of its own, so that none depends on what becomes of another.

Every write changes the generation, a token, before and after that row is written: a reader that finds the
same token before and after it looked met no write between. Whoever begins to write or to delete a version
leaves a lease with it, so that others do not take its rows for left over. Whoever has written deletes what
its file had before: all versions of it that have neither a lease nor the file's row, whoever wrote them.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from index.database import Row, key_of, stored
from index.documents import Document, whole_path
from index.errors import InputError
from index.fingerprint import check_schema, damaged_document, no_index
from index.lexical import terms
from index.milvus_rows import (
    DOCUMENT,
    GENERATION,
    INDEX,
    LEASE,
    PIECES_TOGETHER,
    ROWS,
    TOGETHER,
    MilvusRows,
    Record,
    digest,
    line,
)
from index.milvus_schema import NOTHING, PASSAGES, SCHEMA, TEXTS, VECTOR, WORDS
from index.passages import Passage
from index.store import Entry, Size

FIRST, LAST = 1, 2**62  # of the numbers that passages have
PIECE = 16_000  # characters of a text, at most 64,000 bytes
PAUSE = 0.02  # seconds between two looks at what others are removing
REACHED = 2.0  # seconds for a server to show that it is there
LEASED = 600.0  # seconds since its last sign of life, after which a writer is taken for one that was killed

_under_way: dict[int, str] = {}  # versions that this process writes or deletes, and why


class MilvusDatabase:
    """The rows of an index over Milvus. May be shared by threads.

    Args:
        name: of the index, as `Address.parse` takes it.
        probe: the vector that shows what the index is made with, where it is to be made; None: it is there.
        limit: seconds that the server may take to answer a call; None: as `limit_set` says.

    Raises:
        InputError: there is none, it is of another version, or the server does not answer.
    """

    def __init__(self, name: str, probe: np.ndarray | None = None, limit: float | None = None) -> None:
        self.name = name
        self.rows = MilvusRows(name, limit, make=probe is not None)
        try:
            self._open(probe)
        except BaseException:
            self.close()
            raise

    def generation(self) -> str:
        """A token that every write changes.

        Raises:
            InputError: another index is in the place of the one that was opened.
        """
        return self._token(self.rows)

    def reach(self) -> None:
        """See that it can be read, by a connection of its own, which is not waited for as others are."""
        with contextlib.closing(MilvusRows(self.name, REACHED, make=False)) as rows:
            self._token(rows)

    def _token(self, rows: MilvusRows) -> str:
        facts = rows.facts(GENERATION)
        if facts is None or facts["index"] != self._index:
            raise InputError(f"{self.name} was replaced by another index: open that one.")
        return str(facts["token"])

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Of the documents that are there, by their ids: the rows of the files they came from first."""
        return _by_id(self.rows.records("document", ids))

    def any_record(self) -> bool:
        """Whether there is any document."""
        return bool(self.rows.of_kind(DOCUMENT, limit=1))

    def all_records(self) -> dict[str, Record]:
        """Of all documents, by their ids, in the order they came."""
        return _by_id(self.rows.all_records())

    def document(self, record: Record) -> Document | None:
        """The document of a version; None where that is gone.

        Raises:
            InputError: a piece of it is missing.
        """
        # Pieces never change, so what is read the fast way is right, if all are there.
        wanted = TEXTS, record.version, record.pieces, ["text"]
        rows = self.rows.numbered(*wanted, "Eventually")
        if len(rows) != record.pieces:
            rows = self.rows.numbered(*wanted)
        try:
            if len(rows) != record.pieces:
                raise ValueError(rows)
            page_starts, text = "".join(row["text"] for row in rows).split("\n", 1)
            starts = tuple(json.loads(page_starts))
        except (ValueError, TypeError):
            if not self.rows.records("version", [record.version]):
                return None
            raise damaged_document(self.name, record.title) from None
        return Document(record.id, record.title, record.source, text, starts)

    def bounds(self, record: Record) -> np.ndarray:
        """(start, end) of each passage of a version that is there, int64, [passages, 2]."""
        rows = self.rows.numbered(PASSAGES, record.version, record.passages, ["start", "end"])
        return np.array([(row["start"], row["end"]) for row in rows], np.int64).reshape(-1, 2)

    def matrix(self, record: Record) -> np.ndarray:
        """The vectors of each passage of a version that is there, float32, [passages, dimension]."""
        rows = self.rows.numbered(PASSAGES, record.version, record.passages, [VECTOR])
        return np.array([row[VECTOR] for row in rows], np.float32).reshape(len(rows), len(self.probe))

    # What a catalogue does.

    def entries(self) -> list[Entry]:
        """All documents, without their texts, in the order they came."""
        return [Entry(r.id, r.title, r.characters, r.pages, r.source) for r in self.all_records().values()]

    def find(self, name: str) -> str | None:
        """The id of the document with that id or from that file."""
        for source in dict.fromkeys((name, str(whole_path(name)))):  # earlier versions kept `..`
            if row := self.rows.get(digest(stored(source))):
                return Record.of(row).id
        return name if name in self.records([name]) else None

    def size(self) -> Size:
        """How many documents and passages there are."""
        records = self.all_records().values()
        return Size(len(records), sum(record.passages for record in records))

    def info(self) -> dict[str, str | int]:
        """What describes the index, by what it is called."""
        records = self.all_records().values()
        return {
            "index": self.name,
            "documents": len(records),
            "passages": sum(record.passages for record in records),
            "characters": sum(record.characters for record in records),
            "dimension of vectors": len(self.probe),
            "searchable": "up to date",
        }

    def close(self) -> None:
        """Close the connection; nothing can be read any more."""
        self.rows.close()

    # What an inspection does.

    def ids(self) -> list[tuple[int, str]]:
        """Of each document, its version and its id, in the order they came."""
        return [(record.version, record.id) for record in self.all_records().values()]

    def first(self, identity: str) -> int | None:
        """The version of the document with that id; None where it is not there."""
        record = self.records([identity]).get(identity)
        return None if record is None else record.version

    def row(self, first: int, *, bounds: bool = True) -> Row | None:
        """The document of a version; None where it is gone.

        Args:
            first: the version, the number of its first passage.
            bounds: whether those of its passages are needed.

        Raises:
            InputError: a piece of its text is missing.
        """
        for record in self.rows.records("version", [first]):
            document = self.document(record)
            pairs = self.bounds(record) if bounds else np.empty((0, 2), np.int64)
            return Row(first, document, pairs) if document else None
        return None

    def vectors(self, first: int) -> np.ndarray | None:
        """The vectors of a version's passages, float32, [passages, dimension]; None where it is gone."""
        for record in self.rows.records("version", [first]):
            return self.matrix(record)
        return None

    def left_over(self) -> dict[int, bool]:
        """Versions of writes that were interrupted, and whether they count: that of an add may.

        Of those that do not count there are rows that no question sees.
        """
        there = {row["version"] for name in (PASSAGES, TEXTS) for row in self.rows.scan(name, ["version"])}
        leases = {row["version"]: json.loads(row["facts"]) for row in self.rows.of_kind(LEASE)}
        # Read last: what has lost its lease since has been committed, or deleted.
        counting = {record.version for record in self.rows.all_records()}
        dead = {version for version, facts in leases.items() if not self._is_alive(version, facts)}
        lost = there - counting - set(leases)
        lost = {
            version
            for version in lost
            if self.rows.count(PASSAGES, version) + self.rows.count(TEXTS, version)
        }
        lost -= {row["version"] for row in self.rows.of_kind(LEASE)}  # being deleted by now
        return {version: version in counting for version in sorted(dead | lost)}

    # Writing.

    def holds(self, document: Document) -> bool:
        """Whether the document is here and its file, if it has one, had this text before."""
        row = self.rows.get(digest(key_of(document)))
        return row is not None and row["document"] == document.id

    def insert(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> bool:
        """Put a document in, in the place of what the same file held before.

        Args:
            document: whose source, if a whole path, names its file; files of one text are one document.
            passages: of it, at least one.
            vectors: of the passages, [passages, dimension].

        Returns:
            whether what can be found changed.
        """
        with self.rows.writing:
            new = document.id not in self.records([document.id])
            before = self.rows.get(key := digest(key_of(document)))
            record = Record(
                key, document.id, _draw(passages), document.title, stored(document.source),
                0, 0, len(document.text), len(document.page_starts), time.time_ns(),
            )  # fmt: skip
            self._put(record, document, passages, vectors)
            return new or (before is not None and not self.records([before["document"]]))

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        with self.rows.writing:
            records = self.rows.records("document", ids)
            versions = [record.version for record in records]
            if records:
                with self._lease("deleting", versions):
                    with self._changing():
                        self.rows.drop_records(records)
                    self._erase(versions)
            return len({record.id for record in records})

    def mend(self, first: int, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Give a document passages and vectors made anew, as a new version; one that is gone stays gone."""
        with self.rows.writing:
            for record in self.rows.records("version", [first]):
                if document := self.document(record):
                    new = replace(record, version=_draw(passages))
                    self._put(new, document, passages, vectors, instead=first)

    def clear(self, version: int) -> None:
        """Take away what an interrupted write left: its rows, unless they count, and its lease."""
        with self.rows.writing, self._changing():  # it may not have said that it was done
            if not self.rows.records("version", [version]):
                self._erase([version])
            self.rows.drop([f"{LEASE}-{version}"])

    def _open(self, probe: np.ndarray | None) -> None:
        if probe is not None:
            self.rows.create(len(probe))
        if not self.rows.load():
            raise no_index(self.name)
        facts = self.rows.facts(INDEX)
        if facts is None:
            if probe is None:
                raise no_index(self.name)
            vector = base64.b64encode(probe.astype("<f2").tobytes()).decode()
            # Commands that make the index at once with one embedder name it the same, whoever is the last.
            facts = {"schema": SCHEMA, "index": digest(vector), "probe": vector}
            token = {"index": facts["index"], "token": secrets.token_hex(8)}
            self.rows.put([line(INDEX, INDEX, facts), line(GENERATION, GENERATION, token)])
            facts = self.rows.facts(INDEX) or facts  # another one may have been the last
        check_schema(self.name, int(facts["schema"]), SCHEMA)
        self._index = str(facts["index"])
        self.probe: np.ndarray = np.frombuffer(base64.b64decode(facts["probe"]), "<f2").astype(np.float32)

    def _put(
        self,
        record: Record,
        document: Document,
        passages: Sequence[Passage],
        vectors: np.ndarray,
        instead: int | None = None,
    ) -> None:
        """Write a version and let its file have it.

        Args:
            record: of the file, with the version; how much there is of it is counted here.
            document: that the file holds.
            passages: of the document.
            vectors: of the passages, [passages, dimension].
            instead: the version that the file has to have until then; None: whatever it has.

        Raises:
            InputError: it was taken for left over meanwhile.
        """
        with self._lease("adding", [record.version]):
            pieces = self._write(record.version, document, passages, vectors)
            record = replace(record, passages=len(passages), pieces=pieces)
            if whole := self._is_whole(record.version):
                self._commit(record, instead)
            else:
                self._erase([record.version])
        self._sweep(record.key)
        if not whole:
            raise InputError(
                f"{document.title} was not added to {self.name}: its writer rested for over {LEASED / 60:g} "
                "minutes, and what it had written was deleted meanwhile. Add it again."
            )

    def _write(
        self, version: int, document: Document, passages: Sequence[Passage], vectors: np.ndarray
    ) -> int:
        """Write a version, which nobody sees yet; returns the number of pieces of its text."""
        for begin in range(0, len(passages), TOGETHER):
            rows = [
                {
                    "number": version + k, "document": document.id, "version": version,
                    "start": passages[k].start, "end": passages[k].end,
                    VECTOR: vectors[k].tolist(), WORDS: words_of(passages[k].text),
                }
                for k in range(begin, min(begin + TOGETHER, len(passages)))
            ]  # fmt: skip
            self.rows.call("upsert", PASSAGES, rows)
            self._renew([version])
        key = digest(key_of(document))
        whole = f"{json.dumps(document.page_starts)}\n{document.text}"
        pieces = [whole[k : k + PIECE] for k in range(0, len(whole), PIECE)]
        for begin in range(0, len(pieces), PIECES_TOGETHER):
            some = enumerate(pieces[begin : begin + PIECES_TOGETHER], version + begin)
            rows = [
                {
                    "number": number, "version": version, "text": piece, "nothing": NOTHING,
                    "file": key if number == version else "",
                }
                for number, piece in some
            ]  # fmt: skip
            self.rows.call("upsert", TEXTS, rows)
            self._renew([version])
        return len(pieces)

    def _is_whole(self, version: int) -> bool:
        """Whether all that was written of a version is there; its writer may have rested beyond its lease.

        Who takes it for left over deletes all there is of it, so that the first rows are always missing then;
        to count all of them takes Milvus Lite a second in an index of 25,000 passages.
        """
        return all(self.rows.numbered(name, version, 1, ["version"]) for name in (PASSAGES, TEXTS))

    def _commit(self, record: Record, instead: int | None) -> None:
        """Let a file have a version that is written: the one point at which that happens."""
        with self._changing():
            # Asked last, as the writing took long: others may have replaced or removed it meanwhile.
            if instead is None or self.rows.records("version", [instead]):
                self.rows.put([record.row()])
        while instead is None and self._is_lost(record):
            with self._changing():
                self.rows.put([record.row()])

    def _is_lost(self, record: Record) -> bool:
        """Whether a row that was just written was taken for the one before it.

        No call of Milvus tests and writes at once, not even a deletion by a filter. So whoever removes or
        mends what the file held before may meet the new row; who means to remove that says so by a lease.
        """
        self._await_removals(record)
        row = self.rows.get(record.key)
        if row and Record.of(row).added >= record.added:
            return False
        lease = self.rows.facts(f"{LEASE}-{record.version}")
        return lease is not None and lease["why"] == "adding"

    def _await_removals(self, record: Record) -> None:
        """Wait, for as long as a call may take, while others remove what a file held before."""
        until = time.monotonic() + self.rows.limit
        while others := [version for version in self.rows.versions(record.key) if version != record.version]:
            leases = self.rows.of_kind(LEASE, f"version in {json.dumps(others)}")
            if all(json.loads(row["facts"])["why"] == "adding" for row in leases):
                return
            if time.monotonic() > until:  # it was killed
                return
            time.sleep(PAUSE)

    def _sweep(self, key: str) -> None:
        """Delete the versions of a file that do not count and that nobody is writing or deleting."""
        there = self.rows.versions(key)
        if not there:  # it was removed meanwhile
            return
        leases = self.rows.of_kind(LEASE, f"version in {json.dumps(there)}")
        row = self.rows.get(key)  # read last: what has lost its lease before has had its time to count
        kept = {int(each["version"]) for each in ([*leases, row] if row else leases)}
        if old := [version for version in there if version not in kept]:
            with self._lease("deleting", old):
                self._erase(old)

    def _erase(self, versions: Sequence[int]) -> None:
        for begin in range(0, len(versions), ROWS):
            some = json.dumps(versions[begin : begin + ROWS])
            for name in (PASSAGES, TEXTS):
                self.rows.call("delete", name, filter=f"version in {some}")

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        self._tell()
        yield
        self._tell()

    def _tell(self) -> None:
        """Change the generation, unless it is another index's."""
        self.generation()
        facts = {"index": self._index, "token": secrets.token_hex(8)}
        self.rows.put([line(GENERATION, GENERATION, facts)])

    @contextlib.contextmanager
    def _lease(self, why: str, versions: Sequence[int]) -> Iterator[None]:
        """Say that versions are being written or deleted; it is said on where that is interrupted."""
        _under_way.update(dict.fromkeys(versions, why))
        try:
            self._renew(versions)
            yield
            self.rows.drop([f"{LEASE}-{version}" for version in versions])
        finally:
            for version in versions:
                _under_way.pop(version, None)  # another index of this process may have left it before

    def _renew(self, versions: Sequence[int]) -> None:
        now = time.time()
        facts = {version: {"why": _under_way.get(version, "deleting"), "time": now} for version in versions}
        self.rows.put([line(f"{LEASE}-{v}", LEASE, facts[v], version=v) for v in versions])

    def _is_alive(self, version: int, facts: dict[str, Any]) -> bool:
        """Whether the writer that left a lease may be at it; Milvus Lite has no other than this one."""
        if version in _under_way:
            return True
        return not self.rows.lite and time.time() - facts["time"] < LEASED


def words_of(text: str) -> str:
    """The terms of a text as a string that Milvus parts at its blanks, and leaves as they are.

    The terms are those that an index on disk counts: a server's analyzer could be set to nearly the same, but
    Milvus Lite's knows no stemmer. Letters that are not English are spelled out, as Milvus Lite and a server
    differ in what is one to them.
    """
    return " ".join(term if term.isascii() else f"x{term.encode().hex()}" for term in terms(text))


def _draw(passages: Sequence[Passage]) -> int:
    """The number of a first passage: any, as there is room for far more than there will ever be."""
    return FIRST + secrets.randbelow(LAST - len(passages))


def _by_id(records: Iterable[Record]) -> dict[str, Record]:
    """The first record of each document."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.id, record)
    return first
