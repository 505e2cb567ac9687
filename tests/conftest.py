import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

# No test may reach a hub: a model that would be looked up there fails at once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from hypothesis import settings

from index import read_file
from qa import ArticleQA
from seeds import ARTICLE

settings.register_profile("suite", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("suite")
expect.set_options(timeout=60_000)  # a page may be slow to show something on a busy machine
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync".split()
)


@pytest.fixture(scope="session")
def article():
    """The bundled article."""
    return read_file(ARTICLE)


@pytest.fixture(scope="session")
def bot(article):
    """The engine over the bundled article, with the bundled models."""
    return ArticleQA.from_documents([article])


@pytest.fixture(scope="session")
def browser():
    """Chromium. Where there is none the browser tests are skipped, in CI they fail."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), "")
    if not path:
        message = "no Chromium here: install it (Debian: apt-get install chromium) to run the browser tests"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
