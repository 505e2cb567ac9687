"""`article-qa ask`: one question, one answer, in the terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from index import Document, InputError, read_file, read_stream
from qa.answers import Answer
from qa.engine import ArticleQA, check_question
from seeds import ARTICLE

BOLD, PLAIN = "\033[1m", "\033[0m"


def run(options: argparse.Namespace) -> None:
    """Answer `options.question`; the other options are those of `qa.cli`."""
    check_question(options.question)
    answer = open_engine(options, options.file).answer(options.question)
    if options.json:
        text = json.dumps(answer.to_dict(), ensure_ascii=False)
    else:
        text = as_text(answer, bold=sys.stdout.isatty())
    sys.stdout.write(text + "\n")


def open_engine(options: argparse.Namespace, files: Sequence[str] | None) -> ArticleQA:
    """The engine of a command line: over the index it names, or over files.

    Args:
        options: with `index`, `reader` and `embedder`.
        files: as `read_sources` takes them.
    """
    if options.index is None:
        return ArticleQA.from_documents(read_sources(files), options.reader, options.embedder)
    if files:
        raise InputError(f"Files and --index {options.index} are both named: add the files to the index.")
    return ArticleQA.open(options.index, options.reader, options.embedder)


def read_sources(names: Sequence[str] | None) -> list[Document]:
    """The documents of the `--file` options, "-" being standard input; the bundled article without any."""
    if not names:
        return [read_file(ARTICLE)]
    return [read_stream() if name == "-" else read_file(name) for name in names]


def as_text(answer: Answer, *, bold: bool = False) -> str:
    """An answer for a person to read: a few lines."""
    sure = f"{answer.confidence:.0%} sure"
    if not answer.answered:
        lines = [f"The text doesn't say. ({sure})"]
        if answer.passages:
            nearest = answer.passages[0]
            lines += [
                "",
                f"Closest passage, {nearest.title}, {_place(nearest.start, nearest.end, nearest.page)}:",
            ]
            lines += [f"  {' '.join(nearest.text.split())}"]
        return "\n".join(lines)
    offset = answer.start - answer.sentence_start
    before, after = answer.sentence[:offset], answer.sentence[offset + len(answer.text) :]
    marks = (BOLD, PLAIN) if bold else ("", "")
    sentence = " ".join(f"{before}{marks[0]}{answer.text}{marks[1]}{after}".split())
    where = f"{answer.title}, {_place(answer.start, answer.end, answer.page)}"
    return f"{marks[0]}{answer.text}{marks[1]}  ({sure})\n\n  {sentence}\n  {where}"


def _place(start: int, end: int, page: int | None) -> str:
    return (f"page {page}, " if page else "") + f"characters {start}-{end}"
