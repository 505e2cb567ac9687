"""How the shipped reader was trained: readers side by side on a GPU, and one that learns from them.

    python distil.py windows.npz base.safetensors OUT

Needs torch, numpy and safetensors only; `tests/bench/packed.py` makes the windows, and a run for `article-qa
average` of what comes out. The base is all-MiniLM-L6-v2 with the names of a BERT for question answering.

`TEACHERS` readers with different output layers, order of the data and dropout train at once: their weights
are stacked, so that each layer is one batched product and a small encoder fills a large GPU. Windows of a
batch have the same length, so nothing is padded. Then `STUDENTS` readers start from the mean of the teachers'
weights (Wortsman et al. 2022) and learn the data and the mean of the teachers' logits (Hinton et al. 2015).
Of the students and their mean, the one with the least loss on the windows kept from training is written.

On an H100 a step of the four teachers takes about 35 ms once every length of windows has come up; the first
step of each length takes some 150 ms, and the run that made the shipped reader, 100 s for the teachers and
115 s for the students, spent half of its time on those.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TEACHERS, STUDENTS = 4, 2
TEACHER_RATES, STUDENT_RATES = (1.5e-4, 2e-4, 2e-4, 2.5e-4), (1.5e-4, 1.5e-4)
TEACHER_STEPS, STUDENT_STEPS = 2094, 1826
SOFT = (0.5, 0.8)  # share of the teachers in each student's loss
TEMPERATURE = 2.0
BATCH = 32
DROPOUT = 0.1
WARM_UP = 0.06
DECAY = 0.01

LAYERS, HEADS, WIDTH, INNER, POSITIONS = 6, 12, 384, 1536, 512
CLS, SEP = 101, 102
LONGEST_SPAN = 30  # tokens
LONGEST_QUESTION = 60
WORDS = "bert.embeddings.word_embeddings.weight"
HIDDEN = -1e4

began = time.time()


def say(*words: object) -> None:
    """Print with the seconds since the start."""
    print(f"[{time.time() - began:.0f} s]", *words, flush=True)


def shapes() -> dict[str, tuple[int, ...]]:
    """Weights of one reader, the word embeddings apart."""
    result: dict[str, tuple[int, ...]] = {}

    def linear(name: str, out: int, into: int) -> None:
        result[name + ".weight"], result[name + ".bias"] = (out, into), (out,)

    def norm(name: str) -> None:
        result[name + ".LayerNorm.weight"] = result[name + ".LayerNorm.bias"] = (WIDTH,)

    for number in range(LAYERS):
        layer = f"bert.encoder.layer.{number}."
        for part in ("query", "key", "value"):
            linear(f"{layer}attention.self.{part}", WIDTH, WIDTH)
        linear(layer + "attention.output.dense", WIDTH, WIDTH)
        norm(layer + "attention.output")
        linear(layer + "intermediate.dense", INNER, WIDTH)
        linear(layer + "output.dense", WIDTH, INNER)
        norm(layer + "output")
    result["bert.embeddings.position_embeddings.weight"] = (POSITIONS, WIDTH)
    result["bert.embeddings.token_type_embeddings.weight"] = (2, WIDTH)
    norm("bert.embeddings")
    linear("qa_outputs", 2, WIDTH)
    return result


SHAPES = shapes()
SIZES = [math.prod(shape) for shape in SHAPES.values()]


@dataclass(frozen=True)
class Batch:
    """Windows: ids, types, mask [..., length]; targets [..., answers, 2] in tokens; which of them there are.

    A window without an answer has one target, (0, 0).
    """

    ids: Tensor
    types: Tensor
    mask: Tensor
    targets: Tensor
    there: Tensor

    def repeated(self, times: int) -> Batch:
        """The first row of windows, [1, ...], so many times."""
        parts = (self.ids, self.types, self.mask, self.targets, self.there)
        return Batch(*(part[:1].expand(times, *part.shape[1:]).contiguous() for part in parts))


class Windows:
    """The file of `tests/bench/packed.py`."""

    def __init__(self, path: str) -> None:
        arrays = np.load(path)
        self.sets = [str(name) for name in arrays["sets"]]
        self._ids, self._sizes, self._starts = {}, {}, {}
        for name in ("question", "context"):
            self._ids[name] = _tensor(arrays[name + "s"]).int()
            sizes = _tensor(arrays[name + "_sizes"]).long()
            self._starts[name] = sizes.cumsum(0) - sizes
            self._sizes[name] = sizes
        self._sizes["question"].clamp_(max=LONGEST_QUESTION)
        self._draws = {}
        for draw in {name.rsplit("_", 1)[0] for name in arrays.files if name.endswith("_begin")}:
            fields = ("question", "context", "begin", "end", "targets", "set")
            self._draws[draw] = {field: _tensor(arrays[f"{draw}_{field}"]).long() for field in fields}

    def lengths(self, draw: str) -> Tensor:
        """Tokens of each window."""
        rows = self._draws[draw]
        return self._sizes["question"][rows["question"]] + rows["end"] - rows["begin"] + 3

    def field(self, draw: str, name: str) -> Tensor:
        """A field of each window."""
        return self._draws[draw][name]

    def batch(self, draw: str, rows: Tensor) -> Batch:
        """The windows of some rows, [...]."""
        question, context, begin, end, targets = (
            self._draws[draw][field][rows] for field in ("question", "context", "begin", "end", "targets")
        )
        size = self._sizes["question"][question]
        length = size + end - begin + 3
        first, last = (size + 2)[..., None], (length - 1)[..., None]
        place = torch.arange(int(length.max()), device=DEVICE).expand(*rows.shape, -1)
        of_question = self._starts["question"][question][..., None] + place - 1
        of_context = (self._starts["context"][context] + begin)[..., None] + place - first
        ids = torch.where(
            place < first, _at(self._ids["question"], of_question), _at(self._ids["context"], of_context)
        )
        mask = place <= last
        ids = torch.where(mask, ids, 0)
        ids = torch.where(place == 0, CLS, torch.where((place == first - 1) | (place == last), SEP, ids))
        there = targets[..., 0] >= 0
        targets = torch.where(there[..., None], targets + first[..., None], 0)
        there = torch.cat([there[..., :1] | ~there.any(-1, keepdim=True), there[..., 1:]], -1)
        return Batch(ids.long(), ((place >= first) & mask).long(), mask, targets, there)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(DEVICE)


def _at(ids: Tensor, places: Tensor) -> Tensor:
    return ids[places.clamp(0, len(ids) - 1)]


class Readers:
    """Readers, stacked: `weights`, [readers, all but the words], and `words`, [readers, ids, width]."""

    def __init__(self, weights: Tensor, words: Tensor) -> None:
        self.weights, self.words = weights.detach(), words.detach()

    @classmethod
    def from_base(cls, state: dict[str, Tensor], count: int) -> Readers:
        """Readers with the same encoder and different output layers."""
        rows = []
        for seed in range(count):
            draw = torch.Generator().manual_seed(seed)
            new = {
                "qa_outputs.weight": torch.randn(2, WIDTH, generator=draw) * 0.02,
                "qa_outputs.bias": torch.zeros(2),
            }
            rows.append(torch.cat([(new | state)[name].float().flatten() for name in SHAPES]))
        return cls(torch.stack(rows).to(DEVICE), state[WORDS].float().to(DEVICE).repeat(count, 1, 1))

    def __len__(self) -> int:
        return len(self.weights)

    def mean(self) -> Readers:
        """One reader with the mean of the weights."""
        return Readers(self.weights.mean(0, keepdim=True), self.words.mean(0, keepdim=True))

    def repeated(self, times: int) -> Readers:
        """One reader so many times."""
        return Readers(self.weights.repeat(times, 1), self.words.repeat(times, 1, 1))

    def state(self, number: int) -> dict[str, Tensor]:
        """The weights of one of them, float16."""
        parts = zip(SHAPES.items(), self.weights[number].split(SIZES), strict=True)
        state = {name: part.reshape(shape) for (name, shape), part in parts} | {WORDS: self.words[number]}
        return {name: part.half().contiguous().cpu() for name, part in state.items()}

    def logits(self, batch: Batch, *, dropout: float = 0.0, padded: bool = True) -> tuple[Tensor, Tensor]:
        """Start and end scores, float32, [readers, windows, tokens]; products are in bfloat16."""
        readers, windows, length = batch.ids.shape
        half = torch.bfloat16
        parts = zip(SHAPES.items(), self.weights.split(SIZES, 1), strict=True)
        weight = {name: part.reshape(readers, *shape) for (name, shape), part in parts}

        def linear(x: Tensor, *names: str) -> Tensor:
            matrix = torch.cat([weight[name + ".weight"] for name in names], 1).to(half)
            bias = torch.cat([weight[name + ".bias"] for name in names], 1).to(half)
            return torch.baddbmm(bias[:, None], x, matrix.transpose(1, 2))

        def norm(x: Tensor, name: str) -> Tensor:
            scale, shift = (
                weight[f"{name}.LayerNorm.{kind}"].to(half)[:, None] for kind in ("weight", "bias")
            )
            return torch.addcmul(shift, nn.functional.layer_norm(x, (WIDTH,), eps=1e-12), scale)

        def drop(x: Tensor) -> Tensor:
            return nn.functional.dropout(x, dropout) if dropout else x

        first_id = torch.arange(readers, device=DEVICE).view(-1, 1, 1) * self.words.shape[1]
        x = nn.functional.embedding(batch.ids + first_id, self.words.view(-1, WIDTH))
        x = x + weight["bert.embeddings.position_embeddings.weight"][:, None, :length]
        kinds = weight["bert.embeddings.token_type_embeddings.weight"][:, None, None]
        x = x + torch.where(batch.types[..., None] == 1, kinds[:, :, :, 1], kinds[:, :, :, 0])
        x = drop(norm(x.to(half).view(readers, -1, WIDTH), "bert.embeddings"))
        mask = None
        if padded:
            hidden = ~batch.mask.reshape(-1, 1, 1, length)
            mask = torch.zeros_like(hidden, dtype=half).masked_fill(hidden, HIDDEN)
        for number in range(LAYERS):
            layer = f"bert.encoder.layer.{number}."
            together = linear(x, *(f"{layer}attention.self.{part}" for part in ("query", "key", "value")))
            heads = together.view(readers * windows, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            attended = nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask)
            attended = attended.transpose(1, 2).reshape(readers, -1, WIDTH)
            x = norm(x + drop(linear(attended, layer + "attention.output.dense")), layer + "attention.output")
            inner = nn.functional.gelu(linear(x, layer + "intermediate.dense"))
            x = norm(x + drop(linear(inner, layer + "output.dense")), layer + "output")
        scores = torch.baddbmm(
            weight["qa_outputs.bias"][:, None], x.float(), weight["qa_outputs.weight"].transpose(1, 2)
        )
        scores = scores.view(readers, windows, length, 2).masked_fill(~batch.mask[..., None], HIDDEN)
        return scores[..., 0], scores[..., 1]


class AdamW:
    """Loshchilov & Hutter 2019, with a learning rate and a clipped gradient for each reader."""

    def __init__(self, readers: Readers, rates: Iterable[float]) -> None:
        self._weights = [readers.weights.requires_grad_(), readers.words.requires_grad_()]
        self._means = [torch.zeros_like(each) for each in self._weights]
        self._squares = [torch.zeros_like(each) for each in self._weights]
        self._rates = torch.tensor(list(rates), device=DEVICE)
        self._steps = 0

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Go down the gradients at a share of the learning rates."""
        self._steps += 1
        norms = torch.stack([each.grad.flatten(1).square().sum(1) for each in self._weights]).sum(0).sqrt()
        for each, mean, square in zip(self._weights, self._means, self._squares, strict=True):
            by_reader = (-1,) + (1,) * (each.dim() - 1)
            gradient = each.grad.div_(norms.clamp(min=1.0).view(by_reader))
            mean.lerp_(gradient, 0.1)
            square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            size = (square / (1 - 0.999**self._steps)).sqrt_().add_(1e-8)
            rate = (self._rates * share).view(by_reader)
            change = (mean / (1 - 0.9**self._steps)).div_(size).mul_(rate)
            each.mul_(1 - rate * DECAY).sub_(change)
            each.grad = None


def span_loss(start: Tensor, end: Tensor, batch: Batch) -> Tensor:
    """Negative log of the probability of all targets, [readers, windows]; as `qa.span_model.span_loss`."""
    spans = start.log_softmax(-1).gather(-1, batch.targets[..., 0])
    spans = spans + end.log_softmax(-1).gather(-1, batch.targets[..., 1])
    return -spans.masked_fill(~batch.there, -1e9).logsumexp(-1)


def soft_loss(logits: Tensor, teachers: Tensor) -> Tensor:
    """Cross entropy with the mean of the teachers' logits, all at `TEMPERATURE`, [readers, windows]."""
    wanted = (teachers.mean(0, keepdim=True) / TEMPERATURE).softmax(-1)
    return -(wanted * (logits / TEMPERATURE).log_softmax(-1)).sum(-1) * TEMPERATURE**2


def batches(lengths: Tensor, readers: int, *, shared: bool) -> Tensor:
    """Rows for each step, [steps, readers, BATCH]: windows of one length, other ones for each reader or not.

    What does not fill a batch is left out.
    """
    random = torch.Generator().manual_seed(1)
    steps = []
    for length in lengths.unique():
        rows = (lengths == length).nonzero()[:, 0]
        full = len(rows) // BATCH * BATCH
        orders = [
            rows[torch.randperm(len(rows), generator=random)[:full]].view(-1, BATCH)
            for _ in range(1 if shared else readers)
        ]
        steps.append(torch.stack(orders, 1).expand(-1, readers, -1))
    together = torch.cat(steps)
    return together[torch.randperm(len(together), generator=random)]


def train(
    readers: Readers,
    windows: Windows,
    draw: str,
    rates: Iterable[float],
    steps: int,
    teachers: Readers | None = None,
) -> Readers:
    """Train for some steps on one draw of the data, with the teachers' logits if there are teachers."""
    plan = batches(windows.lengths(draw).cpu(), len(readers), shared=teachers is not None).to(DEVICE)[:steps]
    steps, warm = len(plan), round(WARM_UP * len(plan)) or 1
    soft = torch.tensor(SOFT, device=DEVICE)
    optimizer = AdamW(readers, rates)
    losses = []
    for number, rows in enumerate(plan):
        batch = windows.batch(draw, rows)
        scores = readers.logits(batch, dropout=DROPOUT, padded=False)
        loss = span_loss(*scores, batch).mean(1)
        if teachers is not None:
            with torch.no_grad():
                taught = teachers.logits(batch.repeated(len(teachers)), padded=False)
            softly = sum(soft_loss(own, theirs).mean(1) for own, theirs in zip(scores, taught, strict=True))
            loss = (1 - soft) * loss + soft * softly
        loss.sum().backward()
        optimizer.step(min((number + 1) / warm, (steps - number) / max(1, steps - warm)))
        losses.append(loss.detach())
        if number % 500 == 499:
            say(f"step {number + 1} of {steps}, loss {torch.stack(losses[-500:]).mean(0).tolist()}")
    return Readers(readers.weights, readers.words)


@torch.no_grad()
def validate(
    readers: Readers, windows: Windows, *, together: bool = False
) -> list[dict[str, dict[str, float]]]:
    """Scores on the windows that were kept, of each reader or of the mean of their logits, by set.

    Returns:
        `loss`, the mean; `forced`, F1 by tokens of the best span of the answerable ones; `separation`, as
        `qa.validation`; `best`, F1 at the threshold of the margin that is best.
    """
    lengths = windows.lengths("held")
    order = lengths.argsort()
    count = 1 if together else len(readers)
    margins, overlaps, losses = (torch.zeros(count, len(order), device=DEVICE) for _ in range(3))
    for rows in order.split(256):
        batch = windows.batch("held", rows[None])
        scores = readers.logits(batch.repeated(len(readers)))
        start, end = (each.mean(0, keepdim=True) if together else each for each in scores)
        losses[:, rows] = span_loss(start, end, batch.repeated(count))
        margins[:, rows], overlaps[:, rows] = _best_spans(start, end, batch)
    answerable = (windows.field("held", "targets")[:, 0, 0] >= 0).cpu().numpy()
    of_set = windows.field("held", "set").cpu().numpy()
    chosen = {name: of_set == number for number, name in enumerate(windows.sets)}
    development = windows.sets[-1]
    chosen = {
        "kept from training": of_set < len(windows.sets) - 1,
        development: chosen.pop(development),
    } | chosen
    arrays = [each.cpu().numpy() for each in (losses, margins, overlaps)]
    return [
        {
            name: _scores(answerable[which], *(each[reader][which] for each in arrays))
            for name, which in chosen.items()
            if which.any()
        }
        for reader in range(count)
    ]


def _best_spans(start: Tensor, end: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Margin of the best span over null, and its F1 with the nearest target, [readers, windows]."""
    length = start.shape[-1]
    last = batch.mask.sum(-1, keepdim=True) - 1
    outside = (batch.types == 0) | (torch.arange(length, device=DEVICE) == last)
    ones = torch.ones(length, length, dtype=torch.bool, device=DEVICE)
    band = ones.triu() & ones.tril(LONGEST_SPAN - 1)
    margins, overlaps = [], []
    for starts, ends in zip(start, end, strict=True):
        spans = starts.masked_fill(outside[0], -1e9)[:, :, None] + ends.masked_fill(outside[0], -1e9)[:, None]
        best, at = spans.masked_fill(~band, -1e9).flatten(1).max(1)
        first, final = (at // length)[:, None], (at % length)[:, None]
        low, high = batch.targets[0].unbind(-1)
        common = (torch.minimum(final, high) - torch.maximum(first, low) + 1).clamp(min=0)
        f1 = 2 * common / ((final - first + 1) + (high - low + 1))
        margins.append(best - starts[:, 0] - ends[:, 0])
        overlaps.append(torch.where(batch.there[0], f1, 0.0).max(1).values)
    return torch.stack(margins), torch.stack(overlaps)


def _scores(
    answerable: np.ndarray, loss: np.ndarray, margin: np.ndarray, overlap: np.ndarray
) -> dict[str, float]:
    result = {"loss": float(loss.mean())}
    if answerable.any():
        result["forced"] = 100 * float(overlap[answerable].mean())
    if answerable.any() and not answerable.all():
        ranks = np.empty(len(margin))
        ranks[margin.argsort()] = np.arange(1, len(margin) + 1)
        have = int(answerable.sum())
        above = ranks[answerable].sum() - have * (have + 1) / 2
        result["separation"] = 100 * float(above / (have * (len(margin) - have)))
        gain = np.where(answerable, overlap, -1.0)[np.argsort(-margin)].cumsum()
        result["best"] = 100 * float((len(margin) - have + max(0.0, gain.max())) / len(margin))
    return {name: round(value, 2) for name, value in result.items()}


def _tell(name: str, scores: list[dict[str, dict[str, float]]]) -> list[dict[str, dict[str, float]]]:
    for number, by_set in enumerate(scores):
        say(name, number, *(f"\n    {of}: {values}" for of, values in list(by_set.items())[:2]))
    return scores


def main() -> None:
    """Train teachers, then students, and write the best."""
    windows, state, out = Windows(sys.argv[1]), load_file(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    say(DEVICE, torch.__version__, {name: len(windows.lengths(name)) for name in ("draw0", "held")})
    base = Readers.from_base(state, TEACHERS)
    teachers = train(base, windows, "draw0", TEACHER_RATES, TEACHER_STEPS)
    scores = {"teachers": _tell("teacher", validate(teachers, windows))}
    scores["teachers together"] = _tell("teachers together", validate(teachers, windows, together=True))
    mean = teachers.mean()
    scores["teachers' mean"] = _tell("teachers' mean", validate(mean, windows))
    save_file(mean.state(0), out / "model.safetensors")  # if the machine is lost later
    students = train(mean.repeated(STUDENTS), windows, "draw1", STUDENT_RATES, STUDENT_STEPS, teachers)
    everyone = [*(students.state(number) for number in range(STUDENTS)), students.mean().state(0)]
    last = [
        *_tell("student", validate(students, windows)),
        *_tell("students' mean", validate(students.mean(), windows)),
    ]
    scores["students and their mean"] = last
    best = min(range(len(last)), key=lambda number: last[number]["kept from training"]["loss"])
    scores["written"] = [last[best]]
    say("written:", best)
    save_file(everyone[best], out / "model.safetensors")
    (out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    main()
