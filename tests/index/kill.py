"""Kill a writer at random points: the shelf always opens, and holds every write that had returned.

python -m tests.index.kill 200 [SEED]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from index.embedder import load_embedder
from index.shelf import Shelf
from tests.index.writer import expected


def kill(times: int, seed: int, folder: Path) -> int:
    """Start a writer and kill it, so many times; returns how many writes there were in all.

    Raises:
        AssertionError: a write was lost, or half of one is there.
    """
    rng = random.Random(seed)
    embedder = load_embedder()
    done = 0
    for _ in range(times):
        command = [sys.executable, "-m", "tests.index.writer", str(folder), str(done)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            told = [writer.stdout.readline() for _ in range(rng.randrange(4))]
            time.sleep(rng.uniform(0, 0.03))
            writer.kill()
            told += writer.stdout.read().split()
        done = int(told[-1]) + 1 if told else done
        shelf = Shelf(folder, embedder)
        held = {document.source: document.id for document in shelf.view().documents.values()}
        # The write that was under way may have ended, untold, but not in part.
        assert held in (expected(done), expected(done + 1)), (held, done)
        done += held != expected(done)
        assert shelf.check() == []
        shelf.close()
    return done


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        writes = kill(int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]), Path(folder) / "shelf")
        print(f"{sys.argv[1]} kills, {writes} writes, none lost")
