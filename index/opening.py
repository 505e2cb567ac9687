"""An index that outlives the process, by its name: a folder, or one over Milvus.

FOLDER                                 see `index.shelf`
milvus:PATH                            Milvus Lite, which keeps it in a folder of that name
milvus+http://HOST:PORT/COLLECTION     a Milvus server or cluster, or milvus+https
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from index.embedder import Embedder
from index.errors import InputError
from index.shelf import Shelf, ShelfCatalogue
from index.store import Catalogue, Store

if TYPE_CHECKING:
    from types import ModuleType

MILVUS = ("milvus:", "milvus+")


def open_index(name: Path | str, embedder: Embedder, *, create: bool = False) -> Store:
    """Open an index to ask, add to or check it.

    Args:
        name: of the index.
        embedder: of passages and questions; the one the index was made with.
        create: whether to make the index where there is none.

    Raises:
        InputError: there is no index, it is damaged, of another version, made with another embedder, its
            server does not answer, or what it takes is not installed.
    """
    if str(name).startswith(MILVUS):
        store: Store = _milvus().MilvusIndex(str(name), embedder, create=create)
        return store
    return Shelf(name, embedder, create=create)


def open_catalogue(name: Path | str) -> Catalogue:
    """Open an index to list, find and delete its documents.

    Args:
        name: of the index.

    Raises:
        InputError: as `open_index`.
    """
    if str(name).startswith(MILVUS):
        catalogue: Catalogue = _milvus().MilvusDatabase(str(name))
        return catalogue
    return ShelfCatalogue(Path(name))


def _milvus() -> ModuleType:
    """The module, which imports pymilvus: seconds that no other index should take."""
    try:
        import index.milvus  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(
            f'An index over Milvus needs {error.name}, which is not installed: pip install ".[scale]" '
            "brings it."
        ) from None
    return index.milvus
