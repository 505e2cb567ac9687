"""The rows of an index over Milvus: what they are, and how they are read and written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from index.milvus_schema import DOCUMENTS, NOTHING, PASSAGES, TEXTS, VECTOR, WEIGHTS, create
from index.milvus_server import Address, Server

INDEX, GENERATION, LEASE, DOCUMENT = "index", "generation", "lease", "document"  # kinds of rows
TOGETHER = 500  # rows of passages in one call, about 1.5 MB
PIECES_TOGETHER = 50  # rows of texts in one call, about 3 MB at most
ROWS = 1_000  # rows of documents in one call
SEARCHING = 8  # threads, of questions asked at the same time

_IDENTITY = re.compile("[0-9a-f]{16}")  # what an id of a document may be
_COLUMNS = ["key", "document", "version", "facts"]
_PLACE = ["number", "document", "version", "start", "end"]
_PAIR = ("key", "version")
_STRONG = {"consistency_level": "Strong"}  # what was written before is read


@dataclass(frozen=True, slots=True)
class Record:
    """The row of a file, or of a text that has none.

    Attributes:
        key: digest of the file's path.
        id: of the document that it holds.
        version: of its passages and pieces.
        title: of the document.
        source: the file's path.
        passages: how many there are.
        pieces: of the text, how many.
        characters: of the text.
        pages: of the document, 0 where there are none.
        added: when the file got this text, nanoseconds.
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

    @classmethod
    def of(cls, row: dict[str, Any]) -> Record:
        """That of a row."""
        return cls(row["key"], row["document"], int(row["version"]), **json.loads(row["facts"]))

    def row(self) -> dict[str, Any]:
        """The row of it."""
        facts = asdict(self)
        for name in ("key", "id", "version"):
            del facts[name]
        return line(self.key, DOCUMENT, facts, self.id, self.version)

    @property
    def age(self) -> tuple[int, str]:
        """What the oldest comes first by."""
        return self.added, self.key


class Hit(NamedTuple):
    """A passage that was found, and its score: the inner product, or BM25."""

    number: int
    score: float
    id: str
    version: int
    start: int
    end: int

    @classmethod
    def of(cls, row: dict[str, Any], score: float = 0.0) -> Hit:
        """That of a row."""
        number, document, version, start, end = (row[name] for name in _PLACE)
        return cls(int(number), score, str(document), int(version), int(start), int(end))


class MilvusRows:
    """The rows of an index. May be shared by threads; what they raise is `InputError`, as `Server.insist`.

    Args:
        name: of the index, as `Address.parse` takes it.
        limit: seconds that the server may take to answer a call; None: as `limit_set` says.
        make: whether to make Milvus Lite's folder where there is none.
    """

    def __init__(self, name: str, limit: float | None, *, make: bool) -> None:
        address = Address.parse(name)
        self.lite = address.folder is not None
        self._collection = address.collection
        self._server = Server(address, limit, make=make)
        self.limit = self._server.limit
        self.writing = self._server.writing
        self._searching = ThreadPoolExecutor(SEARCHING, "article-qa-milvus")

    def create(self, dimension: int) -> None:
        """Make the collections that are not there, for vectors of a dimension."""
        create(self._server, self._collection, dimension, exact=self.lite)

    def load(self) -> bool:
        """Make the collections ready; whether they are there."""
        there = self.call("has_collection", DOCUMENTS)
        for name in (PASSAGES, TEXTS, DOCUMENTS) if there else ():
            self.call("load_collection", name)
        return bool(there)

    def close(self) -> None:
        """Close the connection."""
        self._searching.shutdown()
        self._server.close()

    def call(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client for one of the collections."""
        return self._server.call(method, f"{self._collection}_{name}", *arguments, **options)

    def put(self, rows: list[dict[str, Any]]) -> None:
        """Write rows of the documents' collection, in the place of those of the same keys."""
        self.call("upsert", DOCUMENTS, rows)

    def drop(self, keys: list[str]) -> None:
        """Delete rows of the documents' collection by their keys."""
        self.call("delete", DOCUMENTS, ids=keys)

    def drop_records(self, records: list[Record]) -> None:
        """Delete records; those of files that have another version by now stay."""
        keys, versions = (json.dumps([getattr(record, name) for record in records]) for name in _PAIR)
        self.call("delete", DOCUMENTS, filter=f"key in {keys} and version in {versions}")

    def get(self, key: str) -> dict[str, Any] | None:
        """A row of the documents' collection."""
        rows = self.call("get", DOCUMENTS, ids=[key], output_fields=_COLUMNS, **_STRONG)
        return dict(rows[0]) if rows else None

    def facts(self, key: str) -> dict[str, Any] | None:
        """What is said in a row of the documents' collection."""
        row = self.get(key)
        return row and json.loads(row["facts"])

    def of_kind(self, kind: str, condition: str = "", **options: Any) -> list[dict[str, Any]]:
        """The rows of a kind, of the documents' collection, of which a condition holds."""
        where = " and ".join(filter(None, (f'kind == "{kind}"', condition)))
        found = self.call("query", DOCUMENTS, filter=where, output_fields=_COLUMNS, **_STRONG, **options)
        return [dict(row) for row in found]

    def records(self, field: str, values: Iterable[Any]) -> list[Record]:
        """The records whose field, "document" or "version", has one of some values, the oldest first."""
        wanted = [v for v in dict.fromkeys(values) if isinstance(v, int) or _IDENTITY.fullmatch(v)]
        rows = [
            row
            for k in range(0, len(wanted), ROWS)
            for row in self.of_kind(DOCUMENT, f"{field} in {json.dumps(wanted[k : k + ROWS])}")
        ]
        return sorted(map(Record.of, rows), key=lambda record: record.age)

    def all_records(self) -> list[Record]:
        """The records of all files, the oldest first."""
        rows = self.scan(DOCUMENTS, _COLUMNS, f'kind == "{DOCUMENT}"')
        return sorted(map(Record.of, rows), key=lambda record: record.age)

    def numbered(
        self, name: str, first: int, count: int, fields: list[str], level: str = "Strong"
    ) -> list[dict[str, Any]]:
        """Rows of passages or texts that follow each other; those that are there."""
        step = PIECES_TOGETHER if name == TEXTS else TOGETHER
        fields = ["number", *fields]
        rows: list[dict[str, Any]] = []
        for begin in range(first, first + count, step):
            numbers = list(range(begin, min(begin + step, first + count)))
            rows += self.call("get", name, ids=numbers, output_fields=fields, consistency_level=level)
        return sorted(rows, key=lambda row: int(row["number"]))

    def place(self, number: int) -> Hit | None:
        """Where the passage with that number stands; None where it is gone."""
        rows = self.numbered(PASSAGES, number, 1, _PLACE[1:])
        return Hit.of(rows[0]) if rows else None

    def scan(self, name: str, fields: list[str], condition: str = "") -> Iterator[dict[str, Any]]:
        """All rows of a collection, of which a condition holds."""
        pages = self.call(
            "query_iterator", name, batch_size=ROWS, filter=condition, output_fields=fields, **_STRONG
        )
        try:
            while rows := self._server.insist(f"{self._collection}_{name}", lambda *_: pages.next()):
                yield from rows
        finally:
            pages.close()

    def count(self, name: str, version: int) -> int:
        """How many rows of passages or texts there are of a version."""
        found = self.call(
            "query", name, filter=f"version == {version}", output_fields=["count(*)"], **_STRONG
        )
        return int(found[0]["count(*)"])

    def versions(self, key: str) -> list[int]:
        """The versions of a file of which there are texts, whether they count or not."""
        found = self.call("query", TEXTS, filter=f'file == "{key}"', output_fields=["version"], **_STRONG)
        return [int(row["version"]) for row in found]

    def search(self, vector: np.ndarray, words: str, count: int) -> tuple[list[Hit], list[Hit]]:
        """The best passages of any version by their vectors and by their words, best first.

        Args:
            vector: of the question, float32, [dimension].
            words: of the question; empty: none is found by them.
            count: of passages on either side.
        """
        by_words = self._searching.submit(self._search, WEIGHTS, words, count) if words else None
        return self._search(VECTOR, vector.tolist(), count), by_words.result() if by_words else []

    def _search(self, field: str, asked: str | list[float], count: int) -> list[Hit]:
        (found,) = self.call(
            "search",
            PASSAGES,
            data=[asked],
            anns_field=field,
            limit=count,
            output_fields=_PLACE[1:],
            **_STRONG,
        )
        scores = [float(hit["distance"]) for hit in found]
        if field == WEIGHTS:  # which are never below 0, but Milvus Lite makes distances of them
            scores = [abs(score) for score in scores]
        return [
            Hit.of(hit["entity"] | {"number": hit["number"]}, score)
            for hit, score in zip(found, scores, strict=True)
        ]


def digest(key: str) -> str:
    """What a row is known by, of a file or a text of any length."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def line(key: str, kind: str, facts: dict[str, Any], document: str = "", version: int = 0) -> dict[str, Any]:
    """A row of the documents' collection."""
    text = json.dumps(facts, ensure_ascii=False)
    return {
        "key": key, "kind": kind, "document": document, "version": version, "facts": text, "nothing": NOTHING,
    }  # fmt: skip
