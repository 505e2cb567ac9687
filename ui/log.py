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
    if answer.reply or not logger.isEnabledFor(logging.INFO):
        return
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": round(answer.seconds, 4),
        "answered": answer.answered,
        "confidence": round(answer.confidence, 4),
    }
    logger.info(json.dumps(line))
