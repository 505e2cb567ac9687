"""What an engine keeps of what it did: passages as tokenised, and answers of one state of the index."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable

from qa.answers import Answer
from qa.reader import Reader
from qa.spans import TokenisedPassage

PASSAGES = 2000  # about 15 KB each
ANSWERS = 1000

Given = tuple[Answer, float]  # and its decision score


class Memory:
    """May be shared by threads. It is an engine's, not the reader's, so that it goes when the engine goes.

    Args:
        tokenise: as `Reader.tokenise`, which remembers.
    """

    def __init__(self, tokenise: Callable[[str], TokenisedPassage]) -> None:
        self.tokenise = tokenise
        self._lock = threading.Lock()
        self._state: object = None
        self._answers: OrderedDict[str, Given] = OrderedDict()

    @classmethod
    def of(cls, reader: Reader) -> Memory:
        """A new one, for an engine with that reader."""
        return cls(functools.lru_cache(PASSAGES)(reader.tokenise))

    def apart(self) -> Memory:
        """One with the same passages, but answers of its own."""
        return Memory(self.tokenise)

    def answer(self, state: object, question: str) -> Given | None:
        """What was answered to the question while the index was in the same state; None if nothing was.

        Args:
            state: of the index, as `Index.state`.
            question: as asked.
        """
        with self._lock:
            if state is not self._state or question not in self._answers:
                return None
            self._answers.move_to_end(question)
            return self._answers[question]

    def keep(self, state: object, question: str, given: Given) -> None:
        """Remember an answer; those of another state, and the one that was not asked for the longest, go."""
        with self._lock:
            if state is not self._state:
                self._state = state
                self._answers.clear()
            self._answers[question] = given
            if len(self._answers) > ANSWERS:
                self._answers.popitem(last=False)
