"""Training: gold sets in, a reader out, with checkpoints that resume.

The reader is a transformer encoder with a start and an end score per token. An answer's probability in a
context is softmax(start) * softmax(end) over all tokens, where the first token, [CLS], stands for "no answer
here" (Devlin et al. 2019); the loss is the negative log of that probability summed over all acceptable
answers (marginal likelihood: Clark & Gardner 2017).

Measured on two cores with AVX-512 BF16, for the settings: attention dropout doubles the step time on a CPU,
so it is 0; bf16 autocast over float32 weights halves it; torch.compile gains nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from index import InputError
from index.errors import reason
from index.export_embedder import ORIGINAL, original_weights
from index.hub import is_local, quieten
from qa.examples import Features, as_typed, make_examples, make_features
from qa.gold import GoldQuestion, read_gold

HELD_OUT = 20  # one paragraph in this many is kept from training, to fit the confidence on
BUCKET = 64  # batches sorted by length together
REPORT_EVERY = 50  # steps
SAVE_EVERY = 200
CHECKPOINT = "checkpoint.pt"
RECORD = "run.json"


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
        negatives: share of the answerable questions that also come with a retrieved passage without answer.
        unmarked: share of the questions that lose their question mark, as people type.
        seed: of the mixture, the order, dropout and the new output layer.
    """

    data: dict[str, float]
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 1.5e-4
    warmup: float = 0.06
    max_tokens: int = 320
    stride: int = 96
    negatives: float = 0.2
    unmarked: float = 0.15
    seed: int = 1


class _Run:
    """Model, optimizer and learning-rate schedule: what a checkpoint holds."""

    def __init__(self, model: torch.nn.Module, recipe: Recipe, steps: int) -> None:
        self.model = model.train()
        weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
        groups = [{"params": weights, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        warmup = max(1, round(recipe.warmup * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
        )
        self.done = 0

    def step(self, batch: list[Features]) -> float:
        """Learn from a batch; returns its loss."""
        start, end = _logits(self.model, batch)
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
        self.done = state["done"]


def train(
    recipe: Recipe, base: str | None, out: Path, progress: Callable[[str], None] = print
) -> list[float]:
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
        disk is
            full.
    """
    record = _record(recipe, base)
    if _claim(out, record):
        return []
    torch.manual_seed(recipe.seed)
    tokenizer, model = _load_base(base or str(original_weights()))
    features = _mixture(recipe, tokenizer.backend_tokenizer)
    batches = [batch for epoch in range(recipe.epochs) for batch in _batches(features, recipe, epoch)]
    run = _Run(model, recipe, len(batches))
    if (out / CHECKPOINT).exists():
        run.resume(out / CHECKPOINT)
    losses: list[float] = []
    began = time.perf_counter()
    for batch in batches[run.done :]:
        losses.append(run.step(batch))
        finished = run.done == len(batches)
        if finished or run.done % REPORT_EVERY == 0:
            pace = (time.perf_counter() - began) / len(losses)
            progress(
                f"step {run.done}/{len(batches)}  loss {np.mean(losses[-REPORT_EVERY:]):.3f}  "
                f"{pace:.2f} s/step  {pace * (len(batches) - run.done) / 60:.0f} min left"
            )
        if not finished and run.done % SAVE_EVERY == 0:
            run.save(out / CHECKPOINT)
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / RECORD).write_text(
        json.dumps(record | {"steps": run.done, "windows": len(features)}, indent=2) + "\n"
    )
    (out / CHECKPOINT).unlink(missing_ok=True)
    return losses


def is_held_out(question: GoldQuestion) -> bool:
    """Whether a question's paragraph is kept from training; by its text, so the same in every file."""
    start, end = question.paragraph
    digest = hashlib.sha256(question.document.text[start:end].strip().encode()).digest()
    return int.from_bytes(digest[:2], "big") < 65536 // HELD_OUT


def span_loss(start: Tensor, end: Tensor, targets: list[tuple[tuple[int, int], ...]]) -> Tensor:
    """Mean negative log of the probability of all acceptable spans.

    Args:
        start: scores, [batch, tokens]; padding holds a large negative number.
        end: the same.
        targets: for each window the (first, last) tokens of each acceptable span.
    """
    log_start, log_end = start.log_softmax(-1), end.log_softmax(-1)
    likelihoods = [
        torch.logsumexp(torch.stack([log_start[row, first] + log_end[row, last] for first, last in spans]), 0)
        for row, spans in enumerate(targets)
    ]
    return -torch.stack(likelihoods).mean()


def _load_base(base: str) -> tuple[Any, Any]:
    local = is_local(base)
    quieten()
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=local)
        model = AutoModelForQuestionAnswering.from_pretrained(
            base,
            local_files_only=local,
            attn_implementation="sdpa",
            attention_probs_dropout_prob=0.0,
            dtype=torch.float32,
        )
    except Exception as error:  # the hub client, transformers and safetensors raise their own kinds
        raise InputError(
            f"{base} is not a model to start from ({reason(error)}): give a Hugging Face folder."
        ) from None
    return tokenizer, model


def _mixture(recipe: Recipe, tokenizer: Tokenizer) -> list[Features]:
    rng = random.Random(recipe.seed)
    tokenizer.enable_truncation(recipe.max_tokens, stride=recipe.stride, strategy="only_second")
    tokenizer.no_padding()
    features: list[Features] = []
    for name, times in recipe.data.items():
        questions = [question for question in read_gold(name) if not is_held_out(question)]
        windows = [
            list(make_features(as_typed(example, recipe.unmarked, rng), tokenizer))
            for example in make_examples(questions, recipe.negatives, rng)
        ]
        part = rng.sample(windows, round((times % 1) * len(windows)))
        features.extend(window for example in [*(windows * int(times)), *part] for window in example)
    return features


def _batches(features: list[Features], recipe: Recipe, epoch: int) -> Iterator[list[Features]]:
    rng = random.Random(recipe.seed * 1000 + epoch)
    order = rng.sample(features, len(features))
    bucket = recipe.batch_size * BUCKET
    batches = []
    for begin in range(0, len(order), bucket):
        alike = sorted(order[begin : begin + bucket], key=lambda window: len(window.ids))
        batches += [alike[i : i + recipe.batch_size] for i in range(0, len(alike), recipe.batch_size)]
    rng.shuffle(batches)
    yield from batches


def _logits(model: torch.nn.Module, batch: list[Features]) -> tuple[Tensor, Tensor]:
    length = max(len(window.ids) for window in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, window in enumerate(batch):
        size = len(window.ids)
        ids[row, :size] = torch.from_numpy(window.ids)
        types[row, :size] = torch.from_numpy(window.types)
        mask[row, :size] = 1
    with torch.autocast("cpu", torch.bfloat16):
        output = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    hidden = (mask == 0) * -1e4
    return output.start_logits.float() + hidden, output.end_logits.float() + hidden


def _record(recipe: Recipe, base: str | None) -> dict[str, Any]:
    """What tells one run from another: settings, base and the data's hashes; no paths."""
    settings = asdict(recipe) | {"data": {Path(name).name: times for name, times in recipe.data.items()}}
    hashes = {Path(name).name: _sha256(name) for name in recipe.data}
    return {"recipe": settings, "base": Path(base).name if base else ORIGINAL, "data_sha256": hashes}


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
