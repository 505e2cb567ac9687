"""`article-qa train`: data in; a trained, exported, calibrated reader with its model card out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from index import InputError
from index.embedder import load_embedder
from qa.calibrate import calibrate
from qa.export import export_reader
from qa.gold import read_gold
from qa.reader import OnnxReader
from qa.train import HELD_OUT, RECORD, Recipe, is_held_out, train

SHIPPED = "shipped"  # the part of a run's folder that `--reader` takes
CARD = "README.md"
CARD_TEXT = """# Reader

An extractive question-answering reader: start and end logits for each token of a question and a passage, with
[CLS] as the null span. Made by `article-qa train`: int8 ONNX (`model.onnx`), which `article-qa` runs, and the
same weights as float16 safetensors, for transformers. `calibration.json` holds the weights of the confidence.

One paragraph in {one_in} was kept from training; the confidence is fitted on the questions over those.
{stages}"""
STAGE_TEXT = """
## Training, stage {number}

From {base}: {steps:,} steps. Settings: {settings}.
On the windows kept from training, after each epoch: {held_out}.

| data | passes per epoch | SHA-256 |
|---|---|---|
{rows}
"""


def run(options: argparse.Namespace) -> None:
    """Train as `options`, those of `qa.cli`, say; what is finished already is not done again."""
    data = dict(with_times(item) for item in options.data)
    recipe = Recipe(
        data,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    out = Path(options.out)
    train(recipe, options.base, out)
    finish(out, list(data), options.unseen)


def finish(out: Path, data: list[str], unseen: Sequence[str] = ()) -> None:
    """Export the trained reader of a run's folder, calibrate it and write its card.

    Args:
        out: the run's folder.
        data: gold sets that it was trained on; what was kept from training is calibrated on.
        unseen: further gold sets to calibrate on, whole.
    """
    shipped = out / SHIPPED
    export_reader(out, shipped)
    questions = [question for name in data for question in read_gold(name) if is_held_out(question)]
    questions += [question for name in unseen for question in read_gold(name)]
    calibrate(OnnxReader(shipped), load_embedder(), questions).save(shipped)
    (shipped / CARD).write_text(card(json.loads((out / RECORD).read_text())))
    print(f'done: article-qa ask --reader {shipped} "..."')


def card(record: dict[str, Any]) -> str:
    """The model card of a run, or an average of runs, and of those it goes back to, in Markdown."""
    stages: list[dict[str, Any]] = []
    for stage in _lineage(record):
        if stage not in stages:
            stages.append(stage)
    text = "".join(_stage(stage, stages) for stage in stages)
    if "average_of" in record:
        text = f"\nIts weights are {_named(record, stages)} (`article-qa average`).\n{text}"
    return CARD_TEXT.format(one_in=HELD_OUT, stages=text)


def _lineage(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that a run or an average goes back to; a run itself comes last."""
    earlier = record.get("average_of", [record["base_run"]] if "base_run" in record else [])
    stages = [stage for each in earlier for stage in _lineage(each)]
    return stages if "average_of" in record else [*stages, record]


def _named(record: dict[str, Any], stages: list[dict[str, Any]]) -> str:
    if "average_of" not in record:
        return f"stage {stages.index(record) + 1}"
    return "the average of those after stages " + ", ".join(
        str(stages.index(each) + 1) for each in record["average_of"]
    )


def _stage(record: dict[str, Any], stages: list[dict[str, Any]]) -> str:
    recipe = dict(record["recipe"])
    data = recipe.pop("data")
    rows = [f"| {name} | {times:g} | `{record['data_sha256'][name][:16]}` |" for name, times in data.items()]
    flat = {key: value for key, value in recipe.items() if key != "shares"} | recipe.get("shares", {})
    validations = [_settings(scores) for scores in record.get("held_out", [])]
    return STAGE_TEXT.format(
        number=stages.index(record) + 1,
        base=_named(record["base_run"], stages) if "base_run" in record else record["base"],
        steps=record["steps"],
        settings=_settings(flat),
        held_out="; ".join(validations) or "not measured",
        rows="\n".join(rows),
    )


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def with_times(item: str) -> tuple[str, float]:
    """FILE=TIMES, or FILE for once. A file whose name holds "=" needs its times said."""
    name, separator, times = item.rpartition("=")
    if not separator:
        return item, 1.0
    try:
        value = float(times)
    except ValueError:
        return item, 1.0
    if value <= 0:
        raise InputError(f"{item}: the times a set is passed over must be above 0.")
    return name, value
