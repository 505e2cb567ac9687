"""Running a bundled model: an ONNX file by onnxruntime, with its tokenizer. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from index.errors import InputError, reason

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
BATCH_SIZE = 16
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Tokens(Protocol):
    """The part of `tokenizers.Encoding` that a model takes."""

    @property
    def ids(self) -> list[int]:
        """Token ids."""

    @property
    def type_ids(self) -> list[int]:
        """Segment ids."""


class OnnxModel:
    """A transformer encoder in a folder with `model.onnx` and `tokenizer.json`.

    Raises:
        InputError: a file is missing or no model.
    """

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
            )
            if {given.name for given in self._session.get_inputs()} != set(INPUTS):
                raise ValueError(f"its inputs are not {', '.join(INPUTS)}")
        except Exception as error:  # tokenizers raises bare Exceptions, onnxruntime its own kinds
            raise InputError(
                f"{folder} holds no usable model ({reason(error)}): name another folder."
            ) from None
        self.outputs = [output.name for output in self._session.get_outputs()]
        # A tokenizer.json may carry settings of its training (all-MiniLM-L6-v2: cut at 128 tokens).
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def run(self, encodings: Sequence[Tokens]) -> list[tuple[np.ndarray, ...]]:
        """The model's outputs for each encoding, in the given order.

        Returns:
            for each encoding a tuple of its outputs; those per token go on over the padding.
        """
        results: list[tuple[np.ndarray, ...]] = [()] * len(encodings)
        for rows in length_sorted_batches([len(encoding.ids) for encoding in encodings]):
            ids, types, mask = padded([encodings[row] for row in rows])
            feed = dict(zip(INPUTS, (ids, mask, types), strict=True))
            outputs = self._session.run(None, feed)
            for place, row in enumerate(rows):
                results[row] = tuple(output[place] for output in outputs)
        return results


def length_sorted_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows in batches of alike length, longest first, so that little is padding and memory peaks early."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    for begin in range(0, len(order), BATCH_SIZE):
        yield order[begin : begin + BATCH_SIZE]


def padded(encodings: Sequence[Tokens], pad_id: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Token ids, segment ids and attention mask of a batch, int64, [batch, longest]."""
    shape = len(encodings), max(len(encoding.ids) for encoding in encodings)
    ids = np.full(shape, pad_id, np.int64)
    types, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, encoding in enumerate(encodings):
        size = len(encoding.ids)
        ids[row, :size], types[row, :size], mask[row, :size] = encoding.ids, encoding.type_ids, 1
    return ids, types, mask
