"""Averaging the weights of runs that go back to the same model: better than any of them, and no larger.

Model soups (Wortsman et al. 2022): runs that differ in data, order or length end in the same valley of the
loss, and the middle of a valley generalises better than its edges. What it brought: `tests/bench/readers.md`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from index import InputError
from index.errors import reason
from index.hub import quieten
from qa.train import RECORD
from qa.train_command import finish

LEAST = 2  # runs


def run(options: argparse.Namespace) -> None:
    """Average, export and calibrate as `options`, those of `qa.cli`, say."""
    out = Path(options.out)
    average([Path(folder) for folder in options.run], out)
    finish(out, options.data, options.unseen)


def average(runs: Sequence[Path], out: Path) -> None:
    """Write the mean of finished runs as a run of its own.

    Args:
        runs: folders of finished runs of `article-qa train`, at least two.
        out: a new or empty folder.

    Raises:
        InputError: a folder holds no finished run, the runs are of different models, or `out` is in use.
    """
    if len(runs) < LEAST:
        raise InputError(f"There is {len(runs)} run to average: give at least {LEAST}.")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: give another folder.")
    records = [_record(folder) for folder in runs]
    quieten()
    model = _load(runs[0])
    mean = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for count, folder in enumerate(runs[1:], 2):
        for name, tensor in _matching(mean, folder, runs[0]).items():
            if tensor.is_floating_point():
                mean[name] += (tensor - mean[name]) / count
    model.load_state_dict(mean)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(runs[0]).save_pretrained(out)
    (out / RECORD).write_text(json.dumps({"average_of": records}, indent=2) + "\n")


def _record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no run ({reason(error)}): name the folder of one.") from None
    if "steps" not in record:
        raise InputError(f"The run in {folder} is not finished: start it again first.")
    return record


def _load(folder: Path) -> Any:
    try:
        return AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)
    except Exception as error:  # transformers and safetensors raise their own kinds
        raise InputError(f"{folder} holds no model ({reason(error)}): name the folder of a run.") from None


def _matching(mean: dict[str, Tensor], folder: Path, first: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = _load(folder).state_dict()
    if {name: tensor.shape for name, tensor in state.items()} != {n: t.shape for n, t in mean.items()}:
        raise InputError(f"{folder} and {first} hold different models: average runs of one.")
    return state
