"""Readers: a question and passages to scored spans.

One class prepares the windows and decodes the spans; a back end only gives logits: the bundled ONNX file
here, any model of transformers in `qa.transformers_reader`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from index import InputError
from index.onnx_model import MODEL_FILE, OnnxModel
from qa.spans import Span, Window, decode

BUNDLED = Path(__file__).parent / "model"
MAX_TOKENS = 384  # of a window, the question included
MAX_QUESTION_TOKENS = 64
STRIDE = 128  # tokens of a passage that neighbouring windows share
SPECIAL_TOKENS = 8  # room for those between question and passage


class Reader(ABC):
    """An extractive reader.

    Args:
        tokenizer: of the model, with its post-processor for pairs; the reader sets truncation and padding.
        max_tokens: what the model can take, at most `MAX_TOKENS`.
        null: text of the token that stands for "no answer here", in nearly all models the first one.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, null: str) -> None:
        self._tokenizer = tokenizer
        self._max_question = min(MAX_QUESTION_TOKENS, max_tokens // 4)
        null_id = tokenizer.token_to_id(null)
        if null_id is None:
            raise InputError(f"The reader's tokenizer has no {null} token: name another reader.")
        self._null = null_id
        room = max_tokens - self._max_question - SPECIAL_TOKENS
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens, stride=min(STRIDE, room // 2), strategy="only_second")

    def read(self, question: str, texts: Sequence[str]) -> list[list[Span]]:
        """The best spans of each text, best first; their offsets count characters of that text."""
        windows = self.windows(question, texts)
        return [decode(of_text, text) for of_text, text in zip(windows, texts, strict=True)]

    def windows(self, question: str, texts: Sequence[str]) -> list[list[Window]]:
        """The scored windows of each text: one, or overlapping ones where it is long."""
        if not texts:
            return []
        question = self._shortened(question)
        encoded = self._tokenizer.encode_batch([(question, text) for text in texts])
        per_text = [[encoding, *encoding.overflowing] for encoding in encoded]
        logits = iter(self._logits([encoding for windows in per_text for encoding in windows]))
        return [
            [Window(encoding, *next(logits), encoding.ids.index(self._null)) for encoding in windows]
            for windows in per_text
        ]

    @abstractmethod
    def _logits(self, encodings: Sequence[Encoding]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Start and end logits of each window, float32, [tokens] each."""

    def _shortened(self, question: str) -> str:
        """The question, cut to its first tokens, so that a window always has room for the passage."""
        while True:
            try:
                offsets = self._tokenizer.encode(question, add_special_tokens=False).offsets
                break
            except Exception:  # tokenizers' bare "Truncation error": alone it is longer than a whole window
                question = question[: len(question) // 2]
        return (
            question if len(offsets) <= self._max_question else question[: offsets[self._max_question - 1][1]]
        )


class OnnxReader(Reader):
    """A reader exported by `article-qa train`: a folder with `model.onnx` and `tokenizer.json`."""

    def __init__(self, folder: Path = BUNDLED) -> None:
        self._model = OnnxModel(folder)
        super().__init__(self._model.tokenizer, MAX_TOKENS, "[CLS]")

    def _logits(self, encodings: Sequence[Encoding]) -> list[tuple[np.ndarray, np.ndarray]]:
        outputs = zip(encodings, self._model.run(encodings), strict=True)
        return [(start[: len(of.ids)], end[: len(of.ids)]) for of, (start, end) in outputs]


def load_reader(name: str | None = None) -> Reader:
    """The bundled reader, one that `article-qa train` made, or any `AutoModelForQuestionAnswering`.

    Args:
        name: a folder or a hub id; None for the bundled one.

    Raises:
        InputError: there is no such model.
    """
    if name is None:
        return OnnxReader()
    if (Path(name) / MODEL_FILE).is_file():
        return OnnxReader(Path(name))
    if not Path(name).is_dir() and name.startswith((".", "/", "~")):
        raise InputError(f"{name} is not a folder: name a question-answering model's folder or hub id.")
    from qa.transformers_reader import TransformersReader  # noqa: PLC0415  # imports torch

    return TransformersReader(name)
