"""The metrics as people read them: in groups, with labels and units. The page and the terminal share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from qa.predictions import FAILURES, Prediction

# Metric -> label and format, by group.
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Answers": {
        "f1": ("F1", "{:.1f}%"),
        "em": ("Exact match", "{:.1f}%"),
        "answerable_f1": ("F1, answerable", "{:.1f}%"),
        "answerable_em": ("Exact match, answerable", "{:.1f}%"),
        "unanswerable_f1": ("F1, unanswerable", "{:.1f}%"),
        "forced_f1": ("Forced F1, answerable", "{:.1f}%"),
        "forced_em": ("Forced exact match, answerable", "{:.1f}%"),
        "best_f1": ("Best-threshold F1", "{:.1f}%"),
        "best_em": ("Best-threshold exact match", "{:.1f}%"),
        "answer@1": ("Gold answer is the best span", "{:.1f}%"),
        "answer@3": ("Gold answer in the top 3 spans", "{:.1f}%"),
    },
    "Retrieval": {
        "recall@1": ("Recall@1", "{:.1f}%"),
        "recall@3": ("Recall@3", "{:.1f}%"),
        "recall@5": ("Recall@5", "{:.1f}%"),
        "recall@10": ("Recall@10", "{:.1f}%"),
        "mrr": ("Mean reciprocal rank", "{:.3f}"),
    },
    "Abstention": {
        "abstention_precision": ("Precision", "{:.1f}%"),
        "abstention_recall": ("Recall", "{:.1f}%"),
        "abstention_f1": ("F1", "{:.1f}%"),
    },
    "Confidence": {
        "accuracy": ("Right", "{:.1f}%"),
        "accuracy_of_answers": ("Right, of the answers shown", "{:.1f}%"),
        "accuracy_of_confident_half": ("Right, of their most confident half", "{:.1f}%"),
        "ece": ("Expected calibration error", "{:.3f}"),
        "brier": ("Brier score", "{:.3f}"),
        "aurc": ("Area under risk-coverage", "{:.3f}"),
    },
    "Speed": {
        "latency_p50_ms": ("Latency, median", "{:.1f} ms"),
        "latency_p95_ms": ("Latency, 95th percentile", "{:.1f} ms"),
        "questions_per_second": ("Questions per second", "{:.1f}"),
    },
}


class Row(NamedTuple):
    """A metric to show."""

    label: str
    value: str
    note: str


def table(summary: Mapping[str, float]) -> dict[str, list[Row]]:
    """The metrics that are there, by group."""
    groups = {
        title: [_row(summary, name, *style) for name, style in metrics.items() if name in summary]
        for title, metrics in GROUPS.items()
    }
    return {title: rows for title, rows in groups.items() if rows}


def failures(predictions: Iterable[Prediction]) -> dict[str, int]:
    """How often each of `FAILURES` is to blame."""
    counts = Counter(p.failure for p in predictions)
    return {name: counts[name] for name in FAILURES}


def _row(summary: Mapping[str, float], name: str, label: str, style: str) -> Row:
    note = ""
    if f"{name}_low" in summary:
        note = f"{summary[f'{name}_low']:.1f} to {summary[f'{name}_high']:.1f}"
    elif f"{name}_by_chance" in summary:
        note = f"{summary[f'{name}_by_chance']:.3f} were it perfect"
    elif f"{name}_threshold" in summary:
        note = f"score ≥ {summary[f'{name}_threshold']:.2f}"
    return Row(label, style.format(summary[name]), note)
