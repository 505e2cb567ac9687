"""How long a person waits in the chat, measured in the browser; and the screenshot of the README.

    python -m tests.bench.chat [--screenshot FILE]

Starts `article-qa chat` over the bundled article and prints the seconds from when it listens to when the
first answer stands on the page, and the milliseconds from Enter to the answer for the questions after that.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.conftest import BROWSERS, FLAGS
from tests.ui.conftest import free_port

QUESTIONS = (
    "Where was Carlos Ghosn arrested?",
    "What is Renault investing in?",
    "What is the capital of France?",
    "What is Nissan's restructuring focused on?",
)
ROUNDS = 5
# Resolves when one more reply than before stands in the conversation, with the milliseconds since Enter.
WAIT = """before => new Promise(resolve => {
  const replies = () => document.querySelectorAll(".answer, .abstention").length;
  const waited = () => performance.now() - window.entered;
  const look = () => (replies() > before ? resolve(waited()) : requestAnimationFrame(look));
  look();
})"""
NOTE_ENTER = """() => document.addEventListener(
  "keydown", event => { if (event.key === "Enter") window.entered = performance.now(); }, true)"""


def main() -> None:
    """Run the command."""
    command = argparse.ArgumentParser(description="Time the chat in a browser.")
    command.add_argument("--screenshot", type=Path, metavar="FILE", help="write a picture of the page there")
    options = command.parse_args()
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "qa.cli", "chat", "--port", str(port), "--no-browser"],
        stdout=subprocess.DEVNULL,
    )
    try:
        with sync_playwright() as playwright:
            path = next(found for name in BROWSERS if (found := shutil.which(name)))
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1200, "height": 760})
            listening = _listening(port)
            page.goto(f"http://127.0.0.1:{port}")
            page.locator("#pane .document").wait_for()
            page.evaluate(NOTE_ENTER)
            _ask(page, QUESTIONS[0])
            print(
                f"first answer on the page: {time.perf_counter() - listening:.2f} s after the server listens"
            )
            waits = [_ask(page, question) for _ in range(ROUNDS) for question in QUESTIONS]
            print(
                f"from Enter to the answer: median {statistics.median(waits):.0f} ms, "
                f"slowest {max(waits):.0f} ms of {len(waits)}"
            )
            if options.screenshot:
                _screenshot(page, options.screenshot)
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _ask(page: Page, question: str) -> float:
    before = page.locator(".answer, .abstention").count()
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    return float(page.evaluate(WAIT, before))


def _screenshot(page: Page, path: Path) -> None:
    page.reload()
    page.locator("#pane .document").wait_for()
    page.evaluate(NOTE_ENTER)
    for question in (QUESTIONS[2], QUESTIONS[0]):
        _ask(page, question)
    page.locator("#pane mark").wait_for()
    page.wait_for_timeout(1000)  # the conversation scrolls smoothly
    page.screenshot(path=path)


def _listening(port: int) -> float:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return time.perf_counter()
        except OSError:
            time.sleep(0.01)


if __name__ == "__main__":
    main()
