"""Feedback: what visitors say of answers, as rows of a gold set to evaluate on."""

from __future__ import annotations

import json
import threading
import uuid
from pathlib import Path

from index import Document, InputError
from qa.gold import Span

_writing = threading.Lock()  # one row at a time, whoever writes


class FeedbackFile:
    """A JSON Lines file that rows are appended to; each holds the document it is about.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._append("")

    def add(self, question: str, document: Document, answer: Span | None) -> None:
        """Append what the right answer to a question is.

        Args:
            question: that was asked.
            document: that was read.
            answer: its characters in the document; None where the document does not say.

        Raises:
            InputError: the file cannot be written, or there is no word at these characters.
        """
        answers = []
        if answer is not None:
            start, end = answer
            text = document.text[start:end] if 0 <= start < end <= len(document.text) else ""
            if not text.strip():
                raise InputError("There is no word marked: mark the right answer in the document.")
            start += len(text) - len(text.lstrip())
            answers = [{"text": text.strip(), "answer_start": start}]
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
