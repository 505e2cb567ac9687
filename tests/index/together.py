"""One writer and several readers of a shelf at a time, each a process: they see whole writes only.

python -m tests.index.together 60 [READERS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from index.embedder import load_embedder
from index.retriever import retrieve
from index.shelf import Shelf, ShelfView
from tests.index.writer import State, expected, states, write

QUESTION = "What is the code of hall 3?"


def together(seconds: float, readers: int, folder: Path) -> tuple[int, int]:
    """Write for so long while others read; returns how many writes and how many readings there were.

    Raises:
        AssertionError: a reader failed, or met a state that no write left.
    """
    shelf = Shelf(folder, load_embedder(), create=True)
    command = [sys.executable, "-m", "tests.index.together", "read", str(folder), str(seconds)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(readers)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        write(shelf, number)
        number += 1
    readings = 0
    for process in processes:
        output = process.communicate()[0]
        assert process.returncode == 0
        readings += int(output)
    assert shelf.check() == []
    held = {document.source: document.id for document in shelf.view().documents.values()}
    assert held == expected(number)
    return number, readings


def read(folder: Path, seconds: float) -> int:
    """Read for so long; returns how many times.

    Raises:
        AssertionError: what is read is not as a write left it, or older than what was read before.
    """
    shelf = Shelf(folder, load_embedder())
    print("ready", flush=True)
    until, readings = time.monotonic() + seconds, 0
    possible, now = states(), next(states())
    next(possible)
    while time.monotonic() < until:
        state = shelf.steadily(_look)
        for _ in range(10_000):  # writes since
            if now == state:
                break
            now = next(possible)
        assert now == state, "no write left this"
        readings += 1
    return readings


def _look(view: ShelfView) -> State:
    """Ask, and tell which documents there are: all that is found is of them."""
    found = retrieve(view, QUESTION, 5)
    state = {document.source: document.id for document in view.documents.values()}
    assert len(found) == min(5, len(view.passages))
    for hit in found:
        document = view.documents[hit.passage.document_id]
        assert document.text[hit.passage.start : hit.passage.end] == hit.passage.text
    return state


if __name__ == "__main__":
    if sys.argv[1] == "read":
        print(read(Path(sys.argv[2]), float(sys.argv[3])))
    else:
        with tempfile.TemporaryDirectory() as folder:
            count = int((sys.argv[2:] or ["4"])[0])
            writes, readings = together(float(sys.argv[1]), count, Path(folder) / "shelf")
            print(f"{writes} writes, {readings} readings by {count} readers, none wrong")
