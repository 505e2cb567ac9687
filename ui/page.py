"""The chat page: what stands on it and what its events do. What it shows is computed elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr

from index import Document, InputError
from index.documents import SUFFIXES
from index.store import Progress
from qa import ArticleQA
from ui.bubbles import THANKS, answer_bubble, correction_bar, error_bubble, question_bubble
from ui.document_pane import LISTED, document_list, document_pane
from ui.feedback import FeedbackFile
from ui.layout import EVERYTHING, IDLE, Layout
from ui.log import log_answer, log_error
from ui.session import Session, Stopped, Turn, place_of, read_upload
from ui.transcript import as_json, as_markdown

WAITING = 100  # events that may wait; who comes then is told that the chat is busy
AT_ONCE = 2  # questions answered, and files read, side by side
PROGRESS = gr.Progress()
RESTARTED = "The chat has begun anew since your last visit, so your documents are gone: add them again."
DOWNLOAD = """([name, text]) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}"""

Updates = dict[Any, Any]  # what an event changes: component -> its new value


class ChatPage:
    """The page over an engine whose documents every visitor begins with.

    Args:
        engine: answers; it is shared and not changed.
        limit: bytes of one added file or text.
        examples: questions to offer, which its documents answer well.
        feedback: where thumbs go; None for no thumbs.
    """

    def __init__(
        self,
        engine: ArticleQA,
        limit: int,
        examples: tuple[str, ...] = (),
        feedback: FeedbackFile | None = None,
    ) -> None:
        self._engine = engine
        self._limit = limit
        self._feedback = feedback
        self.blocks = gr.Blocks(
            title="article-qa", analytics_enabled=False, fill_height=True, delete_cache=(IDLE, IDLE)
        )
        with self.blocks:
            self._on = Layout(limit, examples)
            self._connect()
            answering = {"concurrency_limit": AT_ONCE, "concurrency_id": "answer"}
            gr.api(self.answer, api_name="answer", **answering)
        self.blocks.queue(max_size=WAITING)

    def answer(self, question: str) -> dict[str, Any]:
        """Answer a question from the documents of this chat, in their exact words, or say that they do not.

        Args:
            question: at most 2,000 characters.

        Returns:
            the Answer as JSON: `answered`, `text`, `confidence`, `title`, `start`, `end`, `sentence`...
        """
        began = time.perf_counter()
        try:
            answer = self._engine.apart().answer(question)  # nobody's questions are remembered for others
        except InputError as error:
            log_error(time.perf_counter() - began)
            raise gr.Error(str(error), print_exception=False) from None
        log_answer(answer)
        return answer.to_dict()

    def _connect(self) -> None:
        on = self._on
        changed = [
            on.session, on.conversation, on.scope, on.documents, on.correction, on.pane, on.status, on.files,
            on.pasted,
        ]  # fmt: skip
        event: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "multiple"}
        quiet = {"outputs": changed, "show_progress": "hidden", **event}
        asking = {"concurrency_limit": AT_ONCE, "concurrency_id": "answer", **quiet}
        reading = {
            "outputs": changed,
            "show_progress_on": on.status,
            "concurrency_limit": AT_ONCE,
            **event,
        }
        scope = [on.session, on.scope]
        self.blocks.load(self._begin, None, **quiet)
        on.box.submit(self._ask, [*scope, on.box], **asking)
        on.box.submit(None, None, on.box, js="() => ''")
        on.conversation.example_select(self._ask_example, scope, **asking)
        on.conversation.retry(self._retry, scope, **asking)
        on.conversation.clear(self._clear, on.session, **quiet)
        on.pane.place(self._show, on.session, **quiet)
        on.pane.astyped(self._ask_as_typed, scope, **asking)
        on.pane.remove(self._remove, on.session, **quiet)
        on.pane.refused(self._refuse, on.session, **quiet)
        on.pane.verdict(self._judge, on.session, **quiet)
        on.files.upload(self._add_files, [on.session, on.files], **reading)
        on.add_text.click(self._add_pasted, [on.session, on.pasted], **reading)
        on.stop.click(self._stop_reading, on.session, None, queue=False, api_visibility="private")
        for button, save in ((on.markdown, self._as_markdown), (on.json, self._as_json)):
            file = gr.JSON(visible=False)
            saved = button.click(save, on.session, file, show_progress="hidden", **event)
            saved.success(None, file, None, js=DOWNLOAD)

    def _begin(self) -> Updates:
        return self._shelf(Session(self._engine))

    def _restart(self, question: str = "") -> Updates:
        """A new session in the place of one that is gone, with the sentence that says so."""
        session = Session(self._engine)
        session.turns.append(Turn(question, error=RESTARTED))
        return self._shelf(session) | self._told(session)

    def _ask(self, session: Session | None, scope: str, question: str) -> Updates:
        if session is None:
            return self._restart(question)
        session.ask(question, scope)
        return self._told(session) | self._place_of(session, session.turns[-1])

    def _ask_example(self, session: Session | None, scope: str, event: gr.SelectData) -> Updates:
        return self._ask(session, scope, event.value["text"])

    def _retry(self, session: Session | None, scope: str) -> Updates:
        """Ask the last question again, now of what is chosen now."""
        if session is None or not session.turns:
            return self._restart()
        question = session.turns[-1].question
        session.take_back()
        return self._ask(session, scope, question)

    def _ask_as_typed(self, session: Session | None, scope: str, event: gr.EventData) -> Updates:
        """A follow-up was understood wrongly."""
        if session is None:
            return self._restart(event.question)
        session.ask(event.question, scope, as_typed=True)
        return self._told(session) | self._place_of(session, session.turns[-1])

    def _clear(self, session: Session | None) -> Updates:
        if session is None:
            return self._restart()
        session.clear()
        return self._told(session)

    def _show(self, session: Session | None, event: gr.EventData) -> Updates:
        if session is None:
            return self._restart()
        return self._opened(session, event.document, event.start, event.end)

    def _remove(self, session: Session | None, event: gr.EventData) -> Updates:
        if session is None:
            return self._restart()
        try:
            session.remove(event.document)
        except InputError as error:
            return {self._on.status: error_bubble(str(error))}
        return self._shelf(session)

    def _refuse(self, session: Session | None, event: gr.EventData) -> Updates:
        """Files that the page did not upload: it knows their names and sizes."""
        return {self._on.status: "".join(error_bubble(self._refusal(name)) for name in event.names)}

    def _refusal(self, name: str) -> str:
        return (
            f"{name} is not a file to read ({', '.join(SUFFIXES)}) of at most {self._limit:,} bytes: "
            "choose another."
        )

    def _add_files(
        self, session: Session | None, paths: list[str] | None, progress: gr.Progress = PROGRESS
    ) -> Updates:
        sources = [partial(read_upload, path) for path in dict.fromkeys(paths or [])]
        return self._add(session, sources, progress) | {self._on.files: None}

    def _add_pasted(self, session: Session | None, text: str, progress: gr.Progress = PROGRESS) -> Updates:
        if len(text.encode(errors="replace")) > self._limit:
            return {
                self._on.status: error_bubble(f"The text has more than {self._limit:,} bytes: add a part.")
            }
        return self._add(session, [partial(Document.from_text, text)], progress) | {self._on.pasted: ""}

    def _add(
        self, session: Session | None, sources: Sequence[Callable[[], Document]], progress: gr.Progress
    ) -> Updates:
        """Add documents; one that cannot be read leaves its sentence, and the others are added."""
        if session is None:
            return self._restart()
        errors: list[str] = []
        newest = ""
        session.begin_reading()
        for source in sources:
            try:
                document = source()
                session.add(document, _shown_on(progress, document.title))
                newest = document.id
            except InputError as error:
                errors.append(error_bubble(str(error)))
            except Stopped:
                errors.append(error_bubble("The reading was stopped."))
                break
        return self._shelf(session, newest) | {self._on.status: "".join(errors)}

    def _stop_reading(self, session: Session | None) -> None:
        if session is not None:
            session.stop()

    def _judge(self, session: Session | None, event: gr.EventData) -> Updates:
        """Thumbs: up is written at once; down asks for the right answer, without which it teaches nothing."""
        if session is None:
            return self._restart()
        turn = session.turns[event.turn] if 0 <= event.turn < len(session.turns) else Turn("")
        if self._feedback is None or turn.answer is None or turn.document is None or turn.judged:
            return self._corrected(THANKS if turn.judged else "")
        if event.verdict == "down":
            return self._corrected(correction_bar(event.turn))
        document, right = turn.document, None
        if event.verdict == "up" and turn.answer.answered:
            right = (turn.answer.start, turn.answer.end)
        elif event.verdict == "marked":
            if event.place is None:
                return self._corrected(correction_bar(event.turn, nothing_marked=True))
            right = (event.place["start"], event.place["end"])
        try:
            if event.verdict == "marked":
                document = session.documents.get(event.place["document"], document)
            self._feedback.add(turn.answer.understood_as or turn.question, document, right)
        except InputError as error:
            return self._corrected(error_bubble(str(error)))
        turn.judged = True
        return self._corrected(THANKS)

    def _as_markdown(self, session: Session | None) -> list[str]:
        return ["conversation.md", as_markdown(session.turns if session else [])]

    def _as_json(self, session: Session | None) -> list[str]:
        return ["conversation.json", as_json(session.turns if session else [])]

    def _told(self, session: Session) -> Updates:
        """The conversation, whole: the server's is the true one."""
        messages = []
        for number, turn in enumerate(session.turns):
            thumbs = None if self._feedback is None else number
            said = answer_bubble(turn.answer, thumbs) if turn.answer else error_bubble(turn.error)
            messages += [_message("user", question_bubble(turn.question)), _message("assistant", said)]
        return {self._on.session: session, self._on.conversation: messages, **self._corrected("")}

    def _shelf(self, session: Session, open_id: str = "") -> Updates:
        """A visitor's documents, when they have changed; all are asked then."""
        try:
            entries = session.entries()
        except InputError as error:  # the index is on a server that is away
            return {self._on.session: session, self._on.status: error_bubble(str(error))}
        choices = [EVERYTHING, *((entry.title, entry.id) for entry in entries[:LISTED])]
        scope = gr.update(choices=choices, value="", visible=len(entries) > 1)
        first = entries[0].id if entries else ""
        return {self._on.scope: scope, **self._opened(session, open_id or first)}

    def _place_of(self, session: Session, turn: Turn) -> Updates:
        """The document pane at an answer, or at the passage that is closest."""
        place = place_of(turn.answer) if turn.answer else None
        if turn.answer is None or place is None:
            return {}
        marked = turn.answer.answered or turn.answer.reply
        return self._opened(session, place.document, place.start, place.end if marked else place.start)

    def _opened(self, session: Session, document_id: str, start: int = 0, end: int = 0) -> Updates:
        """A place of a document; a document that is not there any more is shown as none."""
        try:
            entries, document = session.entries(), session.documents.get(document_id)
        except InputError as error:
            return {self._on.session: session, self._on.status: error_bubble(str(error))}
        return {
            self._on.session: session,
            self._on.documents: document_list(entries, document_id),
            self._on.pane: document_pane(document, start, end),
        }

    def _corrected(self, html: str) -> Updates:
        return {self._on.correction: gr.update(value=html, visible=bool(html))}


def _message(role: str, html: str) -> dict[str, Any]:
    # As an HTML component: a bubble of plain content would be read as Markdown, and the document's asterisks,
    # dollars and tags with it. In the form that is sent: to make a component of each takes a millisecond.
    settings = {"constructor_args": {}, "props": {"apply_default_css": False}}
    return {"role": role, "content": {"type": "component", "component": "html", "value": html, **settings}}


def _shown_on(progress: gr.Progress, title: str) -> Progress:
    return lambda done, of: progress((done, of), desc=f"Reading {title}", unit="passages")
