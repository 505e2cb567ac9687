"""Evaluation of follow-up questions, over the `dialogue` turns of gold documents.

Each later turn is asked three ways: written in full by the gold set's author (the upper bound), as it was
typed in the conversation so far (what is measured), and as it was typed, alone (the lower bound). Besides,
each plain question of the set is asked after the one before it, to see how many that stand alone are
changed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from qa.engine import ArticleQA
from qa.followup import Turn, understood
from qa.gold import GoldQuestion, read_dialogues, read_gold
from qa.predictions import exact_match, f1

WAYS = ("standalone", "understood", "typed")


def evaluate_dialogues(
    path: Path | str, reader: str | None = None, embedder: str | None = None
) -> dict[str, float]:
    """What follow-up questions get.

    Args:
        path: a gold set of documents with their questions and, of some, `dialogue`s.
        reader: folder or hub id of a model; None for the bundled one.
        embedder: the same.

    Returns:
        `f1_WAY` and `em_WAY` in per cent over all turns but the first, `f1_WAY_N` of turn N, `share`
        of the F1 that the questions in full get, `changed` of the plain questions in per cent,
        `milliseconds` that understanding adds to a question, `turns` and `questions`; of a set without
        dialogues only what is about plain questions.

    Raises:
        InputError: the file cannot be read.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for document, turns in read_dialogues(path):
        engine = ArticleQA.from_documents([document], reader, embedder)
        chat = engine.dialogue()
        for number, turn in enumerate(turns, 1):
            said = chat.ask(turn.question).text
            if number == 1:
                continue
            full, alone = engine.answer(turn.standalone).text, engine.answer(turn.question).text
            for way, text in zip(WAYS, (full, said, alone), strict=True):
                scores[f"f1_{way}"].append(f1(text, turn.answers))
                scores[f"em_{way}"].append(exact_match(text, turn.answers))
                scores[f"f1_{way}_{number}"].append(scores[f"f1_{way}"][-1])
    if not scores:
        return _changed(read_gold(path))
    metrics = {name: 100 * sum(values) / len(values) for name, values in sorted(scores.items())}
    metrics["share"] = 100 * metrics["f1_understood"] / metrics["f1_standalone"]
    return metrics | {"turns": len(scores["f1_typed"])} | _changed(read_gold(path))


def _changed(questions: list[GoldQuestion]) -> dict[str, float]:
    count = 0
    began = time.perf_counter()
    for before, question in pairwise(questions):
        if before.document.id == question.document.id:
            turns = [Turn(before.question, (), next(iter(before.answers), ""))]
            count += understood(question.question, turns)[0] != question.question
    seconds = time.perf_counter() - began
    total = len(questions)
    return {"questions": total, "changed": 100 * count / total, "milliseconds": 1000 * seconds / total}
