"""A process that writes to a shelf until it is killed, telling each write once it has returned.

    python -m tests.index.writer FOLDER FIRST

Write number n is the same in every process, so whoever reads the numbers knows what the shelf must hold.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from index import Document
from index.embedder import load_embedder
from index.shelf import Shelf

State = dict[str, str]  # source of a document -> its id
FILES = 5  # that are written over and over


def document(number: int) -> Document:
    """The document of a write; every `FILES`th is a new version of the same file."""
    words = " ".join(f"Hall {number} has the code X{number + k}Y." for k in range(40))
    return Document.from_text(words, f"{number % FILES}.txt", f"/halls/{number % FILES}.txt")


def write(shelf: Shelf, number: int) -> None:
    """Do a write: add or replace a document, and every third time remove another."""
    if number % 3 == 2:
        shelf.remove([document(number - 2).id])
    else:
        shelf.put(document(number))


def states() -> Iterator[State]:
    """What a shelf holds at first, and after each write."""
    held: State = {}
    for number in itertools.count():
        yield held
        if number % 3 == 2:
            gone = document(number - 2)
            held = {source: identity for source, identity in held.items() if identity != gone.id}
        else:
            held = held | {document(number).source: document(number).id}


def expected(count: int) -> State:
    """What a shelf holds after so many writes."""
    return next(itertools.islice(states(), count, None))


if __name__ == "__main__":
    shelf = Shelf(Path(sys.argv[1]), load_embedder(), create=True)
    print("ready", flush=True)
    for number in itertools.count(int(sys.argv[2])):
        write(shelf, number)
        print(number, flush=True)
