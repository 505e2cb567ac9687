"""The index: documents with their passages, findable by meaning (FAISS) and by words (BM25)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import faiss
import numpy as np

from index.documents import Document
from index.embedder import Embedder
from index.lexical import LexicalIndex
from index.passages import Passage, split_passages

Splitter = Callable[[Document], list[Passage]]
Hits = tuple[np.ndarray, np.ndarray]  # passage numbers (int64, [n]) and scores (float32, [n]), best first
Progress = Callable[[int, int], None]  # told how many of how many passages are embedded
EMBEDDED_AT_ONCE = 256  # passages, between two steps of progress

T = TypeVar("T")


class Gone(KeyError):  # noqa: N818  # no error: the question is asked again
    """A document of a view was removed since."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a list of documents shows of one; `pages` is 0 where there are none."""

    id: str
    title: str
    characters: int
    pages: int
    source: str


class Size(NamedTuple):
    """How much an index holds."""

    documents: int
    passages: int


class Index(Protocol):
    """Documents that can be asked: those in memory, or a view of a store."""

    @property
    def embedder(self) -> Embedder:
        """What the passages' vectors are made with."""

    @property
    def state(self) -> object:
        """Another object after every change."""

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents by their id, in the order they came."""

    @property
    def passages(self) -> Mapping[int, Passage]:
        """The passages by their number, in the order of their documents."""

    def entries(self) -> list[Entry]:
        """What a list of the documents shows, in the order they came."""

    def only(self, document_ids: Iterable[str]) -> MemoryIndex:
        """A new index of some of these documents; nothing is embedded again."""

    def joined(self, other: MemoryIndex) -> MemoryIndex:
        """A new index of these documents and another's, of the same embedder; nothing is embedded again."""

    def search_vectors(self, question: str, count: int) -> Hits:
        """The `count` passages whose vectors are nearest to the question's; scores are cosines."""

    def search_words(self, question: str, count: int) -> Hits:
        """The `count` best passages by BM25; fewer when fewer share a word with the question."""


class Catalogue(Protocol):
    """What is done with a store's documents where none is asked or added, so without an embedder."""

    def entries(self) -> list[Entry]:
        """All documents, without their texts, in the order they came."""

    def find(self, name: str) -> str | None:
        """The id of the document with that id or from that file."""

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; unknown ones are passed over. Returns how many."""

    def size(self) -> Size:
        """How many documents and passages there are."""

    def info(self) -> dict[str, str | int]:
        """What describes the store, by what it is called."""

    def close(self) -> None:
        """Let go of it; nothing can be read any more."""


class Rows(Protocol):
    """The documents of a store with their vectors, as they are written when they were embedded elsewhere."""

    def reach(self) -> None:
        """See that they can be read, without reading them; in seconds, even where a server is away.

        Raises:
            InputError: they cannot.
        """

    def ids(self) -> list[tuple[int, str]]:
        """Of each document, a number and its id, in the order they came."""

    def first(self, identity: str) -> int | None:
        """That number of the document with that id; None where it is not there."""

    def vectors(self, first: int) -> np.ndarray | None:
        """The vectors of its passages, float32, [passages, dimension]; None where it is gone."""

    def holds(self, document: Document) -> bool:
        """Whether the document is there and its file, if it has one, had this text before."""

    def insert(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> bool:
        """Put a document in, in the place of what its file held before; whether what can be found changed."""


@runtime_checkable
class Store(Protocol):
    """An index that outlives the process and is shared by others: a shelf, or one over Milvus."""

    @property
    def database(self) -> Rows:
        """Its documents."""

    def view(self) -> Index:
        """All documents as they are now, for one question or more.

        Raises:
            InputError: it cannot be read.
        """

    def steadily(self, ask: Callable[[Index], T]) -> T:
        """What `ask` makes of a view; of a later one where it met a document that was removed meanwhile."""

    def put(self, document: Document, progress: Progress | None = None) -> bool:
        """Add a document, in the place of what its file held before.

        Returns:
            whether what can be found changed; a document with the same text is not added twice.

        Raises:
            InputError: it cannot be written.
        """

    def remove(self, document_ids: Iterable[str]) -> int:
        """Remove documents by their ids, all at once; unknown ones are passed over. Returns how many."""

    def check(self, sample: int = 20) -> list[str]:
        """What is wrong, a sentence each; nothing if all is well.

        Args:
            sample: documents whose first passage is embedded again, to see that its vector is right.
        """

    def repair(self) -> list[str]:
        """Mend what is wrong; what was done, a sentence each."""

    def size(self) -> Size:
        """How many documents and passages there are."""

    def close(self) -> None:
        """Let go of it; nothing can be read any more."""


class MemoryIndex:
    """An index in memory. Passages are known by numbers that are never used twice.

    Vectors are searched exactly, by inner product.

    Args:
        embedder: of the passages and the questions.
        split: a document to its passages.
    """

    def __init__(self, embedder: Embedder, split: Splitter = split_passages) -> None:
        # More threads gain one question nothing, and spin on while the reader computes: 70 ms against 58.
        faiss.omp_set_num_threads(1)
        self._embedder = embedder
        self._split = split
        self._documents: dict[str, Document] = {}
        self._passages: dict[int, Passage] = {}
        self._files: dict[str, str] = {}  # the ids of what files hold; those of one text are one document
        self._next = 0
        self._state = object()
        self._vectors = faiss.IndexIDMap2(faiss.IndexFlatIP(embedder.dimension))
        self._words = LexicalIndex()

    @property
    def embedder(self) -> Embedder:
        """What the passages' vectors are made with."""
        return self._embedder

    @property
    def state(self) -> object:
        """Another object after every change."""
        return self._state

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents by their id, in the order they came."""
        return MappingProxyType(self._documents)

    @property
    def passages(self) -> Mapping[int, Passage]:
        """The passages by their number, in the order of their documents."""
        return MappingProxyType(self._passages)

    def entries(self) -> list[Entry]:
        """What a list of the documents shows, in the order they came."""
        return [
            Entry(d.id, d.title, len(d.text), len(d.page_starts), d.source) for d in self._documents.values()
        ]

    def add(self, documents: Iterable[Document], progress: Progress | None = None) -> None:
        """Split, embed and add documents; one that is here already is passed over.

        Args:
            documents: all are added, or none where `progress` raises.
            progress: told how far it is, after each few passages.
        """
        new = {document.id: document for document in documents if document.id not in self._documents}
        passages = [passage for document in new.values() for passage in self._split(document)]
        if not passages:
            return
        self._take(new, passages, encode(self._embedder, [passage.text for passage in passages], progress))

    def put(self, document: Document, progress: Progress | None = None) -> bool:
        """Add a document, in the place of another version of it from the same file.

        Returns:
            whether what can be found changed.
        """
        before = self._files.get(document.source, document.id)
        new = document.id not in self._documents
        self.add([document], progress)
        self._files |= _file(document)
        left = before != document.id and before not in self._files.values()
        if left:
            self.remove([before])
        return new or left

    def remove(self, document_ids: Iterable[str]) -> None:
        """Remove documents by their ids; unknown ones are passed over."""
        gone = {identity for identity in document_ids if identity in self._documents}
        numbers = [number for number, passage in self._passages.items() if passage.document_id in gone]
        self._vectors.remove_ids(faiss.IDSelectorBatch(np.array(numbers, np.int64)))
        self._words.remove(numbers)
        for number in numbers:
            del self._passages[number]
        for identity in gone:
            del self._documents[identity]
        self._files = {file: identity for file, identity in self._files.items() if identity not in gone}
        self._state = object()

    def only(self, document_ids: Iterable[str]) -> MemoryIndex:
        """A new index of some of these documents; nothing is embedded again."""
        part = MemoryIndex(self._embedder, self._split)
        part._take(*self._parts(document_ids))
        part._files = {file: i for file, i in self._files.items() if i in part._documents}
        return part

    def joined(self, other: MemoryIndex) -> MemoryIndex:
        """A new index of these documents and another's, of the same embedder; nothing is embedded again."""
        documents, passages, vectors = other._parts(i for i in other._documents if i not in self._documents)
        both = self.extended(documents.values(), passages, vectors)
        both._files = other._files | both._files
        return both

    def extended(
        self, documents: Iterable[Document], passages: Sequence[Passage], vectors: np.ndarray
    ) -> MemoryIndex:
        """A new index of these documents and more, whose passages were embedded before.

        Args:
            documents: that are not here yet.
            passages: of them.
            vectors: of the passages, float32, [passages, dimension].
        """
        both = self.only(self._documents)
        both._take({document.id: document for document in documents}, passages, vectors)
        return both

    def search_vectors(self, question: str, count: int) -> Hits:
        """The `count` passages whose vectors are nearest to the question's; scores are cosines."""
        count = min(count, len(self._passages))
        if not count:  # faiss asserts
            return np.empty(0, np.int64), np.empty(0, np.float32)
        scores, numbers = self._vectors.search(self._embedder.encode([question]), count)
        return numbers[0], scores[0]

    def search_words(self, question: str, count: int) -> Hits:
        """The `count` best passages by BM25; fewer when fewer share a word with the question."""
        return self._words.search(question, count)

    def _parts(self, document_ids: Iterable[str]) -> tuple[dict[str, Document], list[Passage], np.ndarray]:
        """Some of the documents with their passages and vectors; unknown ones are passed over."""
        documents = {i: self._documents[i] for i in document_ids if i in self._documents}
        passages = {n: passage for n, passage in self._passages.items() if passage.document_id in documents}
        vectors: np.ndarray = self._vectors.reconstruct_batch(np.array(list(passages), np.int64))
        return documents, list(passages.values()), vectors

    def _take(
        self, documents: Mapping[str, Document], passages: Sequence[Passage], vectors: np.ndarray
    ) -> None:
        numbers = range(self._next, self._next + len(passages))
        if passages:
            self._vectors.add_with_ids(vectors, np.array(numbers, np.int64))
            self._words.add(zip(numbers, (passage.text for passage in passages), strict=True))
        self._passages.update(zip(numbers, passages, strict=True))
        self._documents.update(documents)
        for document in documents.values():
            self._files |= _file(document)
        self._next = numbers.stop
        self._state = object()


def _file(document: Document) -> dict[str, str]:
    """The id of a document by its file, if it has one."""
    return {document.source: document.id} if Path(document.source).is_absolute() else {}


def embedded(
    document: Document, embedder: Embedder, progress: Progress | None = None
) -> tuple[list[Passage], np.ndarray]:
    """The passages of a document and their vectors, float32, [passages, dimension]."""
    passages = split_passages(document)
    return passages, encode(embedder, [passage.text for passage in passages], progress)


def encode(embedder: Embedder, texts: list[str], progress: Progress | None = None) -> np.ndarray:
    """The vectors of many texts, as `Embedder.encode`, with progress after each few."""
    if progress is None:
        return embedder.encode(texts)
    vectors = []
    for begin in range(0, len(texts), EMBEDDED_AT_ONCE):
        progress(begin, len(texts))
        vectors.append(embedder.encode(texts[begin : begin + EMBEDDED_AT_ONCE]))
    progress(len(texts), len(texts))
    return np.concatenate(vectors)
