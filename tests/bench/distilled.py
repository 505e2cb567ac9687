"""A run of `article-qa` made of what `tests/bench/distil.py` wrote: exported, calibrated, with its card.

python -m tests.bench.distilled FOLDER model.safetensors scores.json windows.json --data FILE...
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from index.export_embedder import original_weights
from qa.span_model import load_base
from qa.train import RECORD
from qa.train_command import finish
from tests.bench import distil


def main() -> None:
    """Run the command."""
    command = argparse.ArgumentParser(description="Make a run of a distilled reader.")
    command.add_argument("out", type=Path, metavar="FOLDER")
    command.add_argument("model", type=Path)
    command.add_argument("scores", type=Path)
    command.add_argument("windows", type=Path, help="the .json beside the windows")
    command.add_argument("--data", action="append", default=[], metavar="FILE", help="as `article-qa train`")
    command.add_argument("--unseen", action="append", default=[], metavar="FILE", help="the same")
    options = command.parse_args()
    tokenizer, model = load_base(str(original_weights()))
    state = {name: weights.to(torch.float32) for name, weights in load_file(options.model).items()}
    model.load_state_dict(state)
    model.eval().save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    record, scores = (json.loads(path.read_text()) for path in (options.windows, options.scores))
    (options.out / RECORD).write_text(json.dumps(record_of(record, scores), indent=2) + "\n")
    finish(options.out, options.data, options.unseen)


def record_of(windows: dict, scores: dict) -> dict:
    """The run record: data and shares of the windows, settings and scores of the training."""
    settings = {
        "method": "tests/bench/distil.py",
        "teachers": distil.TEACHERS,
        "teacher_steps": distil.TEACHER_STEPS,
        "learning_rates": distil.TEACHER_RATES,
        "student_learning_rate": distil.STUDENT_RATES[0],
        "soft": distil.SOFT,
        "temperature": distil.TEMPERATURE,
        "batch_size": distil.BATCH,
        "dropout": distil.DROPOUT,
        "shares": windows["recipe"]["shares"],
        "data": windows["recipe"]["data"],
    }
    held_out = scores["written"][0]["kept from training"]
    return windows | {"recipe": settings, "steps": distil.STUDENT_STEPS, "held_out": [held_out]}


if __name__ == "__main__":
    main()
