"""One visitor of the chat: the documents and the conversation that are theirs alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from index import Document, InputError, read_file
from index.store import Entry, Progress
from qa import Answer, ArticleQA, Quote
from ui.log import log_answer, log_error

MAX_DOCUMENTS = 50  # of one visitor: each is held in memory
MAX_CHARACTERS = 20_000_000  # of all of them


class Stopped(Exception):  # noqa: N818  # no error: the visitor asked for it
    """The visitor stopped the reading of documents."""


@dataclass(slots=True)
class Turn:
    """A question and what came of it.

    Attributes:
        question: as typed.
        answer: None where there is none, which `error` explains.
        error: a sentence, or "".
        document: that the answer stands in, or the closest passage; kept, since it may be removed later.
        judged: whether the visitor has said if the answer is right.
    """

    question: str
    answer: Answer | None = None
    error: str = ""
    document: Document | None = None
    judged: bool = False


class Session:
    """A visitor's documents and conversation. It begins with the documents of the chat.

    Its engine is never changed but replaced, so that questions can be asked while documents are added.

    Args:
        engine: over the documents of the chat, which all visitors share.
    """

    def __init__(self, engine: ArticleQA) -> None:
        self._engine = engine.apart()  # no visitor's questions are remembered for another
        self._one: tuple[str, ArticleQA] | None = None  # the document last asked alone, and its engine
        self._replacing = threading.Lock()
        self._stopped = threading.Event()
        self._dialogue = self._engine.dialogue()
        self._scope = ""  # the document that was asked last
        self.turns: list[Turn] = []

    def entries(self) -> list[Entry]:
        """What a list of the documents shows, in the order they came."""
        return self._engine.steadily(lambda engine: engine.index.entries())

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents by their ids, in the order they came."""
        return self._engine.index.documents

    def ask(self, question: str, document_id: str = "", *, as_typed: bool = False) -> None:
        """Ask all documents, or the one with that id; what comes of it joins the conversation.

        Args:
            question: as typed; a follow-up is understood from the turns before it.
            document_id: of the one document to ask; "" for all.
            as_typed: it was understood wrongly: ask it as it stands, in the place of the last
                turn if that asked it.
        """
        if as_typed and self.turns and self.turns[-1].question == question:
            self.take_back()
        if document_id != self._scope:  # what is asked of another document leans on nothing
            self._dialogue.forget()
            self._scope = document_id

        def answered(engine: ArticleQA) -> tuple[Answer, Document | None]:
            answer = self._dialogue.ask(question, engine, as_typed=as_typed)
            place = place_of(answer)
            return answer, engine.index.documents[place.document] if place else None

        began = time.perf_counter()
        try:
            answer, document = self._over(document_id).steadily(answered)
        except InputError as error:
            log_error(time.perf_counter() - began)
            self.turns.append(Turn(question, error=str(error)))
            return
        answer = replace(answer, seconds=time.perf_counter() - began)  # with the waiting for the index
        log_answer(answer)
        self.turns.append(Turn(question, answer, document=document))

    def take_back(self) -> None:
        """Forget the last turn, if there is one."""
        if self.turns and (answer := self.turns.pop().answer) and not answer.reply:
            self._dialogue.forget(1)

    def clear(self) -> None:
        """Forget the conversation."""
        self.turns.clear()
        self._dialogue.forget()
        with self._replacing:
            self._engine, self._one = self._engine.apart(), None

    def add(self, document: Document, progress: Progress) -> None:
        """Add a document; one that is there already is passed over.

        Args:
            document: to be read.
            progress: told how many of how many passages are embedded.

        Raises:
            InputError: it is too much with those that are there.
            Stopped: `stop` was called; the document is not added.
        """
        if document.id in self.documents:
            return
        self._check_room(document)

        def step(done: int, of: int) -> None:
            if self._stopped.is_set():
                raise Stopped
            progress(done, of)

        addition = self._engine.only([])
        addition.put(document, step)
        with self._replacing:
            self._engine = self._engine.joined(addition)

    def begin_reading(self) -> None:
        """Forget an earlier `stop`."""
        self._stopped.clear()

    def stop(self) -> None:
        """End the reading of documents that is going on in another thread."""
        self._stopped.set()

    def remove(self, document_id: str) -> None:
        """Remove a document; one that is not there is passed over.

        Raises:
            InputError: the documents are too many to be changed for one visitor.
        """
        self._check_changeable()
        with self._replacing:
            self._engine = self._engine.only(i for i in self.documents if i != document_id)
            self._one = None

    def _check_room(self, document: Document) -> None:
        self._check_changeable()
        entries = self.entries()
        if len(entries) >= MAX_DOCUMENTS:
            raise InputError(f"There are {MAX_DOCUMENTS} documents already: remove one to add another.")
        characters = len(document.text) + sum(entry.characters for entry in entries)
        if characters > MAX_CHARACTERS:
            raise InputError(
                f"With {document.title} there would be {characters:,} characters of at most "
                f"{MAX_CHARACTERS:,}: remove a document first."
            )

    def _check_changeable(self) -> None:
        """What a visitor changes is theirs alone, and held in memory: of an index on disk it is a copy."""
        entries = self.entries()
        if len(entries) > MAX_DOCUMENTS or sum(entry.characters for entry in entries) > MAX_CHARACTERS:
            raise InputError(
                f"This chat is over an index of {len(entries):,} documents, too many to be changed for one "
                "visitor: use `article-qa index` to add and remove."
            )

    def _over(self, document_id: str) -> ArticleQA:
        engine, one = self._engine, self._one
        if not engine.index.documents:
            raise InputError("There is no document: add one to ask.")
        if document_id not in engine.index.documents:
            return engine
        if one is None or one[0] != document_id:
            one = self._one = (document_id, engine.only([document_id]))
        return one[1]


def place_of(answer: Answer) -> Answer | Quote | None:
    """Where an answer stands, or what is closest to one that is not there; None for small talk."""
    if answer.answered:
        return answer
    return next(iter(answer.alternatives if answer.reply else answer.passages), None)


def read_upload(path: str) -> Document:
    """Read an uploaded file, which is gone afterwards.

    Raises:
        InputError: it cannot be read; the sentence names the file, not where the server put it.
    """
    upload = Path(path)
    try:
        return read_file(upload)
    except InputError as error:
        if not upload.exists():  # equal files share a place, and another visitor's reading came first
            raise InputError(f"{upload.name} was not read: choose it again.") from None
        raise InputError(str(error).replace(path, upload.name)) from None
    finally:
        upload.unlink(missing_ok=True)
