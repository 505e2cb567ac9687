"""A log of what is answered and how fast, one JSON object a line; never a word of a question or document."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from qa import Answer

logger = logging.getLogger("article_qa")


def write_log() -> None:
    """Write the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the lines of the command begin with its name


def log_answer(answer: Answer) -> None:
    """Log an answer; what is said to small talk is none."""
    if answer.reply:
        return
    _write(answer.seconds, answered=answer.answered, confidence=round(answer.confidence, 4))


def log_error(seconds: float) -> None:
    """Log that there was an error in the place of an answer, after so many seconds; not which one."""
    _write(seconds, error=True)


def _write(seconds: float, **facts: bool | float) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    logger.info(json.dumps({"time": now, "seconds": round(seconds, 4), **facts}))
