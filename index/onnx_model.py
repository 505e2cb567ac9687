"""Running a bundled model: an ONNX file by onnxruntime, with its tokenizer. Imports no torch.

Each text is a run of its own, on one core, and as many run at a time as there are cores: nothing is padded,
activations stay in the core's cache, and cores meet once a text, not once an operator. On two cores five
passages take a fourth less than as one batch on both (tests/bench/speed.md). It also makes a text's output
its own: int8 activations are scaled by run, so in a batch every text changed a little with its neighbours.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from index.errors import InputError, reason

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
INPUTS = ("input_ids", "token_type_ids")
THREADS = "ARTICLE_QA_THREADS"  # in the environment: how many texts run at a time, instead of one per core


class Tokens(Protocol):
    """The part of `tokenizers.Encoding` that a model takes."""

    @property
    def ids(self) -> list[int]:
        """Token ids."""

    @property
    def type_ids(self) -> list[int]:
        """Segment ids."""


class OnnxModel:
    """A transformer encoder: a folder with `model.onnx`, by `index.export_onnx`, and `tokenizer.json`.

    Raises:
        InputError: a file is missing or no model.
    """

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        # The file is optimised already. What onnxruntime would do besides makes it slower.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
            )
            if {given.name for given in self._session.get_inputs()} != set(INPUTS):
                raise ValueError(
                    f"its inputs are not {', '.join(INPUTS)}, as of one exported by another version"
                )
        except Exception as error:  # tokenizers raises bare Exceptions, onnxruntime its own kinds
            raise InputError(
                f"{folder} holds no usable model ({reason(error)}): name another folder."
            ) from None
        self.outputs = [output.name for output in self._session.get_outputs()]
        # A tokenizer.json may carry settings of its training (all-MiniLM-L6-v2: cut at 128 tokens).
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def run(self, texts: Sequence[Tokens]) -> list[tuple[np.ndarray, ...]]:
        """For each text, in the given order, a tuple of the model's outputs."""
        if len(texts) == 1:
            return [self._run(texts[0])]
        results: list[tuple[np.ndarray, ...]] = [()] * len(texts)
        # The longest first, so that no core is left with a long one at the end.
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row].ids))
        for row, outputs in zip(order, cores().map(lambda row: self._run(texts[row]), order), strict=True):
            results[row] = outputs
        return results

    def _run(self, text: Tokens) -> tuple[np.ndarray, ...]:
        feed = dict(
            zip(INPUTS, (np.array([ids], np.int64) for ids in (text.ids, text.type_ids)), strict=True)
        )
        return tuple(output[0] for output in self._session.run(None, feed))


def on_cpu(device: str | None, name: str) -> None:
    """Raises an InputError where a model in ONNX is asked to run elsewhere."""
    if device not in (None, "cpu"):
        raise InputError(f"{name} runs on the CPU: name another model for {device!r}.")


@functools.cache
def cores() -> ThreadPoolExecutor:
    """The threads that models run on, `threads()` of them."""
    return ThreadPoolExecutor(threads(), "article-qa")


def threads() -> int:
    """One for each core that this process may use, or what `ARTICLE_QA_THREADS` says.

    Raises:
        InputError: it says no positive number.
    """
    given = os.environ.get(THREADS, "")
    if given and not (given.isdecimal() and int(given)):
        raise InputError(f"{THREADS} is {given!r}: set it to a number of threads, or not at all.")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(given or usable)
