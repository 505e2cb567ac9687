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


@pytest.fixture(scope="session")
def serve():
    """Start `article-qa chat` with arguments; returns its address. Ended by Ctrl-C, which must work."""
    running = []

    def start(*arguments):
        port = free_port()
        command = [sys.executable, "-m", "qa.cli", "chat", "--port", str(port), "--no-browser", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except urllib.error.URLError:
                time.sleep(0.2)
            else:
                return url
        process.kill()
        raise AssertionError(f"the chat did not come up: {process.communicate()}")

    yield start
    for process in running:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert "Traceback" not in errors


@pytest.fixture(scope="session")
def chat(serve):
    """The chat over the bundled article; its address."""
    return serve()


@pytest.fixture
def visit(browser):
    """Open an address as a new visitor; returns the page. No page may write an error to its console."""
    contexts, errors = [], []

    def open_page(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.get_by_label("Your question").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
