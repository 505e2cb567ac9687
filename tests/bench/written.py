"""The questions that were written for the training of the reader, as gold sets to train on.

    python -m tests.bench.written FOLDER squad11_train_part.jsonl.gz squadshifts_new_wiki.jsonl.gz ...

They were written for this project by a language model that read each paragraph, by the guidelines of SQuAD
2.0 (Rajpurkar et al. 2018), and checked on samples by reading:

- `written.jsonl.gz`: two answerable and three unanswerable questions for each of 5,120 paragraphs; the latter
  have a plausible wrong answer in the paragraph;
- `edited.jsonl.gz`: answerable questions of SQuAD 1.1 and SQuADShifts with a word or two changed, so that
  their paragraph does not answer them.

The paragraphs are not here: each is known by its SHA-256 and looked up in the sets given. Licence of the
questions: CC BY-SA 4.0, as that of the sets.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qa.gold import occurrences

SETS = ("written.jsonl.gz", "edited.jsonl.gz")


def main() -> None:
    """Run the command."""
    command = argparse.ArgumentParser(description="Join the questions with their paragraphs.")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="the gold sets are written there")
    command.add_argument("data", type=Path, nargs="+", metavar="FILE", help="sets that hold the paragraphs")
    options = command.parse_args()
    paragraphs = {_digest(row["context"]): row for path in options.data for row in _rows(path)}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        questions = list(_rows(Path(__file__).parent / name))
        rows = list(gold_rows(questions, paragraphs))
        with gzip.GzipFile(options.folder / name, "wb", mtime=0) as file:
            file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        print(
            f"{name}: {len(rows)} questions; the paragraphs of {len(questions) - len(rows)} more are missing"
        )


def gold_rows(
    written: Iterable[dict[str, Any]], paragraphs: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The written questions whose paragraphs are there, as rows of a gold set.

    Args:
        written: rows with `paragraph` (the digest), `question`, `is_impossible`, and `start` and `end` of the
            answer, or of the plausible wrong one.
        paragraphs: rows with `context` and `article`, by the digest of the context.
    """
    for number, row in enumerate(written):
        source = paragraphs.get(row["paragraph"])
        if source is None:
            continue
        text = source["context"][row["start"] : row["end"]]
        # Where the same words stand more than once, any of the places will do.
        places = [] if row["is_impossible"] else occurrences(source["context"], text)
        yield {
            "id": f"{row['paragraph']}-{number}",
            "article": source["article"],
            "question": row["question"],
            "context": source["context"],
            "answers": [{"text": text, "answer_start": start} for start, _ in places],
            "is_impossible": row["is_impossible"],
        }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
