"""The chat page and `article-qa chat`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

# Before Gradio is imported: it asks its makers for news and sends usage figures otherwise.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr

from index import InputError
from qa import ArticleQA
from qa.ask import read_sources
from ui.bubbles import answer_bubble, error_bubble, question_bubble

STYLE = Path(__file__).parent / "chat.css"
EXAMPLES = (
    "Where was Carlos Ghosn arrested?",
    "What is Renault investing in?",
    "What did the scandal lead to?",
    "What is Nissan's restructuring focused on?",
    "What is the capital of France?",
)
WAITING = 20  # questions that may wait; more are told that the chat is busy


def build(engine: ArticleQA, examples: tuple[str, ...] = ()) -> gr.Blocks:
    """The chat page over an engine, which all its visitors share; each has a conversation of their own."""
    titles = ", ".join(document.title for document in engine.index.documents.values())
    with gr.Blocks(title="article-qa", analytics_enabled=False, fill_height=True) as page:
        gr.Markdown(
            f"# Ask the article\nAnswers are the exact words of {_shorten(titles)}.",
            elem_classes="page-title",
        )
        conversation = gr.Chatbot(
            label="Conversation", elem_id="conversation", height="60vh", buttons=["copy"], layout="bubble",
            placeholder="Ask a question below, or choose an example.",
        )  # fmt: skip
        box = gr.Textbox(
            label="Your question", placeholder="Ask the article…", elem_id="question", autofocus=True,
            submit_btn="Ask", max_lines=4,
        )  # fmt: skip
        if examples:
            gr.Examples([[question] for question in examples], box, label="Examples")

        def reply(question: str, history: list[Any]) -> tuple[list[Any], str]:
            try:
                bubble = answer_bubble(engine.answer(question))
            except InputError as error:
                bubble = error_bubble(error)
            asked = [_message("user", question_bubble(question))] if question.strip() else []
            return [*history, *asked, _message("assistant", bubble)], ""

        box.submit(
            reply, [box, conversation], [conversation, box], api_visibility="private", show_progress="hidden"
        )
    page.queue(max_size=WAITING)
    return page


def run(options: argparse.Namespace) -> None:
    """Serve the chat until it is interrupted; the options are those of `qa.cli`."""
    engine = ArticleQA.from_documents(read_sources(options.file), options.reader, options.embedder)
    page = build(engine, () if options.file else EXAMPLES)
    try:
        _, url, _ = page.launch(
            server_name=options.host,
            server_port=options.port,  # None: the first free one from 7860
            inbrowser=not options.no_browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            footer_links=[],
            css_paths=[STYLE],
            theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )
    except OSError:
        raise InputError(
            f"Cannot listen on {options.host} port {options.port or 7860}: give another --host or --port."
        ) from None
    sys.stdout.write(f"The chat is at {url} (Ctrl-C ends it).\n")
    sys.stdout.flush()
    page.block_thread()


def _message(role: str, html: str) -> dict[str, Any]:
    # As an HTML component: a bubble of plain content would be read as Markdown, and the document's asterisks,
    # dollars and tags with it.
    return {"role": role, "content": gr.HTML(html)}


def _shorten(titles: str) -> str:
    return titles if len(titles) <= 80 else titles[:79] + "…"
