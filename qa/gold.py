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
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import Document, InputError

Span = tuple[int, int]
PARAGRAPH_BREAK = "\n\n"


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question with the answers that people accept.

    Attributes:
        id: unique within its file.
        question: as asked.
        answers: acceptable answers, exact substrings of the document; empty when it has no answer.
        document: the whole article.
        paragraph: (start, end) of the paragraph it was asked of, in `document.text`.
        spans: (start, end) of each acceptable answer in `document.text`.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    document: Document
    paragraph: Span
    spans: tuple[Span, ...]

    @property
    def is_impossible(self) -> bool:
        """Whether the document does not answer it."""
        return not self.answers


def read_gold(path: Path | str, document: Document | None = None) -> list[GoldQuestion]:
    """Read a gold set, gzipped or not.

    Args:
        path: the file; its format is recognised by what stands in it.
        document: what questions without a text of their own are asked of.

    Raises:
        InputError: the file is missing or unreadable, a row is malformed (named by its line), or there is
        none.
    """
    path = Path(path)
    questions: list[GoldQuestion] = []
    paragraph_rows = []
    for line, row in _rows(path):
        try:
            if "qas" in row:
                questions.extend(_document_questions(row))
            elif "context" in row:
                paragraph_rows.append(_paragraph_row(row))
            elif document is None:
                raise InputError("it has no text, and no document was given")
            else:
                questions.append(_plain_question(row, document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}, line {line}: {reason.rstrip('.')}; put this row right.") from None
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


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row) of a JSON Lines file, or of the paragraphs' questions of a SQuAD file."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as a gold set ({error}): give a JSON or JSONL file."
        ) from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if number == lines[0][0] and (whole := _whole_json(text)) is not None:
                row = whole
            else:
                raise InputError(
                    f"{path}, line {number}: not JSON ({error.msg}); put this row right."
                ) from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: not a JSON object; put this row right.")
        if "data" in row:
            yield from ((number, flat) for flat in _squad_rows(row["data"]))
            return
        yield number, row


def _whole_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _squad_rows(articles: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                answers = [] if qa.get("is_impossible") else qa["answers"]
                yield {
                    "id": qa["id"], "article": article["title"], "context": paragraph["context"],
                    "question": qa["question"], "answers": answers,
                }  # fmt: skip


def _paragraph_row(row: dict[str, Any]) -> tuple[str, str, str, str, list[Span]]:
    context = row["context"]
    spans = []
    for answer in row["answers"]:
        start = answer["answer_start"]
        if context[start : start + len(answer["text"])] != answer["text"]:
            raise ValueError(f"the answer {answer['text']!r} does not stand at {start}")
        spans.append((start, start + len(answer["text"])))
    return str(row["id"]), str(row.get("article") or row["id"]), row["question"], context, spans


def _paragraph_questions(rows: list[tuple[str, str, str, str, list[Span]]]) -> Iterator[GoldQuestion]:
    paragraphs: dict[str, dict[str, int]] = defaultdict(dict)  # article -> paragraph -> its offset
    lengths: dict[str, int] = defaultdict(int)
    for _, article, _, context, _ in rows:
        if context not in paragraphs[article]:
            paragraphs[article][context] = lengths[article]
            lengths[article] += len(context) + len(PARAGRAPH_BREAK)
    documents = {
        article: Document.from_text(PARAGRAPH_BREAK.join(contexts), title=article)
        for article, contexts in paragraphs.items()
    }
    for identity, article, question, context, spans in rows:
        offset = paragraphs[article][context]
        yield GoldQuestion(
            identity,
            question,
            tuple(context[start:end] for start, end in spans),
            documents[article],
            (offset, offset + len(context)),
            tuple((offset + start, offset + end) for start, end in spans),
        )


def _document_questions(row: dict[str, Any]) -> Iterator[GoldQuestion]:
    document = Document.from_text(row["text"], title=row["title"])
    for qa in row["qas"]:
        yield _plain_question(qa, document)


def _plain_question(row: dict[str, Any], document: Document) -> GoldQuestion:
    answers = () if row.get("is_impossible") else tuple(row["answers"])
    spans = tuple(span for answer in answers for span in occurrences(document.text, answer))
    return GoldQuestion(str(row["id"]), row["question"], answers, document, (0, len(document.text)), spans)
