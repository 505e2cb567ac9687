"""Gold questions: reading question-answering sets in the formats people have, recognised by their content.

- rows with `context` (and `article`): a paragraph each; the paragraphs of one article, in order, are its
  document;
- rows with `text` and `qas`: a whole document each, answers as exact substrings;
- rows with `question` and `answers` alone: questions over documents given elsewhere (`seeds/gold.jsonl`);
- SQuAD 1.1 and 2.0 JSON (`data` / `paragraphs` / `qas`).
"""

from __future__ import annotations

import gzip
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import Document, InputError
from qa.engine import check_question

logger = logging.getLogger(__name__)

Span = tuple[int, int]
PARAGRAPH_BREAK = "\n\n"

_Place = tuple[str, Any]  # where a row stands in its file, and the row, or the error that it is
_ParagraphRow = tuple[str, str, str, str, tuple[str, ...], list[Span]]


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question with the answers that people accept.

    Attributes:
        id: unique within its file, unless its author erred.
        question: as asked.
        answers: acceptable answers, substrings of the document; empty when it has no answer.
        document: the whole article; of several documents the first that an answer stands in.
        paragraph: (start, end) of the paragraph it was asked of, in `document.text`.
        spans: (start, end) of the acceptable answers in `document.text`; empty when none stands there.
        library: all documents, when it is asked of several; an answer is right wherever in them it stands.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    document: Document
    paragraph: Span
    spans: tuple[Span, ...]
    library: tuple[Document, ...] = ()

    @property
    def is_impossible(self) -> bool:
        """Whether the document does not answer it."""
        return not self.answers


@dataclass(frozen=True, slots=True)
class GoldTurn:
    """A question of a conversation.

    Attributes:
        question: as typed, which may lean on the turns before it.
        standalone: the same, in full.
        answers: acceptable answers; empty when it has no answer.
    """

    question: str
    standalone: str
    answers: tuple[str, ...]


def read_dialogues(path: Path | str) -> Iterator[tuple[Document, list[GoldTurn]]]:
    """The documents of a gold set that come with a `dialogue`, and its turns.

    Raises:
        InputError: the file is missing or unreadable, or a turn is malformed (named by its line).
    """
    for place, row in _rows(Path(path)):
        if isinstance(row, Exception) or "dialogue" not in row:
            continue
        try:
            turns = [
                GoldTurn(_asked(turn), _text(turn["standalone"], "its standalone"), _turn_answers(turn))
                for turn in row["dialogue"]
            ]
            document = Document.from_text(_text(row["text"], "its text"), title=str(row.get("title") or ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}, {place}: {reason.rstrip('.')}; put this row right.") from None
        yield document, turns


def _turn_answers(turn: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_answer_text(answer) for answer in _answers(turn))


def read_gold(
    path: Path | str, documents: Sequence[Document] = (), *, skip_bad: bool = False
) -> list[GoldQuestion]:
    """Read a gold set, gzipped or not.

    Args:
        path: the file; its format is recognised by what stands in it.
        documents: what questions without a text of their own are asked of, all together.
        skip_bad: leave malformed rows out, with a logged warning.

    Raises:
        InputError: the file is missing or unreadable, a row is malformed (named by its line), or there is
        none.
    """
    path = Path(path)
    questions: list[GoldQuestion] = []
    paragraph_rows: list[_ParagraphRow] = []
    bad: list[str] = []
    for place, row in _rows(path):
        try:
            if isinstance(row, Exception):
                raise row
            if "context" in row:
                paragraph_rows.append(_paragraph_row(row))
            else:
                questions.extend(_document_questions(row) if "qas" in row else [_question(row, documents)])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            bad.append(f"{path}, {place}: {reason.rstrip('.')}")
            if not skip_bad:
                raise InputError(f"{bad[0]}; put this row right.") from None
    if bad:
        logger.warning("%d malformed rows are left out, the first being %s.", len(bad), bad[0])
    questions.extend(_paragraph_questions(paragraph_rows))
    if not questions:
        raise InputError(f"{path} holds no question: give a file with at least one.")
    return questions


def occurrences(text: str, answer: str) -> list[Span]:
    """Every place where `answer` stands in `text`."""
    found = []
    start = text.find(answer)
    while answer and start >= 0:
        found.append((start, start + len(answer)))
        start = text.find(answer, start + 1)
    return found


def _rows(path: Path) -> Iterator[_Place]:
    """The rows of a JSON Lines file, or the questions of a SQuAD file."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as a gold set ({error}): give a JSON or JSONL file."
        ) from None
    whole = _parsed(text)  # one row, or JSON over many lines
    numbered = enumerate(text.split("\n"), 1)
    lines = [(f"line {number}", _parsed(line)) for number, line in numbered if line.strip()]
    for place, row in [("line 1", whole)] if isinstance(whole, dict) else lines:
        if isinstance(row, dict) and isinstance(row.get("data"), list):
            yield from _squad_rows(row["data"])
        else:
            yield place, row


def _parsed(text: str) -> dict[str, Any] | Exception:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return ValueError(f"not JSON ({getattr(error, 'msg', error)})")
    return row if isinstance(row, dict) else TypeError("not a JSON object")


def _squad_rows(articles: Iterable[Any]) -> Iterator[_Place]:
    for number, article in enumerate(articles, 1):
        try:
            yield from [
                (f"question {qa['id']}", {**qa, "article": article["title"], "context": paragraph["context"]})
                for paragraph in article["paragraphs"]
                for qa in paragraph["qas"]
            ]
        except (KeyError, TypeError) as error:
            yield f"article {number}", error


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is no text, or empty")
    value.encode()  # a lone surrogate is a ValueError
    return value


def _identity(row: dict[str, Any]) -> str:
    return str(row["id"]) if isinstance(row["id"], int) else _text(row["id"], "its id")


def _asked(row: dict[str, Any]) -> str:
    question = _text(row["question"], "its question")
    check_question(question)
    return question


def _answers(row: dict[str, Any]) -> list[Any]:
    """The answers of a row, each a text or an object with `text`."""
    answers = row.get("answers", []) if row.get("is_impossible") else row["answers"]
    if not isinstance(answers, list):
        raise TypeError("its answers are no list")
    if bool(row.get("is_impossible", not answers)) == bool(answers):
        raise ValueError("its answers contradict is_impossible")
    return answers


def _answer_text(answer: Any) -> str:
    return _text(answer["text"] if isinstance(answer, dict) else answer, "an answer")


def _paragraph_row(row: dict[str, Any]) -> _ParagraphRow:
    context = _text(row["context"], "its context")
    texts, spans = [], []
    for answer in _answers(row):
        text = _answer_text(answer)
        texts.append(text)
        if isinstance(answer, str):
            spans += occurrences(context, text)
            continue
        start = answer["answer_start"]
        if not (isinstance(start, int) and start >= 0 and context.startswith(text, start)):
            raise ValueError(f"the answer {text!r} does not stand at {start}")
        spans.append((start, start + len(text)))
    identity = _identity(row)
    article = str(row.get("article") or identity)
    return identity, article, _asked(row), context, tuple(texts), spans


def _paragraph_questions(rows: list[_ParagraphRow]) -> Iterator[GoldQuestion]:
    paragraphs: dict[str, dict[str, int]] = defaultdict(dict)  # article -> paragraph -> its offset
    lengths: dict[str, int] = defaultdict(int)
    for _, article, _, context, _, _ in rows:
        if context not in paragraphs[article]:
            paragraphs[article][context] = lengths[article]
            lengths[article] += len(context) + len(PARAGRAPH_BREAK)
    documents = {
        article: Document.from_text(PARAGRAPH_BREAK.join(contexts), title=article)
        for article, contexts in paragraphs.items()
    }
    for identity, article, question, context, answers, spans in rows:
        offset = paragraphs[article][context]
        yield GoldQuestion(
            identity,
            question,
            answers,
            documents[article],
            (offset, offset + len(context)),
            tuple((offset + start, offset + end) for start, end in spans),
        )


def _document_questions(row: dict[str, Any]) -> list[GoldQuestion]:
    document = Document.from_text(_text(row["text"], "its text"), title=str(row.get("title") or ""))
    return [_question(qa, [document]) for qa in row["qas"]]


def _question(row: dict[str, Any], documents: Sequence[Document]) -> GoldQuestion:
    if not documents:
        raise ValueError("it has no text, and no document was given")
    answers = tuple(_answer_text(answer) for answer in _answers(row))
    found = [[span for answer in answers for span in occurrences(d.text, answer)] for d in documents]
    home = next((number for number, spans in enumerate(found) if spans), 0)
    document = documents[home]
    return GoldQuestion(
        _identity(row),
        _asked(row),
        answers,
        document,
        (0, len(document.text)),
        tuple(found[home]),
        tuple(documents) if len(documents) > 1 else (),
    )
