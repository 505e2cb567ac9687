"""`article-qa chat`: the page, the HTTP API and, if asked for, the MCP tool, from one server."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

# Before Gradio is imported: it asks its makers for news and sends usage figures otherwise.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr

from index import InputError
from qa import ArticleQA
from qa.ask import read_sources
from ui.feedback import FeedbackFile
from ui.page import ChatPage

STYLE = Path(__file__).parent / "chat.css"
AUTH = "ARTICLE_QA_AUTH"  # environment variable; on the command line other users of the machine see it
EXAMPLES = (
    "Where was Carlos Ghosn arrested?",
    "What is Renault investing in?",
    "What did the scandal lead to?",
    "What is Nissan's restructuring focused on?",
    "What is the capital of France?",
)
WARM_UP = (
    "What is this about?"  # asked before anybody listens, so that the first answer is as fast as the next
)


def run(options: argparse.Namespace) -> None:
    """Serve the chat until it is interrupted; the options are those of `qa.cli`."""
    auth = _auth(options.auth or os.environ.get(AUTH))
    if options.mcp and find_spec("mcp") is None:
        raise InputError('mcp is not installed: pip install ".[mcp]" brings what --mcp needs.')
    feedback = FeedbackFile(Path(options.feedback)) if options.feedback else None
    engine = ArticleQA.from_documents(read_sources(options.files), options.reader, options.embedder)
    engine.answer(WARM_UP)
    page = ChatPage(engine, () if options.files else EXAMPLES, feedback)
    try:
        _, url, _ = page.blocks.launch(
            server_name=options.host,
            server_port=options.port,  # None: the first free one from 7860
            auth=auth,
            inbrowser=not options.no_browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=options.max_upload,
            root_path=options.root_path,
            mcp_server=options.mcp,
            enable_monitoring=False,
            run_history=False,
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
    page.blocks.block_thread()


def _auth(pair: str | None) -> tuple[str, str] | None:
    if not pair:
        return None
    user, _, password = pair.partition(":")
    if not user or not password:
        raise InputError(f"--auth and {AUTH} take USER:PASSWORD: give both, with a colon between.")
    return user, password
