"""What an index was made with, and whether that goes with what opens it: the same for every kind of index."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from index.errors import InputError

PROBE = "The quick brown fox jumps over the lazy dog."
SAME_MODEL = 0.98  # cosine of two vectors of a text: int8 and float32 of one model differ by less


def no_index(name: Path | str) -> InputError:
    """What is said where there is no index."""
    return InputError(f"{name} holds no index: make one with `article-qa index add {name} FILE`.")


def damaged_document(name: Path | str, title: str) -> InputError:
    """What is said where a document cannot be read."""
    return InputError(
        f"{name} holds a damaged document, {title}: run `article-qa index check {name} --repair`."
    )


def check_schema(name: Path | str, stored: int, ours: int) -> None:
    """See that an index is laid out as this version does.

    Args:
        name: of the index.
        stored: number of its layout.
        ours: of this version.

    Raises:
        InputError: they differ.
    """
    if stored > ours:
        raise InputError(f"{name} was made by a newer version: update article-qa to open it.")
    if stored < ours:
        raise InputError(f"{name} was made by an earlier version: add the files to a new index.")


def check_embedder(name: Path | str, stored: np.ndarray, probe: np.ndarray) -> None:
    """See that an index was made with the embedder that it is opened with.

    Args:
        name: of the index.
        stored: vector of `PROBE` by the embedder it was made with, float32, [dimension].
        probe: the same by the other.

    Raises:
        InputError: it was another one.
    """
    if stored.shape != probe.shape or stored @ probe < SAME_MODEL:
        raise InputError(
            f"{name} was made with another embedder: name that one with --embedder, "
            "or add the files to a new index."
        )
