"""`article-qa evaluate`: the numbers of a gold set, in the terminal, as JSON, and as a report."""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from index import InputError
from qa.dialogue_evaluation import evaluate_dialogues
from qa.engine import ArticleQA
from qa.evaluation import EvaluationResult, conclude, load_questions, of_all, predict, sources
from qa.gold import GoldQuestion
from qa.predictions import Prediction, read_predictions
from qa.significance import Comparison, compare
from qa.table import GROUPS, failures, table

logger = logging.getLogger(__name__)

LOWER_IS_BETTER = frozenset(("ece", "brier", "aurc", "latency_p50_ms", "latency_p95_ms"))
INTERRUPTED = 130
DIALOGUE = "dialogue"


class Bar(NamedTuple):
    """A value that a metric has to reach, or where lower is better not to exceed."""

    metric: str
    value: float

    def complaint(self, metrics: Mapping[str, float]) -> str | None:
        """What is wrong with the metrics, in a sentence; None when they pass."""
        measured = metrics.get(self.metric)
        if measured is None:
            return f"{self.metric} is not defined for these questions: the bar of {self.value:g} is missed."
        if self.metric in LOWER_IS_BETTER:
            missed, side = measured > self.value, "above"
        else:
            missed, side = measured < self.value, "below"
        return f"{self.metric} is {measured:.6g}, {side} the bar of {self.value:g}." if missed else None


class Earlier(NamedTuple):
    """What `--against` names."""

    title: str
    predictions: list[Prediction]


def run(options: argparse.Namespace) -> int:
    """Evaluate as `options`, those of `qa.cli`, say; all input is checked before the first question."""
    if options.task == DIALOGUE:
        return _run_dialogues(options)
    bars = [_bar(text) for text in options.fail_under]
    engine = ArticleQA.open(options.index, options.reader, options.embedder) if options.index else None
    questions = _questions(options, engine)
    earlier = _earlier(Path(options.against), questions) if options.against else None
    if options.report:
        _make(Path(options.report))
    predictions = _predictions(questions, options, engine)
    interrupted = len(predictions) < len(questions)
    part = f", the first {len(predictions):,} of {len(questions):,} questions" if interrupted else ""
    reader = f", reader {options.reader}" if options.reader else ""
    of = f", over {options.index}" if options.index else ""
    title = f"{Path(options.gold).name}, {options.task} task{of}{reader}{part}"
    result = conclude(predictions, title, options.task)
    page = _write(result, Path(options.report)) if options.report else None
    comparison = compare(earlier.predictions, predictions) if earlier and not interrupted else None
    if options.json:
        against = {"against": asdict(comparison)} if comparison else {}
        print(json.dumps(result.metrics | against))
    else:
        print("\n".join(_lines(result)))
        if earlier and comparison:
            print("\n".join(_comparison_lines(earlier, result, comparison)))
        if page:
            print(f"\nReport: {page}")
    if interrupted:
        _say(f"interrupted after {len(predictions):,} of {len(questions):,} questions: this is of those.")
        return INTERRUPTED
    complaints = [complaint for bar in bars if (complaint := bar.complaint(result.metrics))]
    for complaint in complaints:
        _say(complaint)
    return 1 if complaints else 0


def _run_dialogues(options: argparse.Namespace) -> int:
    """Print what follow-up questions get."""
    unused = [name for name in ("file", "index", "report", "against", "fail_under") if getattr(options, name)]
    if unused:
        raise InputError(f"--{unused[0].replace('_', '-')} does not go with the dialogue task: leave it out.")
    metrics = evaluate_dialogues(options.gold, options.reader, options.embedder)
    if options.json:
        print(json.dumps(metrics))
        return 0
    print(f"{Path(options.gold).name}, dialogue task")
    if "turns" in metrics:
        print(f"{metrics['turns']:,} follow-up questions                       F1     exact")
        for way, label in (
            ("standalone", "written in full"),
            ("understood", "understood"),
            ("typed", "as typed"),
        ):
            print(f"  {label:36}{metrics[f'f1_{way}']:8.1f}%{metrics[f'em_{way}']:8.1f}%")
        print(f"  understood, of written in full      {metrics['share']:8.1f}%")
    print(f"{metrics['questions']:,} plain questions, each after the one before it")
    print(f"  changed                             {metrics['changed']:8.2f}%")
    print(f"  time to understand one              {metrics['milliseconds']:8.3f} ms")
    return 0


def _bar(text: str) -> Bar:
    metric, _, number = text.partition("=")
    known = [name for metrics in GROUPS.values() for name in metrics]
    if metric not in known:
        raise InputError(f"--fail-under: there is no metric {metric!r}; name one of {', '.join(known)}.")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"--fail-under: {number!r} is no number; write {metric}=VALUE.")
    return Bar(metric, value)


def _questions(options: argparse.Namespace, engine: ArticleQA | None) -> list[GoldQuestion]:
    if options.file and engine:
        raise InputError(f"--file and --index {options.index} are both named: add the files to the index.")
    documents = sources(options.file, engine)
    questions = load_questions(options.gold, documents, skip_bad=options.skip_bad)
    if options.file and not {document.id for document in documents} & {q.document.id for q in questions}:
        logger.warning("--file is not used: the questions of %s come with their text.", options.gold)
    return questions


def _earlier(path: Path, questions: Sequence[GoldQuestion]) -> Earlier:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        title, count = results["title"], results["metrics"]["questions"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a results.json that --report wrote: name one.") from None
    predictions = read_predictions(path.with_name("predictions.jsonl"))
    if count != len(predictions):
        raise InputError(f"{path} does not belong to the predictions.jsonl beside it: evaluate again.")
    differing = {question.id for question in questions} ^ {prediction.id for prediction in predictions}
    if differing:
        raise InputError(
            f"{path} is over other questions: {len(differing):,} ids are only in one of the two sets, the "
            f"first being {min(differing)!r}; name results over the same questions."
        )
    return Earlier(str(title), predictions)


def _make(folder: Path) -> None:
    """Find out before the work, not after it, whether the report can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "predictions.jsonl").open("a").close()
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}): name another folder.") from None


def _predictions(
    questions: list[GoldQuestion], options: argparse.Namespace, engine: ArticleQA | None
) -> list[Prediction]:
    """All predictions, or those that were made before the interrupt.

    Raises:
        KeyboardInterrupt: interrupted before the first one.
    """
    predictions: list[Prediction] = []
    asked = (
        of_all(engine, questions, options.task)
        if engine
        else predict(questions, options.task, options.reader, options.embedder)
    )
    try:
        # disable=None: no bar unless standard error is a terminal.
        for prediction in tqdm(asked, total=len(questions), unit=" questions", disable=None):
            predictions.append(prediction)  # noqa: PERF402  # what is there must outlive an interrupt
    except KeyboardInterrupt:
        if not predictions:
            raise
    return predictions


def _write(result: EvaluationResult, folder: Path) -> Path:
    from qa.report import write_report  # noqa: PLC0415  # imports matplotlib

    try:
        return write_report(result.metrics, result.predictions, result.title, folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}): name another folder.") from None


def _lines(result: EvaluationResult) -> Iterator[str]:
    metrics = result.metrics
    yield result.title
    yield (
        f"Questions: {metrics['questions']:,}, answerable: {metrics['answerable']:,}, "
        f"answered: {metrics['answered']:,}, articles: {metrics['articles']:,}"
    )
    for group, rows in table(metrics).items():
        yield f"\n{group}"
        for row in rows:
            yield f"  {row.label:36}{row.value:>10}  {row.note}".rstrip()
    yield "\nWhat failed"
    for name, count in failures(result.predictions).items():
        yield f"  {name.capitalize():36}{count:>10,}"


def _comparison_lines(earlier: Earlier, result: EvaluationResult, found: Comparison) -> Iterator[str]:
    yield f"\nAgainst {earlier.title}"
    for label, gain, p in (("F1", found.f1, found.f1_p), ("Exact match", found.em, found.em_p)):
        yield f"  {label:36}{gain:>+10.2f}  p = {p:.4f}"
    before = {prediction.id: prediction for prediction in earlier.predictions}
    after = {prediction.id: prediction for prediction in result.predictions}
    for kind, ids in (("now right", found.won), ("now wrong", found.lost)):
        yield f"\n{len(ids):,} {kind}"
        for identity in ids:
            yield from _flip(before[identity], after[identity])


def _flip(before: Prediction, after: Prediction) -> Iterable[str]:
    gold = " | ".join(dict.fromkeys(after.answers)) or "no answer"
    texts = [prediction.text or "no answer" for prediction in (before, after)]
    return [f"  {after.id}  {after.question}", f"    gold: {gold}; was: {texts[0]}; is: {texts[1]}"]


def _say(sentence: str) -> None:
    print(f"article-qa: {sentence}", file=sys.stderr)
