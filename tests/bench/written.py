"""The questions that were written for the training of the reader, as a gold set to train on.

    python -m tests.bench.written OUT.jsonl.gz squad11_train_part.jsonl.gz squadshifts_new_wiki.jsonl.gz ...

`written.jsonl.gz` holds two answerable and three unanswerable questions for each of some thousand paragraphs
of public sets, written for this project by a language model that read each paragraph, by the guidelines of
SQuAD 2.0 (Rajpurkar et al. 2018): the unanswerable ones change a word or two of a question that the paragraph
answers and have a plausible wrong answer in it. The paragraphs are not here: each is known by its SHA-256 and
looked up in the sets given. Licence of the questions: CC BY-SA 4.0.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WRITTEN = Path(__file__).with_suffix(".jsonl.gz")


def main() -> None:
    """Run the command."""
    command = argparse.ArgumentParser(description="Join the written questions with their paragraphs.")
    command.add_argument("out", type=Path, metavar="OUT", help="gold set to write, gzipped JSON Lines")
    command.add_argument("data", type=Path, nargs="+", metavar="FILE", help="sets that hold the paragraphs")
    options = command.parse_args()
    paragraphs = {_digest(row["context"]): row for path in options.data for row in _rows(path)}
    rows = list(gold_rows(_rows(WRITTEN), paragraphs))
    with gzip.GzipFile(options.out, "wb", mtime=0) as file:
        file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    missing = len(list(_rows(WRITTEN))) - len(rows)
    print(f"{len(rows)} questions; {missing} more are over paragraphs of sets that were not given")


def gold_rows(
    written: Iterable[dict[str, Any]], paragraphs: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The written questions whose paragraphs are there, as rows of a gold set.

    Args:
        written: rows with `paragraph` (the digest), `question`, `start` and `end` of the answer, or of the
            plausible wrong one, and `is_impossible`.
        paragraphs: rows with `context` and `article`, by the digest of the context.
    """
    for number, row in enumerate(written):
        source = paragraphs.get(row["paragraph"])
        if source is None:
            continue
        text = source["context"][row["start"] : row["end"]]
        answers = [] if row["is_impossible"] else [{"text": text, "answer_start": row["start"]}]
        yield {
            "id": f"written-{number}",
            "article": source["article"],
            "question": row["question"],
            "context": source["context"],
            "answers": answers,
            "is_impossible": row["is_impossible"],
        }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
