"""Embedders: texts to unit vectors whose inner product says how alike they are."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from index.errors import InputError
from index.onnx_model import MODEL_FILE, OnnxModel, on_cpu

BUNDLED = Path(__file__).parent / "model"
OUTPUT = "embedding"  # the one output of an exported embedder's graph
SENTENCE_TRANSFORMERS_FILE = "modules.json"  # which every Sentence Transformers folder has
MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was trained for; a passage has about 140


class Embedder(Protocol):
    """Anything that turns texts into vectors."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32, [texts, dimension], in their order."""


class OnnxEmbedder:
    """A sentence encoder exported by `index.export_embedder`; pooling and normalising are in its graph."""

    def __init__(self, folder: Path = BUNDLED) -> None:
        self._model = OnnxModel(folder)
        self._model.tokenizer.enable_truncation(MAX_TOKENS)
        if self._model.outputs != [OUTPUT]:
            raise InputError(f"{folder} holds no embedder: name the folder of one.")
        self.dimension = len(self._encode(["dimension"])[0])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32, [texts, dimension], in their order."""
        unique = list(dict.fromkeys(texts))  # boilerplate recurs within and across documents
        vectors = dict(zip(unique, self._encode(unique), strict=True))
        return np.array([vectors[text] for text in texts], np.float32).reshape(len(texts), self.dimension)

    def _encode(self, texts: list[str]) -> list[np.ndarray]:
        encodings = self._model.tokenizer.encode_batch_fast(texts)
        return [vector for (vector,) in self._model.run(encodings)]


def load_embedder(name: str | None = None, device: str | None = None) -> Embedder:
    """The bundled embedder, or any other Sentence Transformers model.

    Args:
        name: a folder or a hub id; None for the bundled one.
        device: "cpu", "cuda" or as torch names it, for models that torch runs; None for the GPU where there
            is one. Those in ONNX are for the CPU.

    Raises:
        InputError: there is no such model, or no such device for it.
    """
    folder = Path(name or BUNDLED)
    ours = (folder / MODEL_FILE).is_file() and not (folder / SENTENCE_TRANSFORMERS_FILE).is_file()
    if name is None or ours:
        on_cpu(device, name or "The bundled embedder")
        return OnnxEmbedder(folder)
    if not folder.is_dir() and name.startswith((".", "/", "~")):
        raise InputError(f"{name} is not a folder: name a Sentence Transformers model's folder or hub id.")
    from index.sentence_transformer import SentenceTransformerEmbedder  # noqa: PLC0415  # imports torch

    return SentenceTransformerEmbedder(name, device)


@functools.cache
def kept_embedder(name: str | None = None, device: str | None = None) -> Embedder:
    """As `load_embedder`, loaded once in a process."""
    return load_embedder(name, device)
