"""The process that reads one file: bytes on standard input, JSON on standard output."""

from __future__ import annotations

import importlib
import json
import os
import sys

from index.errors import Unreadable

MEMORY = 2 << 30  # bytes
LONGEST = 20_000_000  # characters of a text


def main() -> None:
    """Read and write; the arguments are the kind of the file and the seconds it may take."""
    kind, seconds = sys.argv[1], int(sys.argv[2])
    _limit(seconds)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # libraries may print
    data = sys.stdin.buffer.read()
    try:
        text, page_starts = importlib.import_module(f"index.formats.{kind}").read(data)
        if len(text) > LONGEST:
            raise Unreadable(f"has more than {LONGEST:,} characters: split it")
        result = {"text": text, "page_starts": page_starts}
    except Unreadable as error:
        result = {"error": str(error)}
    except Exception:  # the parsers raise their own kinds, on what is always the file's fault
        result = {"error": "is damaged or too large to read: save it anew, or as text"}
    json.dump(result, out)
    out.flush()
    os._exit(0)  # at once: what the parser holds needs no order


def _limit(seconds: int) -> None:
    try:
        import resource  # noqa: PLC0415  # not on Windows, where the time limit of the parent remains
    except ImportError:
        return
    limits = ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0))
    for limit, value in limits:
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
