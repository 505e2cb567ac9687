"""Any Sentence Transformers model as the embedder. Imports torch: 4 to 5 s and 450 MB on a laptop.

On a GPU it computes in half precision, in large batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from index.errors import InputError, reason
from index.hub import is_local, quieten
from index.torch_device import precision, torch_device

BATCH_SIZE = {"cpu": 32, "cuda": 512}  # texts


class SentenceTransformerEmbedder:
    """A Sentence Transformers model.

    Args:
        name: its folder or hub id.
        device: as torch names it; None for the GPU where there is one.

    Raises:
        InputError: there is no such model, or no such device.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        quieten()
        self._device = torch_device(device)
        try:
            self._model = SentenceTransformer(
                name,
                device=str(self._device),
                local_files_only=is_local(name),
                model_kwargs={"dtype": precision(self._device)},
            )
        except Exception as error:  # the hub client, transformers and json each raise their own kinds
            raise InputError(
                f"{name} cannot be loaded as an embedder ({reason(error)}): name another."
            ) from None
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise InputError(f"{name} gives no vectors: name a Sentence Transformers model.")
        self.dimension = dimension

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32, [texts, dimension], in their order."""
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH_SIZE.get(self._device.type, BATCH_SIZE["cpu"]),
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, np.float32).reshape(len(texts), self.dimension)
