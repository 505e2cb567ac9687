import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

PATIENCE = 60  # seconds for the chat to come up, or a page to load, on a busy machine


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Chats:
    """Running `article-qa chat` processes, by their addresses."""

    def __init__(self):
        self.running = {}

    def start(self, *arguments, port=None, environment=None):
        """Start one with arguments; returns its address once it listens."""
        port = port or free_port()
        command = [sys.executable, "-m", "qa.cli", "chat", "--port", str(port), "--no-browser", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        url = f"http://127.0.0.1:{port}"
        self.running[url] = process
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except urllib.error.HTTPError:  # it answers
                return url
            except urllib.error.URLError:
                time.sleep(0.2)
            else:
                return url
        process.kill()
        raise AssertionError(f"the chat did not come up: {process.communicate()}")

    def stop(self, url):
        """End one by Ctrl-C, which must work; returns what it wrote to standard error."""
        process = self.running.pop(url)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert "Traceback" not in errors, errors
        return errors


@pytest.fixture(scope="session")
def chats():
    """Start and stop chats; all have ended afterwards, and none has written a traceback."""
    result = Chats()
    yield result
    for url in list(result.running):
        result.stop(url)


@pytest.fixture(scope="session")
def chat(chats):
    """The chat over the bundled article; its address."""
    return chats.start()


@pytest.fixture
def visit(browser, request):
    """Open an address as a new visitor; returns the page. No page may write an error to its console.

    With ARTICLE_QA_SCREENSHOTS=FOLDER, what each page shows at the end of its test is kept there to look at.
    """
    contexts, errors = [], []
    folder = os.environ.get("ARTICLE_QA_SCREENSHOTS")

    def open_page(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.locator("#pane .document").wait_for()  # the visitor's own documents have come
        return page

    yield open_page
    for number, context in enumerate(contexts):
        if folder:
            name = re.sub(r"\W+", "-", f"{request.node.name}-{number}")
            context.pages[0].screenshot(path=f"{folder}/{name}.png")
        context.close()
    assert errors == []
