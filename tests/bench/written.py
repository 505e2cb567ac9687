"""The questions that were written for the training of the reader, as gold sets to train on.

    python -m tests.bench.written FOLDER squad11_train_part.jsonl.gz news_a.jsonl ...

They were written for this project by a language model that read each paragraph, by the guidelines of SQuAD
2.0 (Rajpurkar et al. 2018), and checked on samples by reading:

- `written.jsonl.gz`: two answerable and three unanswerable questions for each of 5,600 paragraphs; the latter
  have a plausible wrong answer in the paragraph;
- `edited.jsonl.gz`: answerable questions of SQuAD 1.1 and SQuADShifts with a word or two changed, so that
  their paragraph does not answer them, most of them twice in different ways;
- `pairs.jsonl.gz`: answerable questions as SQuAD has them, each with a twin of a word or two changed, which
  its paragraph does not answer;
- `traps.jsonl.gz`: eight questions over each of 1,360 paragraphs, most of them in pairs of which one is
  answered and the other not: a negation, who does what to whom, a word turned to its opposite, facts of two
  sentences crossed, another property of the same thing, a quantity;
- `shortened.jsonl.gz`: answerable questions of the sets cut before where, when or by whom ("What destroyed
  the crop in Baltimore?"), kept where the reader still finds the same answer in the paragraph;
- `short.jsonl.gz`: questions of two to five words, as people begin a chat with, over the news, the documents
  and the invented ones: ten for each, up to four of them unanswerable, less those unanswerable ones whose
  very words recur more often than answerable, so that no wording alone tells which it is;
- `phrases.jsonl.gz`: over the same documents, four questions each whose answer is a whole phrase, and three
  that miss by little: too fine, another name, another time or relation;
- `tiny.jsonl.gz`: texts of one to four sentences, as one tries a chatbot with, two questions each that they
  answer and three that they do not;
- `turns.jsonl.gz`: the dialogues that come with the documents, each later turn in full and as a chat
  understands it, with what it leans on in brackets;
- `off_topic.txt.gz`: what people type that has nothing to do with a document; each is asked of a paragraph
  and of a document;
- `invented.jsonl.gz`: invented documents with questions, most of them worded far from the text, whole;
- `documents.jsonl.gz`: more of these, to fit the confidence on.

The texts are not here: each is known by its SHA-256 and looked up in the sets given. Licence of the
questions: CC BY-SA 4.0, as that of the sets.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qa.followup import Turn, understood
from qa.gold import occurrences

HERE = Path(__file__).parent
SETS = ("written.jsonl.gz", "edited.jsonl.gz", "pairs.jsonl.gz", "traps.jsonl.gz", "shortened.jsonl.gz")
OVER_DOCUMENTS = ("short.jsonl.gz", "phrases.jsonl.gz")
TURNS = "turns.jsonl.gz"
OFF_TOPIC = "off_topic"
INVENTED, TINY, DOCUMENTS = "invented.jsonl.gz", "tiny.jsonl.gz", "documents.jsonl.gz"
SHORT = 200  # characters of a paragraph of a document below which nothing is asked of it


def main() -> None:
    """Run the command."""
    command = argparse.ArgumentParser(description="Join the questions with their paragraphs.")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="the gold sets are written there")
    command.add_argument("data", type=Path, nargs="+", metavar="FILE", help="sets that hold the paragraphs")
    options = command.parse_args()
    rows = [row for path in options.data for row in _rows(path)]
    paragraphs = {_digest(row["context"]): row for row in rows if "context" in row}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        questions = list(_rows(HERE / name))
        joined = list(gold_rows(questions, paragraphs))
        _write(options.folder / name, joined)
        print(
            f"{name}: {len(joined)} questions; paragraphs of {len(questions) - len(joined)} more are missing"
        )
    messages = gzip.decompress((HERE / f"{OFF_TOPIC}.txt.gz").read_bytes()).decode().splitlines()
    texts = [row for row in [*rows, *_rows(HERE / INVENTED)] if "text" in row]
    for name in OVER_DOCUMENTS:
        kind = name.split(".", maxsplit=1)[0]
        over = list(document_rows(kind, _rows(HERE / name), {_digest(row["text"]): row for row in texts}))
        _write(options.folder / name, over)
        print(f"{name}: questions over {len(over)} documents")
    _write(options.folder / TURNS, map(turn_row, (row for row in texts if "dialogue" in row)))
    documents = [
        {"context": part, "article": row["title"]}
        for row in texts
        for part in row["text"].splitlines()
        if len(part) >= SHORT
    ]
    kinds = [group for group in (list(paragraphs.values()), documents) if group]
    _write(options.folder / f"{OFF_TOPIC}.jsonl.gz", off_topic_rows(messages, kinds))
    for name in (INVENTED, TINY, DOCUMENTS):
        shutil.copy(HERE / name, options.folder)


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
        answers = [{"text": text, "answer_start": start} for start, _ in places]
        yield _gold_row(f"{row['paragraph']}-{number}", row["question"], source, answers)


def document_rows(
    kind: str, written: Iterable[dict[str, Any]], documents: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The documents that are there with the questions written over them, as rows of a gold set.

    Args:
        kind: of the questions, for their ids.
        written: rows with `document` (the digest), `question`, `is_impossible`, and `start` and
            `end` of the answer.
        documents: rows with `id`, `title` and `text`, by the digest of the text.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in written:
        groups.setdefault(row["document"], []).append(row)
    for digest, group in groups.items():
        if source := documents.get(digest):
            yield {
                "id": source["id"],
                "title": source["title"],
                "text": source["text"],
                "qas": [
                    {
                        "id": f"{source['id']}-{kind}-{number}",
                        "question": row["question"],
                        "answers": [source["text"][row["start"] : row["end"]]] * (not row["is_impossible"]),
                    }
                    for number, row in enumerate(group)
                ],
            }


def turn_row(document: dict[str, Any]) -> dict[str, Any]:
    """A document with the later turns of its dialogue as questions of a gold set.

    Args:
        document: `id`, `title`, `text`, and `dialogue`, turns with `question`, `standalone` and `answers`.
    """
    questions: list[dict[str, Any]] = []
    turns: list[Turn] = []
    for number, turn in enumerate(document["dialogue"]):
        asked, context = understood(turn["question"], turns)
        turns.append(Turn(turn["question"], context, next(iter(turn["answers"]), "")))
        for question in sorted({turn["standalone"], asked}) if number else ():
            identity = f"{document['id']}-turn-{len(questions)}"
            questions.append({"id": identity, "question": question, "answers": turn["answers"]})
    return {name: document[name] for name in ("id", "title", "text")} | {"qas": questions}


def off_topic_rows(
    messages: Sequence[str], kinds: Sequence[Sequence[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Each message asked of one paragraph of each kind, drawn at random, as rows of a gold set.

    Args:
        messages: what people type.
        kinds: rows with `context` and `article`.
    """
    rng = random.Random(1)
    for number, message in enumerate(messages):
        for kind, paragraphs in enumerate(kinds):
            yield _gold_row(f"off-topic-{number}-{kind}", message, rng.choice(paragraphs), [])


def _gold_row(
    identity: str, question: str, source: dict[str, Any], answers: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": identity,
        "article": source["article"],
        "question": question,
        "context": source["context"],
        "answers": answers,
        "is_impossible": not answers,
    }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    yield from map(json.loads, text.rstrip().split("\n"))


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
