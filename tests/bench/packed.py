"""Training examples as one file of arrays: for a machine with a GPU that has torch, but not this package.

    python -m tests.bench.packed windows.npz --validate dev_squad2.jsonl.gz news_a.jsonl=2 ...

Draws the examples of some epochs as `article-qa train` does and tokenises them. A text is held once, however
many examples it is in, which makes the file a tenth as large as the windows. `tests/bench/distil.py` trains
on it.

Arrays: `questions` and `contexts` are the token ids of all texts in a row, `question_sizes` and
`context_sizes` how many each has. Each draw (`draw0`, ...) and the validation windows (`held`) have a row an
example: `_question` and `_context`, the texts' numbers; `_begin` and `_end`, the part of the context's tokens
that is shown; `_targets`, [rows, TARGETS, 2], the first and last token of each answer, counted from `_begin`,
-1 where there is none; `_set`, of a validation window, the number of its set in `sets`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from index.embedder import load_embedder
from qa.examples import Example, Shares, crop, make_articles, make_examples, varied
from qa.gold import GoldQuestion, read_gold
from qa.train import AS_WRITTEN, Recipe, is_held_out, record_of
from qa.train_command import with_times

TARGETS = 6  # answers of one example that are kept
LONGEST = 320  # tokens of a window
LONGEST_QUESTION = 60
SPECIAL = 3  # tokens around question and context
FIELDS = ("question", "context", "begin", "end", "targets")


def main() -> None:
    """Run the command."""
    command = argparse.ArgumentParser(description="Pack training examples into one file.")
    command.add_argument("out", type=Path, metavar="OUT.npz")
    command.add_argument("data", nargs="+", metavar="FILE[=TIMES]", help="as `article-qa train --data`")
    command.add_argument("--draws", type=int, default=2, help="epochs to draw")
    command.add_argument("--validate", metavar="FILE", help="development set, whose paragraphs are read")
    command.add_argument("--tokenizer", default="qa/model/tokenizer.json", metavar="FILE")
    options = command.parse_args()
    recipe = Recipe(dict(with_times(item) for item in options.data), epochs=options.draws)
    packer = Packer(options.tokenizer, random.Random(recipe.seed))
    packer.add(recipe, options.validate)
    np.savez_compressed(options.out, **packer.arrays())
    options.out.with_suffix(".json").write_text(json.dumps(record_of(recipe, None), indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Row:
    """An example, the characters of its context that are shown, and the number of its set."""

    example: Example
    low: int
    high: int
    of_set: int = -1


class Packer:
    """Texts, numbered and tokenised, and the examples they are in.

    Args:
        tokenizer: path of a `tokenizer.json`.
        rng: draws.
    """

    def __init__(self, tokenizer: str, rng: random.Random) -> None:
        self._tokenizer = Tokenizer.from_file(tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._rng = rng
        self._questions: dict[str, int] = {}
        self._contexts: dict[str, int] = {}
        self._rows: dict[str, list[Row]] = {}
        self._sets: list[str] = []

    def add(self, recipe: Recipe, development: str | None) -> None:
        """Draw the epochs of a recipe, and the windows that are kept from them."""
        sets = {name: read_gold(name) for name in recipe.data}
        articles = make_articles((q for questions in sets.values() for q in questions), load_embedder())
        for number in range(recipe.epochs):
            rows = self._rows[f"draw{number}"] = []
            for name, times in recipe.data.items():
                training = [question for question in sets[name] if not is_held_out(question)]
                part = self._rng.sample(training, round(times % 1 * len(training)))
                for question in (*(training * int(times)), *part):
                    made = make_examples(question, articles, recipe.shares, self._rng)
                    rows.extend(self._varied(example, recipe.shares) for example in made)
            print(f"draw {number}: {len(rows)} examples", flush=True)
        self._rows["held"] = []
        for name, questions in sets.items():
            held = (question for question in questions if is_held_out(question))
            made = (e for q in held for e in make_examples(q, articles, AS_WRITTEN, self._rng))
            self._hold(name, made)
        if development:
            self._hold(development, (_of_paragraph(question) for question in read_gold(development)))

    def arrays(self) -> dict[str, np.ndarray]:
        """What the file holds."""
        result: dict[str, np.ndarray] = {"sets": np.array(self._sets)}
        encoded = {}
        for name, texts in (("question", self._questions), ("context", self._contexts)):
            encodings = encoded[name] = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
            result[name + "s"] = np.concatenate([np.array(e.ids, np.int16) for e in encodings])
            result[name + "_sizes"] = np.array([len(e.ids) for e in encodings], np.int16)
        offsets = [np.array(e.offsets).reshape(-1, 2) for e in encoded["context"]]
        for name, rows in self._rows.items():
            packed = [(row, self._window(row, offsets, result["question_sizes"])) for row in rows]
            kept = [(row, window) for row, window in packed if not row.example.spans or window[4][0][0] >= 0]
            for field, values in zip(FIELDS, zip(*(window for _, window in kept), strict=True), strict=True):
                result[f"{name}_{field}"] = np.array(values, np.int16 if field == "targets" else np.int32)
            result[f"{name}_set"] = np.array([row.of_set for row, _ in kept], np.int16)
        return result

    def _varied(self, example: Example, shares: Shares) -> Row:
        """As `qa.examples.varied`, but a cropped context keeps its number: what is shown of it is told."""
        example = varied(example, replace(shares, cropped=0.0), self._rng)
        low, high = 0, len(example.context)
        if self._rng.random() < shares.cropped:
            low, high = crop(example, self._rng)
        return self._numbered(example, low, high)

    def _hold(self, name: str, examples: Iterable[Example]) -> None:
        number = len(self._sets)
        self._rows["held"] += [self._numbered(each, 0, len(each.context), number) for each in examples]
        self._sets.append(Path(name).name)

    def _numbered(self, example: Example, low: int, high: int, of_set: int = -1) -> Row:
        self._questions.setdefault(example.question, len(self._questions))
        self._contexts.setdefault(example.context, len(self._contexts))
        return Row(example, low, high, of_set)

    def _window(
        self, row: Row, offsets: list[np.ndarray], sizes: np.ndarray
    ) -> tuple[int, int, int, int, list[tuple[int, int]]]:
        """The fields of a row; too long a context is cut around its first answer."""
        example, low, high = row.example, row.low, row.high
        question, context = self._questions[example.question], self._contexts[example.context]
        at = offsets[context]
        begin, end = int(np.searchsorted(at[:, 0], low)), int(np.searchsorted(at[:, 1], high, side="right"))
        targets = list(dict.fromkeys(_token_spans(example, at)))
        room = LONGEST - SPECIAL - min(int(sizes[question]), LONGEST_QUESTION)
        if end - begin > room:
            first, last = targets[0] if targets else (self._rng.randint(begin, end - room),) * 2
            before = self._rng.randrange(max(1, room - (last - first)))
            begin = min(max(begin, first - before), end - room, first)
            end = begin + room
        kept = [(f - begin, e - begin) for f, e in targets if begin <= f and e < end][:TARGETS]
        return question, context, begin, end, kept + [(-1, -1)] * (TARGETS - len(kept))


def _token_spans(example: Example, offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    for start, end in example.spans:
        first = int(np.searchsorted(offsets[:, 1], start, side="right"))
        last = int(np.searchsorted(offsets[:, 0], end)) - 1
        if first <= last:
            yield first, last


def _of_paragraph(question: GoldQuestion) -> Example:
    low, high = question.paragraph
    spans = {(start - low, end - low) for start, end in question.spans if low <= start and end <= high}
    return Example(question.question, question.document.text[low:high], tuple(sorted(spans)))


if __name__ == "__main__":
    main()
