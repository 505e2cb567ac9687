"""Feedback: what visitors say of answers, as rows of a gold set to evaluate on."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from index import Document, InputError
from qa import Answer

_writing = threading.Lock()  # one row at a time, whoever writes


class FeedbackFile:
    """A JSON Lines file that rows are appended to; each holds the document it is about.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._append("")

    def right(self, answer: Answer, documents: Mapping[str, Document]) -> None:
        """The answer was right, or the document does not say, as the answer has it."""
        if answer.answered:
            self.answer_is(answer.question, documents[answer.document], answer.start, answer.end)
        else:
            self.unanswerable(answer, documents)

    def answer_is(self, question: str, document: Document, start: int, end: int) -> None:
        """The right answer is these characters of the document."""
        text = document.text[start:end]
        self._row(question, document, [{"text": text, "answer_start": start}])

    def unanswerable(self, answer: Answer, documents: Mapping[str, Document]) -> None:
        """The document that was read does not answer the question."""
        self._row(answer.question, documents[answer.passages[0].document], [])

    def _row(self, question: str, document: Document, answers: list[dict[str, Any]]) -> None:
        row = {
            "id": uuid.uuid4().hex,
            "article": document.id,
            "title": document.title,
            "question": question,
            "answers": answers,
            "is_impossible": not answers,
            "context": document.text,
        }
        self._append(json.dumps(row, ensure_ascii=False) + "\n")

    def _append(self, line: str) -> None:
        try:
            with _writing, self._path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise InputError(
                f"{self._path} cannot be written ({error.strerror}): give another --feedback file."
            ) from None
