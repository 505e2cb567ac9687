"""Everything that makes text findable: documents, passages, embeddings, the index and the retriever.

Knows nothing of answers. Light to import: models and search engines load where they are first needed.
"""

from index.documents import Document, read_file, read_stream
from index.errors import InputError
from index.passages import Passage, split_passages

__all__ = ["Document", "InputError", "Passage", "read_file", "read_stream", "split_passages"]
