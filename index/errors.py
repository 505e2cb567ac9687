"""The one kind of error a person can put right: bad input, said in one sentence."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence that names the value and the way out."""


class Unreadable(Exception):  # noqa: N818  # what a parser says of a file, never an error of ours
    """What is wrong with a file, as the end of a sentence that begins with its name."""


def reason(error: Exception) -> str:
    """What another library's error says, to be put in brackets: its first line, or else its kind."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".: ")
