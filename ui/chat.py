"""`article-qa chat`: the page, the HTTP API, its health and, if asked for, the MCP tool, from one server."""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

from index import InputError
from qa.ask import open_engine
from ui.feedback import FeedbackFile
from ui.health import Health
from ui.log import write_log
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
SESSIONS = 500  # whose pages are remembered; each takes some 50 kB
WARM_UP = (
    "What is this about?"  # asked before anybody listens, so that the first answer is as fast as the next
)


def run(options: argparse.Namespace) -> None:
    """Serve the chat until it is interrupted; the options are those of `qa.cli`."""
    auth = _auth(options.auth or os.environ.get(AUTH))
    if options.mcp:
        _check_mcp(auth)
    _check_address(options.host, options.port)
    feedback = FeedbackFile(Path(options.feedback)) if options.feedback else None
    engine = open_engine(options, options.files)
    engine.answer(WARM_UP)
    if options.log:
        write_log()
    page = ChatPage(engine, options.max_upload, () if options.files or options.index else EXAMPLES, feedback)
    # Gradio calls its own address once it listens, which no proxy can reach.
    os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), "localhost", options.host)))
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
            state_session_capacity=SESSIONS,
            mcp_server=options.mcp,
            app_kwargs={"routes": [Health(engine).route]},
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            css_paths=[STYLE],
            theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )
    except OSError:
        raise InputError(_no_address(options.host, options.port)) from None
    sys.stdout.write(f"The chat is at {url} (Ctrl-C ends it).\n")
    sys.stdout.flush()
    # Python's garbage collector would look through all that is loaded, 100 ms and more, during an answer.
    gc.collect()
    gc.freeze()
    page.blocks.block_thread()


def _check_mcp(auth: tuple[str, str] | None) -> None:
    if find_spec("mcp") is None:
        raise InputError('mcp is not installed: pip install ".[mcp]" brings what --mcp needs.')
    if auth is not None:  # Gradio's MCP server knows no passwords
        raise InputError("--mcp does not work with a password: leave one of the two out.")


def _check_address(host: str, port: int | None) -> None:
    """See at once whether an address can be listened on: Gradio tries a hundred ports, 5 seconds each."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, after a restart
            listener.bind(address)
    except OSError:
        raise InputError(_no_address(host, port)) from None


def _no_address(host: str, port: int | None) -> str:
    return f"Cannot listen on {host} port {port or 7860}: give another --host or --port."


def _auth(pair: str | None) -> tuple[str, str] | None:
    if not pair:
        return None
    user, _, password = pair.partition(":")
    if not user or not password:
        raise InputError(f"--auth and {AUTH} take USER:PASSWORD: give both, with a colon between.")
    return user, password
