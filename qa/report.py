"""The evaluation report: one HTML page that needs nothing else, results.json and predictions.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from qa.plots import draw
from qa.predictions import Prediction, f1, write_predictions
from qa.table import failures, table

Span = tuple[int, int]


def write_report(
    summary: Mapping[str, float], predictions: Sequence[Prediction], title: str, folder: Path
) -> Path:
    """Write report.html, results.json and predictions.jsonl.

    Args:
        summary: metrics of the predictions, from `qa.metrics.summarise`.
        predictions: at least one.
        title: what was evaluated on what.
        folder: where to; made when missing, files in it replaced.

    Returns:
        The path of report.html.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = {"title": title, "metrics": dict(summary), "failures": failures(predictions)}
    text = json.dumps(results, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    write_predictions(predictions, folder / "predictions.jsonl")
    path = folder / "report.html"
    path.write_text(_page(summary, predictions, title), encoding="utf-8")
    return path


def _page(summary: Mapping[str, float], predictions: Sequence[Prediction], title: str) -> str:
    source = files("qa").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    wrong = sorted((p for p in predictions if not p.right), key=lambda p: -p.confidence)
    return environment.from_string(source).render(
        title=title,
        summary=summary,
        groups=table(summary),
        # The only markup that is not escaped: drawn here, and of numbers and labels of ours.
        plots=[plot._replace(svg=Markup(plot.svg)) for plot in draw(predictions)],  # noqa: S704
        failures=failures(predictions),
        misses=[_miss(p) for p in wrong],
    )


def _miss(prediction: Prediction) -> dict[str, Any]:
    """What the page shows of a miss."""
    return {
        "id": prediction.id,
        "article": prediction.article,
        "question": prediction.question,
        "failure": prediction.failure,
        "gold": prediction.answers,
        "shown": prediction.text,
        "best": prediction.best,
        "f1": f1(prediction.text, prediction.answers),
        "confidence": prediction.confidence,
        "score": prediction.score,
        "rank": prediction.gold_rank,
        "texts": _texts(prediction),
    }


def _texts(prediction: Prediction) -> list[dict[str, Any]]:
    """The passages to show, in pieces: one if one holds the other, else the prediction's and the gold's."""
    passage, gold_passage = prediction.passage, prediction.gold_passage
    best = _span(passage, prediction.best_start - prediction.passage_start, [prediction.best])
    gold = _span(gold_passage, prediction.gold_start, prediction.answers)
    if gold_passage and (at := passage.find(gold_passage)) >= 0:
        return [{"label": "Passage", "pieces": mark(passage, best, _shift(gold, at))}]
    if passage and (at := gold_passage.find(passage)) >= 0:
        return [{"label": "Passage", "pieces": mark(gold_passage, _shift(best, at), gold)}]
    texts = []
    if passage:
        texts.append({"label": "Passage of the prediction", "pieces": mark(passage, best, None)})
    if gold_passage:
        texts.append({"label": "Passage of the gold answer", "pieces": mark(gold_passage, None, gold)})
    return texts


def _span(text: str, start: int, candidates: Sequence[str]) -> Span | None:
    """Where the longest of the candidates that starts at `start` stands; None when none does."""
    lengths = [len(candidate) for candidate in candidates if start >= 0 and text.startswith(candidate, start)]
    return (start, start + max(lengths)) if any(lengths) else None


def _shift(span: Span | None, by: int) -> Span | None:
    return span and (span[0] + by, span[1] + by)


def mark(text: str, best: Span | None, gold: Span | None) -> list[tuple[str, str]]:
    """Cut a text where marks start and end.

    Args:
        text: to cut.
        best: (start, end) of the prediction, in characters of the text; None when it is not there.
        gold: (start, end) of the gold answer, likewise.

    Returns:
        (piece, kind) in order, kind "best", "gold", "both" or "" for neither.
    """
    spans = {"best": best, "gold": gold}
    cuts = sorted({0, len(text), *(cut for span in spans.values() for cut in span or ())})
    pieces = []
    for start, end in pairwise(cuts):
        kinds = [kind for kind, span in spans.items() if span and span[0] <= start and end <= span[1]]
        pieces.append((text[start:end], "both" if len(kinds) == 2 else "".join(kinds)))
    return pieces
