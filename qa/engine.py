"""The engine: an index and a reader behind one object."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

from index import Document, InputError, read_file
from index.documents import whole_path
from index.embedder import kept_embedder
from index.opening import open_index
from index.passages import page_of, split_passages
from index.retriever import Retrieved, retrieve
from index.sentences import sentence_around
from index.store import Index, MemoryIndex, Progress, Splitter, Store
from qa.answers import Answer, Quote
from qa.confidence import UNCALIBRATED, Calibration, decision_score, span_features
from qa.dialogue import Dialogue
from qa.memory import Memory
from qa.reader import BUNDLED, OnnxReader, Reader, load_reader
from qa.spans import Span, merge, without_overlaps
from seeds import ARTICLE

MAX_QUESTION = 2000  # characters
PASSAGES_READ = 5
ALTERNATIVES = 3
# Logits per unit of retrieval score that a passage is behind the best one: what the retriever found likelier
# is likelier to answer. Flat from 5 to 20 on three kinds of text: see tests/bench/readers.md.
RETRIEVAL_WEIGHT = 10.0

# Retrieval score behind the best passage from which on a passage is not read. It spares a third of the
# passages on news_d, where the best span of no question stands in one of them: see tests/bench/speed.md.
CANNOT_WIN = 0.3
READ_TOGETHER = 32  # questions of a batch

T = TypeVar("T")


class ArticleQA:
    """Answers questions from documents.

    Args:
        index: the documents; those of a store are asked as they are at each question.
        reader: finds the spans.
        calibration: of that reader.
        memory: of an engine with the same reader over the same documents at another time.
    """

    def __init__(
        self,
        index: Index | Store,
        reader: Reader,
        calibration: Calibration = UNCALIBRATED,
        memory: Memory | None = None,
    ) -> None:
        self._documents = index
        self._store = index if isinstance(index, Store) else None
        self._reader = reader
        self._calibration = calibration
        self._memory = memory or Memory.of(reader)

    @property
    def index(self) -> Index:
        """The documents as they are now."""
        return self._store.view() if self._store else cast("Index", self._documents)

    def steadily(self, ask: Callable[[ArticleQA], T]) -> T:
        """What `ask` makes of an engine over the documents as they are now, which stay so while it asks."""
        if self._store is None:
            return ask(self)
        return self._store.steadily(lambda view: ask(self._with(view, self._memory)))

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        reader: str | None = None,
        embedder: str | None = None,
        split: Splitter = split_passages,
        device: str | None = None,
    ) -> ArticleQA:
        """Over documents, in memory.

        Args:
            documents: at least one.
            reader: folder or hub id of a model; None for the bundled one.
            embedder: the same.
            split: a document to the passages that are retrieved and read.
            device: for models that torch runs: "cpu", "cuda"; None for the GPU where there is one.

        Raises:
            InputError: there is no document, no such model, or no such device for it.
        """
        documents = list(documents)
        if not documents:
            raise InputError("There is no document: give at least one.")
        index = MemoryIndex(kept_embedder(embedder, _for(embedder, device)), split)
        index.add(documents)
        return cls(index, *_reader(reader, _for(reader, device)))

    @classmethod
    def from_text(cls, text: str, title: str = "") -> ArticleQA:
        """Over one text, in memory."""
        return cls.from_documents([Document.from_text(_text_not_file(text), title)])

    @classmethod
    def from_files(cls, paths: Iterable[Path | str]) -> ArticleQA:
        """Over files, in memory.

        Raises:
            InputError: a file cannot be read.
        """
        return cls.from_documents([read_file(path) for path in paths])

    @classmethod
    def open(
        cls,
        folder: Path | str,
        reader: str | None = None,
        embedder: str | None = None,
        *,
        create: bool = False,
        device: str | None = None,
    ) -> ArticleQA:
        """Over the documents of an index that outlives this process: see `add` and `remove`.

        Args:
            folder: of the index; or as `index.opening` names one over Milvus: "milvus:PATH" or
                "milvus+http://HOST:PORT/COLLECTION".
            reader: folder or hub id of a model; None for the bundled one.
            embedder: the same, the one the index was made with.
            create: whether to make the index where there is none.
            device: for models that torch runs: "cpu", "cuda"; None for the GPU where there is one.

        Raises:
            InputError: there is no index or none that can be used, no such model, or no such device for it.
        """
        store = open_index(folder, kept_embedder(embedder, _for(embedder, device)), create=create)
        return cls(store, *_reader(reader, _for(reader, device)))

    def add(self, paths: Iterable[Path | str]) -> list[Document]:
        """Add files; returns those that were new. One that has changed takes the place of what it was.

        Raises:
            InputError: a file cannot be read; those before it are added.
        """
        return [document for path in paths if self._changeable().put(document := read_file(whole_path(path)))]

    def put(self, document: Document, progress: Progress | None = None) -> bool:
        """Add a document that was read already; as `add`, but told how many of how many passages are done."""
        return self._changeable().put(document, progress)

    def remove(self, document_ids: Iterable[str]) -> None:
        """Remove documents by their ids; unknown ones are passed over."""
        self._changeable().remove(document_ids)

    def only(self, document_ids: Iterable[str]) -> ArticleQA:
        """Over some of these documents, in memory, with the same models; nothing is read again."""
        wanted = list(document_ids)
        return self._with(self.steadily(lambda engine: engine.index.only(wanted)))

    def joined(self, other: ArticleQA) -> ArticleQA:
        """Over the documents of both, in memory, with this one's models; nothing is read again."""
        further = other.index.only(other.index.documents)
        return self._with(self.steadily(lambda engine: engine.index.joined(further)))

    def answer(self, question: str) -> Answer:
        """Answer a question, or say that the documents do not.

        Raises:
            InputError: the question is blank or longer than 2,000 characters.
        """
        return self.answer_with_score(question)[0]

    def answer_with_score(self, question: str) -> tuple[Answer, float]:
        """What `answer` gives, and by how much it decided: it answers where the score is above 0."""
        return self._answered([question])[0]

    def dialogue(self) -> Dialogue:
        """A conversation, in which follow-up questions are understood."""
        return Dialogue(self)

    def answer_batch(self, questions: Iterable[str]) -> list[Answer]:
        """Answer questions, in order: each as `answer` does, but faster, as passages are read together.

        `seconds` of each is its share of what those that were read together took.
        """
        return [answer for some in _batched(questions, READ_TOGETHER) for answer, _ in self._answered(some)]

    def spans(self, question: str, retrieved: Sequence[Retrieved]) -> list[Span]:
        """All candidate spans of the passages by their documents' characters, merged, best first."""
        return self._spans([(question, retrieved)])[0]

    def _answered(self, questions: Sequence[str]) -> list[tuple[Answer, float]]:
        """The answers with their decision scores; their seconds count the waiting for a store, too."""
        began = time.perf_counter()
        answers = self.steadily(lambda engine: engine._answers(questions))
        seconds = (time.perf_counter() - began) / len(questions)
        return [(replace(answer, seconds=seconds), score) for answer, score in answers]

    def _answers(self, questions: Sequence[str]) -> list[tuple[Answer, float]]:
        """The answers with their decision scores; what was asked before is remembered."""
        state = self.index.state
        questions = [check_question(question) for question in questions]
        known = {q: given for q in questions if (given := self._memory.answer(state, q)) is not None}
        new = list(dict.fromkeys(question for question in questions if question not in known))
        retrieved = [to_read(self.index, question) for question in new]
        found = self._spans(list(zip(new, retrieved, strict=True)))
        for question, passages, spans in zip(new, retrieved, found, strict=True):
            known[question] = self._decided(question, passages, spans)
            self._memory.keep(state, question, known[question])
        return [known[question] for question in questions]

    def _spans(self, asked: Sequence[tuple[str, Sequence[Retrieved]]]) -> list[list[Span]]:
        """As `spans`, of several questions at once."""
        readings = self._reader.read_all(
            [
                (question, [self._memory.tokenise(hit.passage.text) for hit in hits])
                for question, hits in asked
            ]
        )
        return [
            merge(
                span.in_document(hit.passage, rank, RETRIEVAL_WEIGHT * (hit.score - hits[0].score))
                for rank, (hit, spans) in enumerate(zip(hits, read, strict=True))
                for span in spans
            )
            for (_, hits), read in zip(asked, readings, strict=True)
        ]

    def _decided(
        self, question: str, retrieved: Sequence[Retrieved], spans: Sequence[Span]
    ) -> tuple[Answer, float]:
        """The answer, or that there is none, with the decision score."""
        right, absent = self._calibration.probabilities(span_features(spans)) if spans else (0.0, 1.0)
        answered = right > absent
        chosen = without_overlaps(spans, ALTERNATIVES + answered)
        answer = Answer(
            question=question,
            answered=answered,
            confidence=max(right, absent),
            **self._shown(spans[0] if answered else None),
            alternatives=tuple(self._quote(span) for span in chosen[answered:]),
            passages=tuple(self._passage_quote(hit) for hit in retrieved),
            seconds=0.0,
        )
        return answer, decision_score(right, absent)

    def reach(self) -> None:
        """See that the documents can be read, without reading them; in seconds, even where a server is away.

        Raises:
            InputError: they cannot.
        """
        if self._store:
            self._store.database.reach()

    def apart(self) -> ArticleQA:
        """Over the same documents, but what it is asked is remembered for itself alone, and goes with it."""
        other = copy.copy(self)
        other._memory = self._memory.apart()
        return other

    def _with(self, index: Index, memory: Memory | None = None) -> ArticleQA:
        other = copy.copy(self)  # not made anew, as it is known that this is no store
        other._documents, other._store, other._memory = index, None, memory or Memory.of(self._reader)
        return other

    def _changeable(self) -> MemoryIndex | Store:
        if isinstance(self._documents, MemoryIndex):
            return self._documents
        if self._store:
            return self._store
        raise TypeError("This is over a view of an index: change the index.")

    def _shown(self, span: Span | None) -> dict[str, Any]:
        if span is None:
            return {"text": "", "document": "", "title": "", "start": 0, "end": 0, "page": None,
                    "sentence": "", "sentence_start": 0}  # fmt: skip
        document = self.index.documents[span.document_id]
        start, end = sentence_around(document.text, span.start, span.end)
        return {
            "text": document.text[span.start : span.end],
            "document": document.id,
            "title": document.title,
            "start": span.start,
            "end": span.end,
            "page": page_of(document, span.start),
            "sentence": document.text[start:end],
            "sentence_start": start,
        }

    def _quote(self, span: Span) -> Quote:
        document = self.index.documents[span.document_id]
        text, page = document.text[span.start : span.end], page_of(document, span.start)
        return Quote(text, document.id, document.title, span.start, span.end, page, span.score)

    def _passage_quote(self, hit: Retrieved) -> Quote:
        passage = hit.passage
        title = self.index.documents[passage.document_id].title
        return Quote(
            passage.text, passage.document_id, title, passage.start, passage.end, passage.page, hit.score
        )


def answer(question: str, source: str | Path | None = None) -> Answer:
    """Answer one question.

    Args:
        question: at most 2,000 characters.
        source: a text (str), a file (Path), or None for the bundled article.

    Raises:
        InputError: the question or the source cannot be used; or a str names an existing file: wrap it in
        Path().
    """
    check_question(question)
    if source is None:
        return _over_article().answer(question)
    if isinstance(source, Path):
        return ArticleQA.from_files([source]).answer(question)
    return ArticleQA.from_text(source).answer(question)


@functools.cache
def _over_article() -> ArticleQA:
    return ArticleQA.from_files([ARTICLE])


def _for(name: str | None, device: str | None) -> str | None:
    """The device for a model; the bundled ones, which an engine may hold beside another, have no choice."""
    return device if name else None


@functools.cache
def _reader(name: str | None, device: str | None) -> tuple[Reader, Calibration]:
    """A reader with the calibration beside its weights; other people's readers have none."""
    reader = load_reader(name, device)
    folder = BUNDLED if name is None else Path(name)
    return reader, Calibration.load(folder) if isinstance(reader, OnnxReader) else UNCALIBRATED


def to_read(index: Index, question: str) -> list[Retrieved]:
    """The passages that a question is read in, best first."""
    found = retrieve(index, question, PASSAGES_READ)
    return [hit for hit in found if hit.score > found[0].score - CANNOT_WIN]


def check_question(question: str) -> str:
    """The question less surrounding white space.

    Raises:
        InputError: it is blank or longer than 2,000 characters.
    """
    question = question.strip()
    if not question:
        raise InputError("The question is empty: ask something.")
    if len(question) > MAX_QUESTION:
        raise InputError(f"The question has {len(question):,} characters: use at most {MAX_QUESTION:,}.")
    return question.encode(errors="replace").decode()  # lone surrogates, which no tokenizer accepts


def _batched(questions: Iterable[str], size: int) -> Iterator[list[str]]:
    """The questions, so many at a time."""
    each = iter(questions)
    while some := list(islice(each, size)):
        yield some


def _text_not_file(text: str) -> str:
    if len(text) < 1000 and "\n" not in text and "\x00" not in text:
        try:
            is_file = Path(text).is_file()
        except OSError:
            is_file = False  # too long for a name
        if is_file:
            raise InputError(f"{text!r} names a file: wrap it in pathlib.Path(...) to read it.")
    return text
