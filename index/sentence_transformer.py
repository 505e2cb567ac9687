"""Any Sentence Transformers model as the embedder. Imports torch: 4 to 5 s and 450 MB on a laptop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from index.errors import InputError, reason
from index.hub import is_local, quieten


class SentenceTransformerEmbedder:
    """A Sentence Transformers model, on the GPU where there is one.

    Raises:
        InputError: there is no such model.
    """

    def __init__(self, name: str) -> None:
        quieten()
        try:
            self._model = SentenceTransformer(name, local_files_only=is_local(name))
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
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32).reshape(len(texts), self.dimension)
