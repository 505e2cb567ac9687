"""Training: gold sets in, a reader out, with checkpoints that resume."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from index import InputError
from index.embedder import load_embedder
from index.export_embedder import ORIGINAL, original_weights
from qa.examples import Features, Shares, make_articles, make_examples, make_features, varied
from qa.gold import GoldQuestion, read_gold
from qa.span_model import load_base, logits, span_loss
from qa.validation import validate

HELD_OUT = 20  # one paragraph in this many is kept from training, to fit the confidence on
BUCKET = 64  # batches sorted by length together
REPORT_EVERY = 50  # steps
SAVE_EVERY = 200
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_SIZE = 3  # times the weights: AdamW keeps two values for each
RECORD = "run.json"
SAY = functools.partial(print, flush=True)  # at once, also into a file
AS_WRITTEN = Shares(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a run; the run record holds them.

    Attributes:
        data: gold set -> how often an epoch passes over it; 0.5 takes a random half of its examples.
        epochs: passes over the mixture.
        batch_size: windows per step.
        learning_rate: the peak, reached after `warmup` (a share of the steps), falling linearly to 0.
        warmup: see there.
        max_tokens: of a window, with its question.
        stride: tokens that neighbouring windows of a long context share.
        shares: how the examples are varied.
        seed: of the mixture, the order, dropout and the new output layer.
    """

    data: dict[str, float]
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 1.5e-4
    warmup: float = 0.06
    max_tokens: int = 320
    stride: int = 96
    shares: Shares = field(default_factory=Shares)
    seed: int = 1


class _Run:
    """Model, optimizer and learning-rate schedule: what a checkpoint holds."""

    def __init__(self, model: torch.nn.Module, recipe: Recipe, steps: int) -> None:
        self.model = model.train()
        weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
        groups = [{"params": weights, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
        warmup = max(1, round(recipe.warmup * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
        )
        self.done = 0
        self.validations: list[dict[str, float]] = []

    def step(self, batch: list[Features]) -> float:
        """Learn from a batch; returns its loss."""
        start, end = logits(self.model, batch)
        loss = span_loss(start, end, [window.targets for window in batch])
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.done += 1
        return loss.item()

    def save(self, path: Path) -> None:
        """Write a checkpoint; an interrupted write leaves the one before."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "done": self.done,
            "validations": self.validations,
        }
        new = path.with_suffix(".new")
        try:
            torch.save(state, new)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            new.unlink(missing_ok=True)
            raise InputError(f"{path} cannot be written ({error}): free some space and run again.") from error
        new.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.done, self.validations = state["done"], state["validations"]


def train(recipe: Recipe, base: str | None, out: Path, progress: Callable[[str], None] = SAY) -> list[float]:
    """Train a reader, or go on with the run that was interrupted in `out`.

    Args:
        recipe: settings and data.
        base: the encoder or reader to start from: a Hugging Face folder or hub id; None for the genuine
            all-MiniLM-L6-v2.
        out: folder of the run; a finished one holds the model (float32 safetensors), its tokenizer and
            `run.json`.
        progress: told how far it is, a line at a time.

    Returns:
        the loss of each step that was run; none when the run had finished before.

    Raises:
        InputError: a data file or the base cannot be used, `out` holds a run with other settings, or the
            disk is full.
    """
    record = record_of(recipe, base)
    if _claim(out, record):
        return []
    torch.manual_seed(recipe.seed)
    tokenizer, model = load_base(base or str(original_weights()))
    _check_room(out, model)
    mixture = _Mixture(recipe, tokenizer.backend_tokenizer)
    epochs = [_batches(mixture.epoch(number), recipe, number) for number in range(recipe.epochs)]
    ends = list(itertools.accumulate(len(batches) for batches in epochs))
    steps, held_out = ends[-1], mixture.held_out()
    run = _Run(model, recipe, steps)
    if (out / CHECKPOINT).exists():
        run.resume(out / CHECKPOINT)
    losses: list[float] = []
    began = time.perf_counter()
    for batch in itertools.islice(itertools.chain.from_iterable(epochs), run.done, None):
        losses.append(run.step(batch))
        if run.done in ends:
            run.validations.append(validate(model, held_out))
            progress(f"epoch {len(run.validations)}/{recipe.epochs}  held out: {run.validations[-1]}")
        if run.done == steps or run.done % REPORT_EVERY == 0:
            pace = (time.perf_counter() - began) / len(losses)
            progress(
                f"step {run.done}/{steps}  loss {np.mean(losses[-REPORT_EVERY:]):.3f}  "
                f"{pace:.2f} s/step  {pace * (steps - run.done) / 60:.0f} min left"
            )
        if run.done < steps and run.done % SAVE_EVERY == 0:
            run.save(out / CHECKPOINT)
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    results = {"steps": run.done, "held_out": run.validations}
    (out / RECORD).write_text(json.dumps(record | results, indent=2) + "\n")
    (out / CHECKPOINT).unlink(missing_ok=True)
    return losses


def is_held_out(question: GoldQuestion) -> bool:
    """Whether a question's paragraph is kept from training; by its text, so the same in every file."""
    start, end = question.paragraph
    digest = hashlib.sha256(question.document.text[start:end].strip().encode()).digest()
    return int.from_bytes(digest[:2], "big") < 65536 // HELD_OUT


class _Mixture:
    """The data of a run, from which each epoch is drawn anew."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        tokenizer.enable_truncation(recipe.max_tokens, stride=recipe.stride, strategy="only_second")
        tokenizer.no_padding()
        self._recipe, self._tokenizer = recipe, tokenizer
        questions: list[GoldQuestion] = []
        self._training: list[tuple[list[GoldQuestion], float]] = []
        self._held_out: list[GoldQuestion] = []
        for name, times in recipe.data.items():
            of_set = read_gold(name)
            questions += of_set
            self._held_out += [question for question in of_set if is_held_out(question)]
            self._training.append(([question for question in of_set if not is_held_out(question)], times))
        self._articles = make_articles(questions, load_embedder())

    def epoch(self, number: int) -> list[Features]:
        """The windows of an epoch; examples vary from one to the next."""
        rng = random.Random(self._recipe.seed * 1000 + number)
        features: list[Features] = []
        for training, times in self._training:
            part = rng.sample(training, round((times % 1) * len(training)))
            features.extend(self._features([*(training * int(times)), *part], self._recipe.shares, rng))
        return features

    def held_out(self) -> list[Features]:
        """The windows that are kept from training, as their authors wrote them."""
        return list(self._features(self._held_out, AS_WRITTEN, random.Random(self._recipe.seed)))

    def _features(
        self, questions: Sequence[GoldQuestion], shares: Shares, rng: random.Random
    ) -> Iterator[Features]:
        for question in questions:
            for example in make_examples(question, self._articles, shares, rng):
                yield from make_features(varied(example, shares, rng), self._tokenizer)


def _batches(features: list[Features], recipe: Recipe, epoch: int) -> list[list[Features]]:
    rng = random.Random(recipe.seed * 1000 + epoch)
    order = rng.sample(features, len(features))
    bucket = recipe.batch_size * BUCKET
    batches = []
    for begin in range(0, len(order), bucket):
        alike = sorted(order[begin : begin + bucket], key=lambda window: len(window.ids))
        batches += [alike[i : i + recipe.batch_size] for i in range(0, len(alike), recipe.batch_size)]
    rng.shuffle(batches)
    return batches


def record_of(recipe: Recipe, base: str | None) -> dict[str, Any]:
    """What tells one run from another: settings, base and the data's hashes; no paths.

    A base that was trained here brings its own record along, so that the last one tells the whole story.
    """
    settings = asdict(recipe) | {"data": {Path(name).name: times for name, times in recipe.data.items()}}
    hashes = {Path(name).name: _sha256(name) for name in recipe.data}
    record = {"recipe": settings, "base": Path(base).name if base else ORIGINAL, "data_sha256": hashes}
    earlier = Path(base or "", RECORD)
    return record | ({"base_run": json.loads(earlier.read_text())} if base and earlier.is_file() else {})


def _check_room(out: Path, model: torch.nn.Module) -> None:
    """See that checkpoints fit on the disk, before hours have gone into what they hold."""
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    needed = size * (2 * CHECKPOINT_SIZE + 1)  # one checkpoint while the next is written; the model itself
    free = shutil.disk_usage(out).free
    if free < needed:
        raise InputError(
            f"{out} has {free / 1e9:.1f} GB left and the run needs {needed / 1e9:.1f} GB: "
            "free some space or give another folder."
        )


def _claim(out: Path, record: dict[str, Any]) -> bool:
    """Make the run's folder, or see that it holds this very run; returns whether that is finished."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        earlier = json.loads((out / RECORD).read_text()) if (out / RECORD).exists() else record
        (out / RECORD).write_text(json.dumps(earlier, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}): give another folder.") from None
    if any(earlier.get(key) != value for key, value in record.items()):
        raise InputError(f"{out} holds a run with other settings or data: give another folder.")
    return "steps" in earlier and (out / "model.safetensors").exists()


def _sha256(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a gold set to train on.") from None
