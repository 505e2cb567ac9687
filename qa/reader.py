"""Readers: a question and passages to scored spans.

One class prepares the windows and decodes the spans; a back end only gives logits: the bundled ONNX file
here, any model of transformers in `qa.transformers_reader`.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from index import InputError
from index.onnx_model import MODEL_FILE, OnnxModel, on_cpu
from qa.spans import Span, TokenisedPassage, Window, decode

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
        self._joins = _joins(tokenizer)
        tokenizer.enable_truncation(max_tokens, stride=min(STRIDE, room // 2), strategy="only_second")

    def tokenise(self, text: str) -> TokenisedPassage:
        """A passage, made ready to be read with any question."""
        encoding = None
        if self._joins:
            # A bare "Truncation error" of tokenizers: alone it is longer than a whole window.
            with contextlib.suppress(Exception):
                encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return TokenisedPassage.of(text, encoding)

    def read(self, question: str, texts: Sequence[str]) -> list[list[Span]]:
        """The best spans of each text, best first; their offsets count characters of that text."""
        return self.read_all([(question, [self.tokenise(text) for text in texts])])[0]

    def read_all(self, asked: Sequence[tuple[str, Sequence[TokenisedPassage]]]) -> list[list[list[Span]]]:
        """For each question, the best spans of each of its passages, as `read`, all read together."""
        return [
            [decode(windows, passage) for windows, passage in zip(read, passages, strict=True)]
            for read, (_, passages) in zip(self.windows(asked), asked, strict=True)
        ]

    def windows(self, asked: Sequence[tuple[str, Sequence[TokenisedPassage]]]) -> list[list[list[Window]]]:
        """For each question, the scored windows of each of its passages: one, or more where it is long."""
        encoded = [self._encoded(question, passages) for question, passages in asked]
        logits = iter(self._logits([window for texts in encoded for text in texts for window in text]))
        return [
            [
                [Window(encoding, *next(logits), encoding.ids.index(self._null)) for encoding in windows]
                for windows in texts
            ]
            for texts in encoded
        ]

    def _encoded(self, question: str, passages: Sequence[TokenisedPassage]) -> list[list[Encoding]]:
        """The windows of each passage, with the question before each."""
        question = self._shortened(question)
        alone = self._tokenizer.encode(question, add_special_tokens=False)
        pairs = [
            self._tokenizer.encode(question, passage.text)
            if passage.encoding is None
            else self._tokenizer.post_process(alone, passage.encoding)
            for passage in passages
        ]
        return [[pair, *pair.overflowing] for pair in pairs]

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
        return [(start, end) for start, end in self._model.run(encodings)]


def _joins(tokenizer: Tokenizer) -> bool:
    """Whether question and passage may be tokenised apart: those of RoBERTa then trim white space twice."""
    parts = "of the", "sea  and land"
    question, passage = (tokenizer.encode(part, add_special_tokens=False) for part in parts)
    apart = tokenizer.post_process(question, passage)
    return bool(apart.offsets == tokenizer.encode(*parts).offsets)


def load_reader(name: str | None = None, device: str | None = None) -> Reader:
    """The bundled reader, one that `article-qa train` made, or any `AutoModelForQuestionAnswering`.

    Args:
        name: a folder or a hub id; None for the bundled one.
        device: "cpu", "cuda" or as torch names it, for models that torch runs; None for the GPU where there
            is one. Those in ONNX are for the CPU.

    Raises:
        InputError: there is no such model, or no such device for it.
    """
    if name is None or (Path(name) / MODEL_FILE).is_file():
        on_cpu(device, name or "The bundled reader")
        return OnnxReader(Path(name or BUNDLED))
    if not Path(name).is_dir() and name.startswith((".", "/", "~")):
        raise InputError(f"{name} is not a folder: name a question-answering model's folder or hub id.")
    from qa.transformers_reader import TransformersReader  # noqa: PLC0415  # imports torch

    return TransformersReader(name, device)
