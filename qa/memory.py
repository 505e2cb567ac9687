"""What an engine keeps of what it did: passages as tokenised, and answers of one state of the index."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict

from qa.answers import Answer
from qa.reader import Reader

PASSAGES = 2000  # about 15 KB each
ANSWERS = 1000

Given = tuple[Answer, float]  # and its decision score


class Memory:
    """May be shared by threads. It is the engine's, not the reader's, so that it goes with the documents."""

    def __init__(self, reader: Reader) -> None:
        self.tokenise = functools.lru_cache(PASSAGES)(reader.tokenise)
        self._lock = threading.Lock()
        self._state: object = None
        self._answers: OrderedDict[str, Given] = OrderedDict()

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
