import os

import pytest

# No test may reach a hub: a model that would be looked up there fails at once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from index import read_file
from qa import ArticleQA
from seeds import ARTICLE


@pytest.fixture(scope="session")
def article():
    """The bundled article."""
    return read_file(ARTICLE)


@pytest.fixture(scope="session")
def bot(article):
    """The engine over the bundled article, with the bundled models."""
    return ArticleQA.from_documents([article])
