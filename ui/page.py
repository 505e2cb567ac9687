"""The chat page: what stands on it and what its events do. What it shows is computed elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from index import Document, InputError
from index.documents import SUFFIXES
from index.store import Progress
from qa import Answer, ArticleQA
from ui.bubbles import THANKS, answer_bubble, correction_bar, error_bubble, question_bubble
from ui.document_pane import document_list, document_pane
from ui.feedback import FeedbackFile
from ui.session import Session, Stopped, Turn, read_upload
from ui.transcript import as_json, as_markdown

IDLE = 3600  # seconds after which a visitor's documents and conversation are freed
WAITING = 100  # events that may wait; who comes then is told that the chat is busy
AT_ONCE = 2  # questions answered side by side
EVERYTHING = ("All documents", "")
PROGRESS = gr.Progress()
NO_CORRECTION = gr.update(value="", visible=False)
SCRIPT = (Path(__file__).parent / "chat.js").read_text(encoding="utf-8")
RESTARTED = (
    "The chat was restarted or your visit had ended, so your documents are gone: add them again and repeat "
    "your question."
)
DOWNLOAD = """([name, text]) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}"""


class ChatPage:
    """The page over an engine whose documents every visitor begins with.

    Args:
        engine: answers; it is shared and not changed.
        examples: questions to offer, which its documents answer well.
        feedback: where thumbs go; None for no thumbs.
    """

    def __init__(
        self, engine: ArticleQA, examples: tuple[str, ...] = (), feedback: FeedbackFile | None = None
    ) -> None:
        self._engine = engine
        self._feedback = feedback
        self.blocks = gr.Blocks(
            title="article-qa", analytics_enabled=False, fill_height=True, delete_cache=(IDLE, IDLE)
        )
        with self.blocks:
            self._lay_out(examples)
            self._connect()
            gr.api(self.answer, api_name="answer", concurrency_limit=AT_ONCE, concurrency_id="answer")
        self.blocks.queue(max_size=WAITING)

    def answer(self, question: str) -> dict[str, Any]:
        """Answer a question from the documents of this chat, in their exact words, or say that they do not.

        Args:
            question: at most 2,000 characters.

        Returns:
            the Answer as JSON: `answered`, `text`, `confidence`, `title`, `start`, `end`, `sentence`...
        """
        try:
            return self._engine.answer(question).to_dict()
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def _lay_out(self, examples: tuple[str, ...]) -> None:
        # A visitor's own is made when the page loads: none later means that the chat was restarted since.
        self._session = gr.State(None, time_to_live=IDLE)
        gr.HTML("<h1>Ask the document</h1>", elem_id="title", apply_default_css=False)
        with gr.Row():
            with gr.Column(scale=3, min_width=340):
                self._conversation = gr.Chatbot(
                    label="Conversation", show_label=False, elem_id="conversation",
                    height="calc(100vh - 17rem)", min_height=300, buttons=[], layout="bubble",
                    placeholder="Answers are the document’s exact words, with the place where they stand.",
                    examples=[{"text": question} for question in examples] or None,
                )  # fmt: skip
                self._box = gr.Textbox(
                    label="Your question", placeholder="Ask the document…", elem_id="question",
                    autofocus=True, submit_btn="Ask", max_lines=4,
                )  # fmt: skip
                self._scope = gr.Dropdown([EVERYTHING], value="", label="Ask", visible=False)
                with gr.Row():
                    self._markdown = gr.Button("Save as Markdown", size="sm", min_width=100)
                    self._json = gr.Button("Save as JSON", size="sm", min_width=100)
            with gr.Column(scale=2, min_width=340):
                self._list = _html("documents")
                self._correction = _html("correction", visible=False)
                self._pane = _html("pane", js_on_load=SCRIPT)
                with gr.Accordion("Add documents", open=False):
                    self._files = gr.File(
                        label="Files", file_count="multiple", file_types=list(SUFFIXES), height=140
                    )
                    self._pasted = gr.Textbox(label="Or paste a text", lines=3, max_lines=8)
                    with gr.Row():
                        self._add_text = gr.Button("Add the text", size="sm", min_width=100)
                        self._stop = gr.Button("Stop reading", size="sm", min_width=100)
                self._status = _html("status")
        self._places = [self._session, self._list, self._pane]
        self._shelf = [*self._places, self._scope]

    def _connect(self) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        asked = [self._session, self._conversation, self._scope]
        told = [*self._places, self._conversation, self._box, self._correction]
        judged = [self._session, self._correction]
        self.blocks.load(self._begin, None, self._shelf, **quiet)
        self._box.submit(self._ask, [self._box, *asked], told, concurrency_limit=AT_ONCE, **quiet)
        self._conversation.example_select(self._ask_example, asked, told, **quiet)
        self._conversation.retry(self._retry, asked, told, **quiet)
        self._conversation.clear(self._clear, self._session, judged, **quiet)
        self._pane.place(self._show, self._session, self._places, **quiet)
        self._pane.remove(self._remove, self._session, self._shelf, **quiet)
        self._pane.verdict(self._judge, self._session, judged, **quiet)
        reading: dict[str, Any] = {"api_visibility": "private", "show_progress_on": self._status}
        read = [*self._shelf, self._status]
        self._files.upload(self._add_files, [self._session, self._files], [*read, self._files], **reading)
        pasted = [self._session, self._pasted]
        self._add_text.click(self._add_pasted, pasted, [*read, self._pasted], **reading)
        self._stop.click(self._stop_reading, self._session, None, queue=False, **quiet)
        for button, save in ((self._markdown, self._as_markdown), (self._json, self._as_json)):
            file = gr.JSON(visible=False)
            button.click(save, self._session, file, **quiet).then(None, file, None, js=DOWNLOAD)

    def _begin(self) -> tuple[Any, ...]:
        return _shelf(Session(self._engine))

    def _ask(self, question: str, session: Session | None, history: list[Any], scope: str) -> tuple[Any, ...]:
        if session is None:
            session = Session(self._engine)
            turn = Turn(question, None, RESTARTED)
        else:
            turn = session.ask(question, scope)
        asked = [_message("user", question_bubble(question))] if question.strip() else []
        said = [*history, *asked, _message("assistant", self._bubble(turn, len(session.turns) - 1))]
        return *_places(session, turn.answer), said, "", NO_CORRECTION

    def _ask_example(
        self, session: Session | None, history: list[Any], scope: str, event: gr.SelectData
    ) -> tuple[Any, ...]:
        return self._ask(event.value["text"], session, history, scope)

    def _retry(
        self, session: Session | None, history: list[Any], scope: str, event: gr.RetryData
    ) -> tuple[Any, ...]:
        """Ask the last question again, now of what is chosen now."""
        question = session.turns.pop().question if session and session.turns else ""
        return self._ask(question, session, history[: event.index], scope)

    def _clear(self, session: Session | None) -> tuple[Any, ...]:
        session = session or Session(self._engine)
        session.clear()
        return session, NO_CORRECTION

    def _show(self, session: Session | None, event: gr.EventData) -> tuple[Any, ...]:
        return _opened(session or Session(self._engine), event.document, event.start, event.end)

    def _remove(self, session: Session | None, event: gr.EventData) -> tuple[Any, ...]:
        session = session or Session(self._engine)
        session.remove(event.document)
        return _shelf(session)

    def _add_files(
        self, session: Session | None, paths: list[str] | None, progress: gr.Progress = PROGRESS
    ) -> tuple[Any, ...]:
        session = session or Session(self._engine)
        sources = [partial(read_upload, path) for path in paths or []]
        return *self._read(session, sources, progress), None

    def _add_pasted(
        self, session: Session | None, text: str, progress: gr.Progress = PROGRESS
    ) -> tuple[Any, ...]:
        session = session or Session(self._engine)
        return *self._read(session, [partial(Document.from_text, text)], progress), ""

    def _read(
        self, session: Session, sources: Sequence[Callable[[], Document]], progress: gr.Progress
    ) -> tuple[Any, ...]:
        """Add documents; one that cannot be read leaves its sentence, and the others are added."""
        errors: list[str] = []
        newest = ""
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
        return *_shelf(session, newest), "".join(errors)

    def _stop_reading(self, session: Session | None) -> None:
        if session is not None:
            session.stop()

    def _judge(self, session: Session | None, event: gr.EventData) -> tuple[Any, ...]:
        """Thumbs: up is written at once; down asks for the right answer, without which it teaches nothing."""
        answer = session.turns[event.turn].answer if session and event.turn < len(session.turns) else None
        if session is None or answer is None or self._feedback is None:
            return session, NO_CORRECTION
        if event.verdict == "down":
            return session, gr.HTML(correction_bar(event.turn), visible=True)
        place = event.place
        if event.verdict == "marked" and place is None:
            return session, gr.HTML(correction_bar(event.turn, nothing_marked=True), visible=True)
        try:
            if event.verdict == "up":
                self._feedback.right(answer, session.documents)
            elif event.verdict == "absent":
                self._feedback.unanswerable(answer, session.documents)
            else:
                document = session.documents[place["document"]]
                self._feedback.answer_is(answer.question, document, place["start"], place["end"])
        except InputError as error:
            return session, gr.HTML(error_bubble(str(error)), visible=True)
        return session, gr.HTML(THANKS, visible=True)

    def _as_markdown(self, session: Session | None) -> list[str]:
        return ["conversation.md", as_markdown(session.turns if session else [])]

    def _as_json(self, session: Session | None) -> list[str]:
        return ["conversation.json", as_json(session.turns if session else [])]

    def _bubble(self, turn: Turn, number: int) -> str:
        if turn.answer is None:
            return error_bubble(turn.error)
        return answer_bubble(turn.answer, None if self._feedback is None else number)


def _shelf(session: Session, open_id: str = "") -> tuple[Any, ...]:
    """What the page shows when a visitor's documents have changed; all are asked then."""
    documents = session.documents
    choices = [EVERYTHING, *((document.title, document.id) for document in documents.values())]
    scope = gr.Dropdown(choices, value="", visible=len(documents) > 1)
    return *_opened(session, open_id or next(iter(documents), "")), scope


def _places(session: Session, answer: Answer | None) -> tuple[Any, ...]:
    """The document pane at an answer, or at the passage that is closest; as it is where there is neither."""
    if answer is None or not answer.passages:
        return session, gr.skip(), gr.skip()
    if answer.answered:
        return _opened(session, answer.document, answer.start, answer.end)
    closest = answer.passages[0]
    return _opened(session, closest.document, closest.start, closest.start)


def _opened(session: Session, document_id: str, start: int = 0, end: int = 0) -> tuple[Any, ...]:
    """A place of a document; a document that is not there any more is shown as none."""
    documents = session.documents
    pane = document_pane(documents.get(document_id), start, end)
    return session, document_list(documents.values(), document_id), pane


def _html(name: str, **settings: Any) -> gr.HTML:
    return gr.HTML(elem_id=name, apply_default_css=False, **settings)


def _message(role: str, html: str) -> dict[str, Any]:
    # As an HTML component: a bubble of plain content would be read as Markdown, and the document's asterisks,
    # dollars and tags with it.
    return {"role": role, "content": gr.HTML(html, apply_default_css=False)}


def _shown_on(progress: gr.Progress, title: str) -> Progress:
    return lambda done, of: progress((done, of), desc=f"Reading {title}", unit="passages")
