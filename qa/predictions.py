"""What was answered to a gold question, and how it is judged: exact match, F1, right or what failed."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from index import InputError

RIGHT = 0.6  # F1 from which a shown answer counts as right: one word too many or too few is forgiven
FAILURES = ("retrieval", "reading", "wrong abstention", "missed abstention")

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Prediction:
    """A gold question and what was answered to it.

    Attributes:
        id: the question's, unique within its gold set.
        article: the document it is asked of; questions of one article are resampled together.
        question: as asked.
        answers: acceptable answers; empty when the document has none.
        text: the answer shown; "" when it abstained.
        best: the best span found, also when it abstained; "" when there was none.
        score: of `best`; higher means likelier that the document answers; finite.
        confidence: calibrated probability that what is shown is right, in [0, 1].
        candidates: the best span, then the alternatives.
        gold_rank: rank, from 1, of the first retrieved passage that holds a gold span; None when none was
            retrieved or there is none.
        read: how many of the retrieved passages the reader saw.
        passage: the passage that `best` stands in.
        passage_start, best_start: where the passage and `best` start in the document, in characters.
        gold_passage: the text around the gold answer; "" when there is none.
        gold_start: where the gold answer starts in `gold_passage`, in characters; -1 when there is none.
        seconds: what answering took.
    """

    id: str
    article: str
    question: str
    answers: tuple[str, ...]
    text: str
    best: str
    score: float
    confidence: float
    candidates: tuple[str, ...]
    gold_rank: int | None
    read: int
    passage: str
    passage_start: int
    best_start: int
    gold_passage: str
    gold_start: int
    seconds: float

    @property
    def answerable(self) -> bool:
        """Whether the document answers the question."""
        return bool(self.answers)

    @property
    def answered(self) -> bool:
        """Whether an answer was shown."""
        return bool(self.text)

    @property
    def right(self) -> bool:
        """Whether what was shown is right: an answer with an F1 of `RIGHT`, or an abstention where due."""
        if not self.answerable or not self.answered:
            return self.answerable == self.answered
        return f1(self.text, self.answers) >= RIGHT

    @property
    def failure(self) -> str | None:
        """What failed, one of `FAILURES`, None when the prediction is right.

        The first stage to blame: the gold was not among the passages read; it was, but the best span is
        another; the best span is right, but was withheld. On a question without an answer, only abstaining
        can fail.
        """
        if self.right:
            return None
        if not self.answerable:
            return "missed abstention"
        if f1(self.best, self.answers) >= RIGHT and not self.answered:
            return "wrong abstention"
        return "reading" if self.gold_rank and self.gold_rank <= self.read else "retrieval"

    def to_dict(self) -> dict[str, Any]:
        """The row of predictions.jsonl."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Prediction:
        """A prediction from a row of predictions.jsonl.

        Raises:
            KeyError: a field is missing.
        """
        values = {field.name: row[field.name] for field in fields(cls)}
        return cls(**values | {"answers": tuple(row["answers"]), "candidates": tuple(row["candidates"])})


def normalise_answer(text: str) -> str:
    """`text` in lower case, without ASCII punctuation, English articles and superfluous white space.

    As the official evaluation script of SQuAD does it (Rajpurkar et al. 2016).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(text: str, answers: Iterable[str]) -> float:
    """1.0 when `text` equals one of the answers after normalisation, else 0.0.

    As SQuAD 2.0 does it (Rajpurkar et al. 2018).

    Args:
        text: what was answered; "" for an abstention.
        answers: acceptable answers. Those that normalise to nothing are dropped; when none is left, "" is
            right.
    """
    return float(normalise_answer(text) in _golds(answers))


def f1(text: str, answers: Iterable[str]) -> float:
    """Harmonic mean of word precision and recall, against the best of the answers, in [0, 1].

    As SQuAD 2.0 does it (Rajpurkar et al. 2018): words count as often as they occur, and an empty text only
    matches an empty answer. Arguments as for `exact_match`.
    """
    words = normalise_answer(text).split()
    return max(_overlap(words, gold.split()) for gold in _golds(answers))


def _golds(answers: Iterable[str]) -> list[str]:
    return [gold for answer in answers if (gold := normalise_answer(answer))] or [""]


def _overlap(words: list[str], gold: list[str]) -> float:
    if not words or not gold:
        return float(words == gold)
    return 2 * (Counter(words) & Counter(gold)).total() / (len(words) + len(gold))


def write_predictions(predictions: Iterable[Prediction], path: Path) -> None:
    """Write predictions as JSON Lines."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for prediction in predictions:
            file.write(json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")


def read_predictions(path: Path) -> list[Prediction]:
    """Read predictions that `write_predictions` wrote.

    Raises:
        InputError: the file cannot be read, or a line of it is no prediction (named by its number).
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a predictions.jsonl.") from None
    predictions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            predictions.append(Prediction.from_dict(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            reason = f"not a prediction ({error!r})"
            raise InputError(f"{path}, line {number}: {reason}; evaluate again.") from None
    return predictions
