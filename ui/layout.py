"""What stands on the chat page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from index.documents import SUFFIXES

IDLE = 3600  # seconds after which a visitor's documents and conversation are freed
EVERYTHING = ("All documents", "")
SCRIPT = (Path(__file__).parent / "chat.js").read_text(encoding="utf-8")


class Layout:
    """The components of the page, made inside an open `gr.Blocks`.

    Args:
        limit: bytes of one added file.
        examples: questions to offer while the conversation is empty.

    Attributes:
        session: the visitor's `Session`; None where the page is older than the server.
        pane: the document; chat.js makes its events `place`, `remove`, `refused` and `verdict`.
    """

    def __init__(self, limit: int, examples: tuple[str, ...]) -> None:
        self.session = gr.State(None, time_to_live=IDLE)
        _html("title", value="<h1>Ask the document</h1>")
        with gr.Row():
            with gr.Column(scale=3, min_width=340):
                self.conversation = gr.Chatbot(
                    label="Conversation", show_label=False, elem_id="conversation",
                    height="calc(100vh - 17rem)", min_height=300, buttons=[], layout="bubble",
                    autoscroll=False,  # chat.js scrolls
                    placeholder="Answers are the document’s exact words, with the place where they stand.",
                    examples=[{"text": question} for question in examples] or None,
                )  # fmt: skip
                self.box = gr.Textbox(
                    label="Your question", placeholder="Ask the document…", elem_id="question",
                    autofocus=True, submit_btn="Ask", max_lines=4,
                )  # fmt: skip
                # A choice that is no longer there must reach the event, which then asks all documents.
                self.scope = gr.Dropdown(
                    [EVERYTHING], value="", label="Ask", visible=False, allow_custom_value=True
                )
                with gr.Row():
                    self.markdown = gr.Button("Save as Markdown", size="sm", min_width=100)
                    self.json = gr.Button("Save as JSON", size="sm", min_width=100)
            with gr.Column(scale=2, min_width=340):
                self.documents = _html("documents")
                self.correction = _html("correction", visible=False)
                self.pane = _html("pane", js_on_load=SCRIPT, limit=limit, suffixes=SUFFIXES)
                self.status = _html("status")
                with gr.Accordion("Add documents", open=False):
                    self.files = gr.File(
                        label="Files", file_count="multiple", file_types=list(SUFFIXES), height=140
                    )
                    self.pasted = gr.Textbox(label="Or paste a text", lines=3, max_lines=8)
                    with gr.Row():
                        self.add_text = gr.Button("Add the text", size="sm", min_width=100)
                        self.stop = gr.Button("Stop reading", size="sm", min_width=100)


def _html(name: str, **settings: Any) -> gr.HTML:
    return gr.HTML(elem_id=name, apply_default_css=False, **settings)
