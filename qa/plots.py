"""Plots of predictions, as SVG for an HTML page that sets `--ink`, `--line`, `--first` and `--second`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qa.metrics import confidences
from qa.predictions import Prediction, f1, normalise_answer
from qa.reliability import reliability, risk_coverage

# Colours that stand for the page's, so that a plot follows its light or dark scheme.
INK, LINE, FIRST, SECOND = "#000001", "#000002", "#000003", "#000004"
_VARIABLES = {INK: "var(--ink)", LINE: "var(--line)", FIRST: "var(--first)", SECOND: "var(--second)"}

_STYLE: Any = {
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "xtick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.color": LINE,
    "ytick.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "article-qa",  # the same predictions give the same bytes
}

_QUESTION_WORD = re.compile(r"\b(how (?:many|much)|how|who|what|when|where|which|why)(?:m|se|'s|’s)?\b")
_QUESTION_WORDS = ("who", "what", "when", "where", "which", "why", "how", "how many", "other")
_LENGTHS = ((1, "1 word"), (2, "2"), (3, "3"), (4, "4"), (6, "5–6"), (10, "7–10"), (np.inf, "11 or more"))


class Plot(NamedTuple):
    """A plot: its title, how to read it, and an `svg` element."""

    title: str
    caption: str
    svg: str


def draw(predictions: Sequence[Prediction]) -> list[Plot]:
    """All plots that the predictions have data for.

    Args:
        predictions: at least one.
    """
    plots = [
        _plot(
            "Reliability",
            "Confidence against how often it is right, in bins of equally many questions. On the dotted "
            "line, a confidence of 80% is right 8 times in 10; below the line, confidences are too high.",
            lambda axes: _draw_reliability(axes, predictions),
        ),
        _plot(
            "Scores",
            "The score of the best span. The less the two overlap, the better a threshold can tell questions "
            "with an answer from those without.",
            lambda axes: _draw_scores(axes, predictions),
        ),
        _plot(
            "Latency",
            "Time per question. The slowest 1% are counted in the last bar.",
            lambda axes: _draw_latency(axes, predictions),
        ),
        _plot(
            "F1 by question word",
            "All questions, by their first question word; n is how many there are.",
            lambda axes: _draw_f1(axes, _by_question_word(predictions)),
        ),
    ]
    if answerable := [p for p in predictions if p.answerable]:
        caption = "Answerable questions, by the words of their shortest gold answer; n is how many there are."
        lengths = _by_answer_length(answerable)
        plots.append(_plot("F1 by answer length", caption, lambda axes: _draw_f1(axes, lengths)))
    if answered := [p for p in predictions if p.answered]:
        caption = (
            "How many answers are wrong when only the most confident are kept. The lower the curve, the "
            "better confidence tells right answers from wrong ones."
        )
        plots.insert(1, _plot("Risk and coverage", caption, lambda axes: _draw_risk_coverage(axes, answered)))
    return plots


def question_word(question: str) -> str:
    """The first question word of a question, in lower case; "how many" also for "how much"; else "other"."""
    found = _QUESTION_WORD.search(question.lower())
    return found[1].replace("much", "many") if found else "other"


def _plot(title: str, caption: str, draw_on: Callable[[Axes], None]) -> Plot:
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.4, 3.1), layout="constrained")
        draw_on(figure.add_subplot())
        file = StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return Plot(title, caption, _inline(file.getvalue(), title))


def _inline(svg: str, title: str) -> str:
    """The `svg` element alone, sized by the page, in its colours, with ids of its own."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg)
    prefix = title.replace(" ", "-").lower()
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="Plot: {title}"', 1)


def _draw_reliability(axes: Axes, predictions: Sequence[Prediction]) -> None:
    curve = reliability(*confidences(predictions))
    axes.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(100 * curve.confidence, 100 * curve.right, color=FIRST, marker="o", markersize=4)
    axes.set(xlabel="confidence, %", ylabel="right, %", xlim=(0, 102), ylim=(0, 102))


def _draw_risk_coverage(axes: Axes, answered: Sequence[Prediction]) -> None:
    coverage, risk = risk_coverage(*confidences(answered))
    axes.plot(100 * coverage, 100 * risk, color=FIRST)
    axes.fill_between(100 * coverage, 100 * risk, color=FIRST, alpha=0.15, linewidth=0)
    axes.set(xlabel="answers kept, %", ylabel="wrong among them, %", xlim=(0, 102))
    axes.set_ylim(bottom=0, top=max(5, 110 * risk.max()))


def _draw_scores(axes: Axes, predictions: Sequence[Prediction]) -> None:
    bins = np.histogram_bin_edges([p.score for p in predictions], bins=30)
    for answerable, name, colour in ((True, "answerable", FIRST), (False, "unanswerable", SECOND)):
        scores = [p.score for p in predictions if p.answerable == answerable]
        if scores:
            axes.hist(scores, bins=bins.tolist(), color=colour, alpha=0.45)
            axes.hist(scores, bins=bins.tolist(), color=colour, histtype="step", linewidth=1.2, label=name)
    axes.set(xlabel="score", ylabel="questions")
    axes.legend(loc="best")


def _draw_latency(axes: Axes, predictions: Sequence[Prediction]) -> None:
    latency = np.array([1000 * p.seconds for p in predictions])
    shown = np.minimum(latency, np.percentile(latency, 99))
    axes.hist(shown, bins=30, color=FIRST, alpha=0.75)
    for percent, style in ((50, "-"), (95, "--")):
        value = float(np.percentile(latency, percent))
        axes.axvline(value, color=INK, linewidth=1.2, linestyle=style, label=f"p{percent} {value:.1f} ms")
    axes.set(xlabel="ms", ylabel="questions")
    axes.legend(loc="best")


def _by_question_word(predictions: Sequence[Prediction]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {word: [] for word in _QUESTION_WORDS}
    for p in predictions:
        groups[question_word(p.question)].append(f1(p.text, p.answers))
    return groups


def _by_answer_length(answerable: Sequence[Prediction]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {name: [] for _, name in _LENGTHS}
    for p in answerable:
        length = min(len(normalise_answer(answer).split()) for answer in p.answers)
        groups[next(name for most, name in _LENGTHS if length <= most)].append(f1(p.text, p.answers))
    return groups


def _draw_f1(axes: Axes, groups: dict[str, list[float]]) -> None:
    groups = {name: values for name, values in reversed(groups.items()) if values}
    means = [100 * float(np.mean(values)) for values in groups.values()]
    axes.barh(list(groups), means, color=FIRST, alpha=0.75)
    for row, (mean, values) in enumerate(zip(means, groups.values(), strict=True)):
        axes.text(mean + 1.5, row, f"{mean:.1f}  (n {len(values):,})", va="center", fontsize=8.5)
    axes.set(xlabel="F1, %", xlim=(0, 135), xticks=range(0, 101, 20))
    axes.grid(visible=False, axis="y")
