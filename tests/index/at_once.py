"""Two processes that write to an index over a Milvus server at the same time, the same files and texts.

python -m tests.index.at_once milvus+http://localhost:19530/at_once [ROUNDS]
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time

import numpy as np

from index import Document
from index.milvus import MilvusIndex

STEP = 0.2  # seconds from one round to the next
APART = 0.02  # seconds at most by which the two begin a round one after the other
STARTING = 6.0  # seconds for both to come up
SEED = 5


class Embedder:
    """Vectors by chance, as what is found is not looked at; they cost no time, so that writes meet."""

    dimension = 8

    def encode(self, texts: list[str]) -> np.ndarray:
        """A unit vector for each text, the same for the same text, float32, [texts, dimension]."""
        rows = [np.random.default_rng(list(text.encode())).normal(size=self.dimension) for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), self.dimension)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def document(number: int, who: str, folder: str) -> Document:
    """A text of a round, in a file of the round."""
    return Document.from_text(f"{who} {number} says hello to the hall.", who, f"/{folder}/{number}")


def work(index: MilvusIndex, who: str, number: int) -> None:
    """What a process does in a round; of each pair of writes either may be the first."""
    if who == "first":
        index.put(document(number, "Ben", "a"))  # the last file of a text leaves it
        index.remove([document(number, "Cid", "c").id])  # a text goes, while its file gets another
        index.put(document(number, "Eve", "d"))  # a new file in two versions
    else:
        index.put(document(number, "Ada", "b"))
        index.put(document(number, "Dan", "c"))
        index.put(document(number, "Flo", "d"))


def written_at_once(name: str, rounds: int) -> list[str]:
    """Let two processes write to a new index; returns what is wrong with it in the end."""
    with contextlib.closing(MilvusIndex(name, Embedder(), create=True)) as index:
        for number in range(rounds):
            index.put(document(number, "Ada", "a"))
            index.put(document(number, "Cid", "c"))
        begin = str(time.time() + STARTING)
        arguments = [sys.executable, "-m", "tests.index.at_once", name, str(rounds), begin]
        processes = [subprocess.Popen([*arguments, who]) for who in ("first", "second")]
        problems = [f"a process ended with {code}" for process in processes if (code := process.wait())]
        held = {record.source: record.id for record in index.database.rows.all_records()}
        for number in range(rounds):
            for who, folder in (("Ben", "a"), ("Ada", "b"), ("Dan", "c")):
                wanted = document(number, who, folder)
                if held.get(wanted.source) != wanted.id:
                    problems.append(f"{wanted.source} is not what it was written last")
            if held.get(f"/d/{number}") not in [document(number, who, "d").id for who in ("Eve", "Flo")]:
                problems.append(f"/d/{number} is not there")
        return problems + index.check()


def take_part(name: str, rounds: int, begin: float, who: str) -> None:
    """Do one process's part of all rounds, each at its time."""
    generator = random.Random(f"{SEED} {who}")
    with contextlib.closing(MilvusIndex(name, Embedder())) as index:
        for number in range(rounds):
            time.sleep(max(0, begin + number * STEP + generator.uniform(0, APART) - time.time()))
            work(index, who, number)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        take_part(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
    else:
        wrong = written_at_once(sys.argv[1], int((sys.argv[2:] or ["300"])[0]))
        sys.exit("\n".join(wrong) or 0)
