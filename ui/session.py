"""One visitor of the chat: the documents and the conversation that are theirs alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from index import Document, InputError, read_file
from index.store import Progress
from qa import Answer, ArticleQA

MAX_DOCUMENTS = 50  # of one visitor: each is held in memory


class Stopped(Exception):  # noqa: N818  # no error: the visitor asked for it
    """The visitor stopped the reading of documents."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what came of it: an answer, or the sentence that says why there is none."""

    question: str
    answer: Answer | None
    error: str = ""


class Session:
    """A visitor's documents and conversation. It begins with the documents of the chat.

    Args:
        engine: over the documents of the chat, which all visitors share. It is not changed.
    """

    def __init__(self, engine: ArticleQA) -> None:
        self._engine = engine
        self._of_one: dict[str, ArticleQA] = {}  # engines over single documents, made when they are asked
        self._own = False
        self._stopped = threading.Event()
        self.turns: list[Turn] = []

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents by their ids, in the order they came."""
        return self._engine.index.documents

    def ask(self, question: str, document_id: str = "") -> Turn:
        """Ask all documents, or the one with that id; the turn joins the conversation."""
        try:
            turn = Turn(question, self._over(document_id).answer(question))
        except InputError as error:
            turn = Turn(question, None, str(error))
        self.turns.append(turn)
        return turn

    def add(self, document: Document, progress: Progress) -> None:
        """Add a document.

        Args:
            document: one that is there already is passed over.
            progress: told how many of how many passages are embedded.

        Raises:
            InputError: there are too many documents already.
            Stopped: `stop` was called; the document is not added.
        """
        if len(self.documents) >= MAX_DOCUMENTS and document.id not in self.documents:
            raise InputError(f"There are {MAX_DOCUMENTS} documents already: remove one to add another.")
        self._stopped.clear()

        def step(done: int, of: int) -> None:
            if self._stopped.is_set():
                raise Stopped
            progress(done, of)

        self._take_over(self.documents)
        self._engine.index.add([document], step)

    def stop(self) -> None:
        """End the reading of a document that is going on in another thread."""
        self._stopped.set()

    def remove(self, document_id: str) -> None:
        """Remove a document; one that is not there is passed over."""
        self._take_over(identity for identity in self.documents if identity != document_id)
        self._of_one.pop(document_id, None)

    def clear(self) -> None:
        """Forget the conversation."""
        self.turns.clear()

    def _over(self, document_id: str) -> ArticleQA:
        if not self.documents:
            raise InputError("There is no document: add one to ask.")
        if document_id not in self.documents or len(self.documents) == 1:
            return self._engine
        if document_id not in self._of_one:
            self._of_one[document_id] = self._engine.only([document_id])
        return self._of_one[document_id]

    def _take_over(self, document_ids: Iterable[str]) -> None:
        """Hold these documents in an index of this visitor's own."""
        kept = list(document_ids)
        if not self._own or kept != list(self.documents):
            self._engine = self._engine.only(kept)
            self._own = True


def read_upload(path: str) -> Document:
    """Read an uploaded file, which is gone afterwards.

    Raises:
        InputError: it cannot be read; the sentence names the file, not where the server put it.
    """
    upload = Path(path)
    try:
        return read_file(upload)
    except InputError as error:
        raise InputError(str(error).replace(path, upload.name)) from None
    finally:
        upload.unlink(missing_ok=True)
