"""What is stored in Milvus: passages to search, texts in pieces, and a row for each file: what counts.

Three collections, whose names begin with the index's: the passages with their vectors and words, each known
by a number; the texts, in pieces, as a string in Milvus has at most 65,535 bytes; and the documents. A
document's passages and pieces have a version, the number of its first passage, drawn at random, so that
writers need not agree. They count only where a row of a document names that version: this row is the one
point at which an add, a replacement or a removal happens, whatever is interrupted before or after.

Every write changes the generation, a token, before and after that row is written: a reader that finds the
same token before and after it looked met no write between. Whoever begins to write or to delete a version
leaves a lease with it, so that others neither take its rows for left over nor begin to share them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from index.database import Row, key_of, stored
from index.documents import Document
from index.errors import InputError
from index.fingerprint import check_schema, damaged_document, no_index
from index.lexical import terms
from index.milvus_schema import DOCUMENTS, NOTHING, PASSAGES, SCHEMA, TEXTS, VECTOR, WEIGHTS, WORDS, create
from index.milvus_server import Address, Server
from index.passages import Passage
from index.store import Entry, Size

INDEX, GENERATION, LEASE, DOCUMENT = "index", "generation", "lease", "document"  # kinds of rows
FIRST, LAST = 1, 2**62  # of the numbers that passages have
PIECE = 16_000  # characters of a text, at most 64,000 bytes
TOGETHER = 500  # rows of passages in one call, about 1.5 MB
PIECES_TOGETHER = 50  # rows of texts in one call, about 3 MB at most
ROWS = 1_000  # rows of documents in one call
LEASED = 600.0  # seconds since its last sign of life, after which a writer is taken for one that was killed
SEARCHING = 8  # threads, of questions asked at the same time

_under_way: dict[int, dict[str, Any]] = {}  # versions that this process writes or deletes, and why
_IDENTITY = re.compile("[0-9a-f]{16}")  # what an id of a document may be
_COLUMNS = ["key", "document", "version", "facts"]
_PLACE = ["number", "document", "version", "start", "end"]


@dataclass(frozen=True, slots=True)
class Record:
    """The row of a file, or of a text that has none.

    Attributes:
        key: digest of the file's path.
        id: of the document that it holds.
        version: of the document's passages and pieces, which files of one text share.
        title: of the document.
        source: the file's path.
        passages: how many there are.
        pieces: of the text, how many.
        characters: of the text.
        pages: of the document, 0 where there are none.
        added: when the version was, nanoseconds.
        since: when the file got this text, nanoseconds.
    """

    key: str
    id: str
    version: int
    title: str
    source: str
    passages: int
    pieces: int
    characters: int
    pages: int
    added: int
    since: int


class Hit(NamedTuple):
    """A passage that was found, and its score: the inner product, or BM25."""

    number: int
    score: float
    id: str
    version: int
    start: int
    end: int


class MilvusDatabase:
    """The rows of an index over Milvus. May be shared by threads.

    Args:
        name: of the index, as `Address.parse` takes it.
        probe: the vector that shows what the index is made with, where it is to be made; None: it is there.
        limit: seconds that the server may take to answer a call; None: `index.milvus_server.LIMIT`.

    Raises:
        InputError: there is none, it is of another version, or the server does not answer.
    """

    def __init__(self, name: str, probe: np.ndarray | None = None, limit: float | None = None) -> None:
        address = Address.parse(name)
        self.name = name
        self._collection = address.collection
        self._server = Server(address, limit, make=probe is not None)
        self.limit = self._server.limit
        self._lite = address.folder is not None
        self._writing = self._server.writing
        self._searching = ThreadPoolExecutor(SEARCHING, "article-qa-milvus")
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
        facts = self._facts(GENERATION)
        if facts is None or facts["index"] != self._index:
            raise InputError(f"{self.name} was replaced by another index: open that one.")
        return str(facts["token"])

    def search(self, vector: np.ndarray, words: str, count: int) -> tuple[list[Hit], list[Hit]]:
        """The best passages of any version by their vectors and by their words, best first.

        Args:
            vector: of the question, float32, [dimension].
            words: of the question; empty: none is found by them.
            count: of passages on either side.
        """
        by_words = self._searching.submit(self._search, WEIGHTS, words, count) if words else None
        return self._search(VECTOR, vector.tolist(), count), by_words.result() if by_words else []

    def records(self, ids: Iterable[str]) -> dict[str, Record]:
        """Of the documents that are there, by their ids: the rows of the files they came from first."""
        return _by_id(self._with("document", ids))

    def any_record(self) -> bool:
        """Whether there is any document."""
        return bool(self._rows(f'kind == "{DOCUMENT}"', limit=1))

    def all_records(self) -> dict[str, Record]:
        """Of all documents, by their ids, in the order they came."""
        return _by_id(self._all())

    def document(self, record: Record) -> Document | None:
        """The document of a version; None where that is gone.

        Raises:
            InputError: a piece of it is missing.
        """
        rows: list[dict[str, Any]] = []
        for level in (
            "Eventually",
            "Strong",
        ):  # pieces never change, so the fast way is right if all are there
            if len(rows) != record.pieces:
                rows = self._numbered(TEXTS, record.version, record.pieces, ["text"], level)
        try:
            if len(rows) != record.pieces:
                raise ValueError(rows)
            page_starts, text = "".join(row["text"] for row in rows).split("\n", 1)
            starts = tuple(json.loads(page_starts))
        except (ValueError, TypeError):
            if not self._with("version", [record.version]):
                return None
            raise damaged_document(self.name, record.title) from None
        return Document(record.id, record.title, record.source, text, starts)

    def bounds(self, record: Record) -> np.ndarray:
        """(start, end) of each passage of a version that is there, int64, [passages, 2]."""
        rows = self._numbered(PASSAGES, record.version, record.passages, ["start", "end"])
        return np.array([(row["start"], row["end"]) for row in rows], np.int64).reshape(-1, 2)

    def matrix(self, record: Record) -> np.ndarray:
        """The vectors of each passage of a version that is there, float32, [passages, dimension]."""
        rows = self._numbered(PASSAGES, record.version, record.passages, [VECTOR])
        return np.array([row[VECTOR] for row in rows], np.float32).reshape(len(rows), len(self.probe))

    def place(self, number: int) -> Hit | None:
        """Where the passage with that number stands; None where it is gone."""
        rows = self._numbered(PASSAGES, number, 1, _PLACE)
        return _hit(rows[0], 0.0) if rows else None

    # What a catalogue does.

    def entries(self) -> list[Entry]:
        """All documents, without their texts, in the order they came."""
        return [Entry(r.id, r.title, r.characters, r.pages, r.source) for r in self.all_records().values()]

    def find(self, name: str) -> str | None:
        """The id of the document with that id or from that file."""
        row = self._get(_digest(stored(str(Path(name).absolute()))))
        if row:
            return _record(row).id
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
        self._searching.shutdown()
        self._server.close()

    # What an inspection does.

    def ids(self) -> list[tuple[int, str]]:
        """Of each document, its version and its id, in the order they came."""
        return [(record.version, record.id) for record in self.all_records().values()]

    def row(self, first: int, *, bounds: bool = True) -> Row | None:
        """The document of a version; None where it is gone.

        Args:
            first: the version, the number of its first passage.
            bounds: whether those of its passages are needed.

        Raises:
            InputError: a piece of its text is missing.
        """
        for record in self._with("version", [first]):
            document = self.document(record)
            pairs = self.bounds(record) if bounds else np.empty((0, 2), np.int64)
            return Row(first, document, pairs) if document else None
        return None

    def vectors(self, first: int) -> np.ndarray | None:
        """The vectors of a version's passages, float32, [passages, dimension]; None where it is gone."""
        for record in self._with("version", [first]):
            return self.matrix(record)
        return None

    def left_over(self) -> dict[int, bool]:
        """Versions of writes that were interrupted, and whether they count: that of an add may.

        Of those that do not count there are rows that no question sees.
        """
        there = {row["version"] for name in (PASSAGES, TEXTS) for row in self._scan(name, "", ["version"])}
        leases = {row["version"]: json.loads(row["facts"]) for row in self._rows(f'kind == "{LEASE}"')}
        # Read last: what has lost its lease since has been committed, or deleted.
        counting = {record.version for record in self._all()}
        dead = {version for version, facts in leases.items() if not self._is_alive(version, facts)}
        lost = there - counting - set(leases)
        lost = {version for version in lost if self._count(PASSAGES, version) + self._count(TEXTS, version)}
        return {version: version in counting for version in sorted(dead | lost)}

    # Writing.

    def holds(self, document: Document) -> bool:
        """Whether the document is here and its file, if it has one, had this text before."""
        row = self._get(_digest(key_of(document)))
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
        with self._writing:
            row = self._get(_digest(key_of(document)))
            before = _record(row) if row else None
            new = not self._share(document)
            if new:
                self._put(document, passages, vectors)
            left = before is not None and before.id != document.id
            return (self._release(before.version) if before and left else False) or new

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        with self._writing:
            records = self._with("document", ids)
            if records:
                with self._changing():
                    self._call("delete", DOCUMENTS, ids=[record.key for record in records])
            for version in dict.fromkeys(record.version for record in records):
                self._release(version)
            return len({record.id for record in records})

    def mend(self, first: int, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Give a document passages and vectors made anew, as a new version; one that is gone stays gone."""
        with self._writing:
            records = self._with("version", [first])
            document = self.document(records[0]) if records else None
            if document is None:
                return
            with self._lease(version := _draw(passages), "adding", document.id):
                pieces = self._write(version, document, passages, vectors)
                self._commit(
                    replace(record, version=version, passages=len(passages), pieces=pieces)
                    for record in records
                )
            self._release(first)

    def clear(self, version: int, *, counts: bool) -> None:
        """Take away what an interrupted write left: its rows, unless they count, and its lease."""
        with self._writing, self._changing():  # it may have been interrupted before it said that it was done
            if not counts:
                self._erase(version)
            self._call("delete", DOCUMENTS, ids=[f"{LEASE}-{version}"])

    def _open(self, probe: np.ndarray | None) -> None:
        there = self._server.call("has_collection", f"{self._collection}_{DOCUMENTS}")
        if not there and probe is None:
            raise no_index(self.name)
        if probe is not None:
            create(self._server, self._collection, len(probe), exact=self._lite)
        for name in (PASSAGES, TEXTS, DOCUMENTS):
            self._call("load_collection", name)
        facts = self._facts(INDEX)
        if facts is None:
            if probe is None:
                raise no_index(self.name)
            vector = base64.b64encode(probe.astype("<f2").tobytes()).decode()
            facts = {"schema": SCHEMA, "index": secrets.token_hex(8), "probe": vector}
            token = {"index": facts["index"], "token": secrets.token_hex(8)}
            self._upsert([_line(INDEX, INDEX, facts), _line(GENERATION, GENERATION, token)])
        check_schema(self.name, int(facts["schema"]), SCHEMA)
        self._index = str(facts["index"])
        self.probe: np.ndarray = np.frombuffer(base64.b64decode(facts["probe"]), "<f2").astype(np.float32)

    def _share(self, document: Document) -> bool:
        """Let the document's file have a version that is there already; whether there was one."""
        known = self.records([document.id]).get(document.id)
        if known is None:
            return False
        source = stored(document.source)
        own = replace(
            known, key=_digest(key_of(document)), source=source, title=document.title, since=time.time_ns()
        )
        self._commit([own])
        # Its last file may have left it at the same time. Either that writer has seen our row, and keeps the
        # version, or we see its lease.
        lease = self._facts(f"{LEASE}-{known.version}")
        return lease is None or lease["why"] != "deleting"

    def _put(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        now = time.time_ns()
        with self._lease(version := _draw(passages), "adding", document.id):
            pieces = self._write(version, document, passages, vectors)
            record = Record(
                _digest(key_of(document)), document.id, version, document.title, stored(document.source),
                len(passages), pieces, len(document.text), len(document.page_starts), now, now,
            )  # fmt: skip
            self._commit([record])

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
            self._call("upsert", PASSAGES, rows)
            self._renew(version)
        whole = f"{json.dumps(document.page_starts)}\n{document.text}"
        pieces = [whole[k : k + PIECE] for k in range(0, len(whole), PIECE)]
        for begin in range(0, len(pieces), PIECES_TOGETHER):
            some = enumerate(pieces[begin : begin + PIECES_TOGETHER], version + begin)
            rows = [
                {"number": number, "version": version, "text": piece, "nothing": NOTHING}
                for number, piece in some
            ]
            self._call("upsert", TEXTS, rows)
            self._renew(version)
        return len(pieces)

    def _release(self, version: int) -> bool:
        """A file has no longer the text of this version: delete it, unless another file has that text."""
        with self._lease(version, "deleting", ""):
            if self._with("version", [version]):
                return False
            self._erase(version)
            return True

    def _erase(self, version: int) -> None:
        for name in (PASSAGES, TEXTS):
            self._call("delete", name, filter=f"version == {version}")

    def _commit(self, records: Iterable[Record]) -> None:
        """Let files have versions that are written: the one point at which that happens to each."""
        with self._changing():
            self._upsert([_row(record) for record in records])

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        self._tell()
        yield
        self._tell()

    def _tell(self) -> None:
        """Change the generation."""
        facts = {"index": self._index, "token": secrets.token_hex(8)}
        self._upsert([_line(GENERATION, GENERATION, facts)])

    @contextlib.contextmanager
    def _lease(self, version: int, why: str, identity: str) -> Iterator[None]:
        """Say that a version is being written or deleted; it is said on where that is interrupted."""
        _under_way[version] = {"why": why, "document": identity}
        try:
            self._renew(version)
            yield
            self._call("delete", DOCUMENTS, ids=[f"{LEASE}-{version}"])
        finally:
            del _under_way[version]

    def _renew(self, version: int) -> None:
        facts = _under_way[version] | {"time": time.time()}
        self._upsert([_line(f"{LEASE}-{version}", LEASE, facts, version=version)])

    def _is_alive(self, version: int, facts: dict[str, Any]) -> bool:
        """Whether the writer that left a lease may be at it; Milvus Lite has no other than this one."""
        if version in _under_way:
            return True
        return not self._lite and time.time() - facts["time"] < LEASED

    # Reading rows.

    def _call(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        return self._server.call(method, f"{self._collection}_{name}", *arguments, **options)

    def _upsert(self, rows: list[dict[str, Any]]) -> None:
        self._call("upsert", DOCUMENTS, rows)

    def _search(self, field: str, asked: str | list[float], count: int) -> list[Hit]:
        (found,) = self._call(
            "search", PASSAGES, data=[asked], anns_field=field, limit=count, output_fields=_PLACE[1:],
            consistency_level="Strong",
        )  # fmt: skip
        scores = [float(hit["distance"]) for hit in found]
        if field == WEIGHTS:  # which are never below 0, but Milvus Lite makes distances of them
            scores = [abs(score) for score in scores]
        return [
            _hit(hit["entity"] | {"number": hit["number"]}, score)
            for hit, score in zip(found, scores, strict=True)
        ]

    def _get(self, key: str) -> dict[str, Any] | None:
        rows = self._call("get", DOCUMENTS, ids=[key], output_fields=_COLUMNS, consistency_level="Strong")
        return dict(rows[0]) if rows else None

    def _facts(self, key: str) -> dict[str, Any] | None:
        row = self._get(key)
        return row and json.loads(row["facts"])

    def _rows(self, condition: str, **options: Any) -> list[dict[str, Any]]:
        found = self._call(
            "query",
            DOCUMENTS,
            filter=condition,
            output_fields=_COLUMNS,
            consistency_level="Strong",
            **options,
        )
        return [dict(row) for row in found]

    def _with(self, field: str, values: Iterable[Any]) -> list[Record]:
        """The records whose field, "document" or "version", has one of some values, the oldest first."""
        wanted = [v for v in dict.fromkeys(values) if isinstance(v, int) or _IDENTITY.fullmatch(v)]
        rows = [
            row
            for k in range(0, len(wanted), ROWS)
            for row in self._rows(f'kind == "{DOCUMENT}" and {field} in {json.dumps(wanted[k : k + ROWS])}')
        ]
        return sorted(map(_record, rows), key=_age)

    def _all(self) -> list[Record]:
        """The records of all files, the oldest first."""
        rows = self._scan(DOCUMENTS, f'kind == "{DOCUMENT}"', _COLUMNS)
        return sorted(map(_record, rows), key=_age)

    def _numbered(
        self, name: str, first: int, count: int, fields: list[str], level: str = "Strong"
    ) -> list[dict[str, Any]]:
        """Rows that follow each other; those that are there."""
        step = PIECES_TOGETHER if name == TEXTS else TOGETHER
        rows: list[dict[str, Any]] = []
        for begin in range(first, first + count, step):
            numbers = list(range(begin, min(begin + step, first + count)))
            rows += self._call(
                "get", name, ids=numbers, output_fields=["number", *fields], consistency_level=level
            )
        return sorted(rows, key=lambda row: int(row["number"]))

    def _scan(self, name: str, condition: str, fields: list[str]) -> Iterator[dict[str, Any]]:
        """All rows of a collection."""
        pages = self._call(
            "query_iterator", name, batch_size=ROWS, filter=condition, output_fields=fields,
            consistency_level="Strong",
        )  # fmt: skip
        try:
            while rows := pages.next():
                yield from rows
        finally:
            pages.close()

    def _count(self, name: str, version: int) -> int:
        found = self._call(
            "query", name, filter=f"version == {version}", output_fields=["count(*)"],
            consistency_level="Strong",
        )  # fmt: skip
        return int(found[0]["count(*)"])


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


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _line(key: str, kind: str, facts: dict[str, Any], document: str = "", version: int = 0) -> dict[str, Any]:
    """A row of the documents' collection."""
    text = json.dumps(facts, ensure_ascii=False)
    return {
        "key": key, "kind": kind, "document": document, "version": version, "facts": text, "nothing": NOTHING,
    }  # fmt: skip


def _row(record: Record) -> dict[str, Any]:
    facts = asdict(record)
    for name in ("key", "id", "version"):
        del facts[name]
    return _line(record.key, DOCUMENT, facts, record.id, record.version)


def _record(row: dict[str, Any]) -> Record:
    return Record(row["key"], row["document"], int(row["version"]), **json.loads(row["facts"]))


def _age(record: Record) -> tuple[int, int, str]:
    return record.added, record.since, record.key


def _by_id(records: Iterable[Record]) -> dict[str, Record]:
    """The first record of each document."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.id, record)
    return first


def _hit(row: dict[str, Any], score: float) -> Hit:
    number, document, version, start, end = (row[name] for name in _PLACE)
    return Hit(int(number), score, str(document), int(version), int(start), int(end))
