"""Evaluation: gold questions are asked, and what comes back is judged.

Two tasks: `article` asks a question of the whole article, as people do, so that retrieving and reading both
count; `paragraph` gives the right paragraph, whole, as SQuAD's leaderboards do, so that only reading counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from index import Document, InputError, Passage
from index.passages import split_passages, whole_text
from index.retriever import retrieve
from index.sentences import sentence_around
from index.store import Splitter
from qa.answers import Quote
from qa.ask import read_sources
from qa.engine import ArticleQA
from qa.gold import GoldQuestion, Span, occurrences, read_gold
from qa.metrics import RECALL_AT, summarise
from qa.predictions import Prediction

logger = logging.getLogger(__name__)

TASKS = ("article", "paragraph")
DEPTH = max(RECALL_AT)  # passages among which the gold is looked for, though the engine reads fewer


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        title: what was evaluated on what.
        metrics: see `qa.metrics.summarise`; in the paragraph task, none of retrieval.
        predictions: one for each question, article by article.
    """

    title: str
    metrics: dict[str, float]
    predictions: list[Prediction]


def evaluate(  # noqa: PLR0913
    gold: Path | str | Sequence[GoldQuestion],
    *,
    task: str = "article",
    files: Sequence[str] | None = None,
    index: Path | str | None = None,
    reader: str | None = None,
    embedder: str | None = None,
) -> EvaluationResult:
    """Evaluate on gold questions.

    Args:
        gold: a file that `qa.gold` can read, or questions read already.
        task: "article" or "paragraph".
        files: what questions without a text of their own are asked of; None for the bundled article.
        index: folder of an index, of all of which every question is asked, in the place of its article.
        reader: folder or hub id of a model; None for the bundled one.
        embedder: the same.

    Raises:
        InputError: the gold set, a file, an index or a model cannot be used.
    """
    engine = ArticleQA.open(index, reader, embedder) if index else None
    if isinstance(gold, Path | str):
        questions, name = load_questions(gold, sources(files, engine)), Path(gold).name
    else:
        questions, name = distinct(gold), "gold questions"
    asked = of_all(engine, questions, task) if engine else predict(questions, task, reader, embedder)
    return conclude(list(asked), f"{name}, {task} task", task)


def sources(files: Sequence[str] | None, engine: ArticleQA | None) -> Sequence[Document]:
    """What questions without a text of their own are asked of: the documents of an index, or files."""
    if engine is None:
        return read_sources(files)
    return engine.steadily(lambda now: list(now.index.documents.values()))


def load_questions(
    path: Path | str, documents: Sequence[Document], *, skip_bad: bool = False
) -> list[GoldQuestion]:
    """Read a gold set to evaluate on; answers that do not stand in their document are warned of.

    Args:
        path: the file.
        documents: what questions without a text of their own are asked of.
        skip_bad: leave malformed rows and repeated ids out, with a logged warning.

    Raises:
        InputError: as `read_gold` and `distinct`.
    """
    questions = distinct(read_gold(path, documents, skip_bad=skip_bad), skip_repeated=skip_bad)
    lost = [
        (question.id, answer)
        for question in questions
        for answer in question.answers
        if not any(answer in document.text for document in question.library or [question.document])
    ]
    if lost:
        logger.warning(
            "%d gold answers of %d questions do not stand in the text, the first being %r of question %s: "
            "nothing that is found can match them exactly.",
            len(lost), len({identity for identity, _ in lost}), lost[0][1], lost[0][0],
        )  # fmt: skip
    return questions


def distinct(questions: Sequence[GoldQuestion], *, skip_repeated: bool = False) -> list[GoldQuestion]:
    """The questions, when there are any and each has an id of its own.

    Args:
        questions: to check.
        skip_repeated: leave those out, with a logged warning, whose id came before.

    Raises:
        InputError: there is no question, or an id stands twice.
    """
    first: dict[str, GoldQuestion] = {}
    repeated = []
    for question in questions:
        if question.id in first:
            repeated.append(question.id)
        else:
            first[question.id] = question
    if not first:
        raise InputError("There is no question to evaluate on: give at least one.")
    if repeated and not skip_repeated:
        raise InputError(
            f"{len(repeated)} questions have an id that came before, the first being {repeated[0]!r}: "
            "give each an id of its own."
        )
    if repeated:
        logger.warning("%d questions are left out for their id came before.", len(repeated))
    return list(first.values())


def predict(
    questions: Iterable[GoldQuestion], task: str, reader: str | None = None, embedder: str | None = None
) -> Iterator[Prediction]:
    """Ask the questions, article by article, each article being indexed once.

    Arguments and errors as for `evaluate`.
    """
    if task not in TASKS:
        raise InputError(f"{task!r} is no task: name one of {', '.join(TASKS)}.")
    split: Splitter = split_passages
    if task == "paragraph":
        questions, split = [of_paragraph(question) for question in questions], whole_text
    groups: dict[tuple[str, ...], list[GoldQuestion]] = {}
    for question in questions:
        groups.setdefault(tuple(document.id for document in _documents(question)), []).append(question)
    for group in groups.values():
        engine = ArticleQA.from_documents(_documents(group[0]), reader, embedder, split)
        for question in group:
            yield ask(engine, question)


def of_all(engine: ArticleQA, questions: Iterable[GoldQuestion], task: str) -> Iterator[Prediction]:
    """Ask the questions of all documents of an engine.

    Raises:
        InputError: by the paragraph task.
    """
    if task == "paragraph":
        raise InputError("An index is no paragraph: evaluate it by the article task.")
    for question in questions:
        yield engine.steadily(partial(ask, question=question))


def of_paragraph(question: GoldQuestion) -> GoldQuestion:
    """The question, with the paragraph it was asked of as its document.

    Raises:
        InputError: it is asked of several documents.
    """
    if question.library:
        raise InputError("Several files are no paragraph: evaluate them by the article task.")
    start, end = question.paragraph
    return replace(
        question,
        document=Document.from_text(question.document.text[start:end], question.document.title),
        paragraph=(0, end - start),
        spans=tuple((low - start, high - start) for low, high in question.spans),
    )


def ask(engine: ArticleQA, question: GoldQuestion) -> Prediction:
    """Ask one question as people do, and note what is needed to judge the answer."""
    # Apart, as a question whose words another had would be remembered, and seem fast.
    answer, score = engine.apart().answer_with_score(question.question)
    candidates: list[Quote] = list(answer.alternatives)
    if answer.answered:
        place = answer.text, answer.document, answer.title, answer.start, answer.end, answer.page
        candidates.insert(0, Quote(*place, score))
    best = candidates[0] if candidates else None
    passage = best and next(p for p in answer.passages if _holds(p, best))
    rank, gold_passage, gold_start = _gold_place(
        question,
        [hit.passage for hit in retrieve(engine.index, answer.question, DEPTH)],
        anywhere=bool(question.library) or question.document.id not in engine.index.documents,
    )
    return Prediction(
        id=question.id,
        article=", ".join(document.title for document in _documents(question)),
        question=question.question,
        answers=question.answers,
        text=answer.text,
        best=best.text if best else "",
        score=score,
        confidence=answer.confidence,
        candidates=tuple(candidate.text for candidate in candidates),
        gold_rank=rank,
        read=len(answer.passages),
        passage=passage.text if passage else "",
        passage_start=passage.start if passage else 0,
        best_start=best.start if best else 0,
        gold_passage=gold_passage,
        gold_start=gold_start,
        seconds=answer.seconds,
    )


def conclude(predictions: list[Prediction], title: str, task: str) -> EvaluationResult:
    """The result that predictions add up to."""
    metrics = {
        name: value
        for name, value in summarise(predictions).items()
        if task == "article" or not name.startswith(("recall@", "mrr"))
    }
    return EvaluationResult(title, metrics, predictions)


def _documents(question: GoldQuestion) -> Sequence[Document]:
    return question.library or [question.document]


def _holds(passage: Quote, span: Quote) -> bool:
    same = passage.document == span.document
    return same and passage.start <= span.start and span.end <= passage.end


def _gold_place(
    question: GoldQuestion, retrieved: Sequence[Passage], *, anywhere: bool
) -> tuple[int | None, str, int]:
    """Rank, from 1, and text of the first passage with a gold span, and where that starts in it.

    Where none was retrieved: None, and the sentence around the first gold span. Outside the question's
    document a gold answer's words count where they stand, if they do `anywhere`.
    """
    for rank, passage in enumerate(retrieved, 1):
        if (span := _gold_in(question, passage, anywhere=anywhere)) is not None:
            return rank, passage.text, span[0]
    if not question.spans:
        return None, "", -1
    text, (start, end) = question.document.text, question.spans[0]
    low, high = sentence_around(text, start, end)
    return None, text[low:high], start - low


def _gold_in(question: GoldQuestion, passage: Passage, *, anywhere: bool) -> Span | None:
    """The first gold span that the passage holds whole, in its characters."""
    if passage.document_id != question.document.id:
        answers = question.answers if anywhere else ()
        return next((span for answer in answers for span in occurrences(passage.text, answer)), None)
    low, high = passage.start, passage.end
    return next(((s - low, e - low) for s, e in question.spans if low <= s and e <= high), None)
