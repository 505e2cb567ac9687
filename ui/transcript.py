"""A conversation as a file: Markdown to read, JSON to work with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from qa import Answer
from ui.bubbles import place_in_words
from ui.session import Turn


def as_json(turns: Sequence[Turn]) -> str:
    """The turns with everything there is to know about each answer, offsets included."""
    rows = [turn.answer.to_dict() if turn.answer else _failed(turn) for turn in turns]
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"


def as_markdown(turns: Sequence[Turn]) -> str:
    """The turns to read: each question, its answer, the sentence around it and where it stands."""
    return "\n".join(["# Conversation\n", *(_markdown(turn) for turn in turns)])


def _failed(turn: Turn) -> dict[str, str]:
    return {"question": turn.question, "error": turn.error}


def _markdown(turn: Turn) -> str:
    lines = [f"## {_plain(turn.question)}\n"]
    if turn.answer is None:
        return "\n".join([*lines, f"{_plain(turn.error)}\n"])
    if turn.answer.reply:
        quotes = [f"> {_plain(quote.text)}\n" for quote in turn.answer.alternatives]
        return "\n".join([*lines, f"{_plain(turn.answer.reply)}\n", *quotes])
    if turn.answer.understood_as:
        lines.append(f"Understood as: {_plain(turn.answer.understood_as)}\n")
    sure = f"{turn.answer.confidence:.0%} sure"
    if not turn.answer.answered:
        return "\n".join([*lines, f"The document doesn’t say. ({sure})\n"])
    return "\n".join([*lines, *_answered(turn.answer, sure)])


def _answered(answer: Answer, sure: str) -> list[str]:
    return [
        f"**{_plain(answer.text)}** ({sure})\n",
        f"> {_plain(answer.sentence)}\n",
        f"{_plain(place_in_words(answer))}\n",
    ]


def _plain(text: str) -> str:
    """On one line, with what Markdown or HTML would read as markup escaped."""
    return re.sub(r"([\\`*_\[\]<>|~$&])", r"\\\1", " ".join(text.split()))
