"""Everything that turns passages into an answer.

    from qa import ArticleQA, answer

    answer("Where was Ghosn arrested?").text

Light to import: the engine, with its search and model runtimes, loads at the first use of a name of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from index.errors import InputError

if TYPE_CHECKING:
    from qa.answers import Answer, Quote
    from qa.engine import ArticleQA, answer
    from qa.evaluation import EvaluationResult, evaluate

__all__ = ["Answer", "ArticleQA", "EvaluationResult", "InputError", "Quote", "answer", "evaluate"]

_HOME = {
    "Answer": "qa.answers",
    "ArticleQA": "qa.engine",
    "EvaluationResult": "qa.evaluation",
    "Quote": "qa.answers",
    "answer": "qa.engine",
    "evaluate": "qa.evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
