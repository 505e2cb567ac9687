"""A conversation: follow-up questions are asked in full, and small talk gets a fitting reply.

chat = bot.dialogue()
chat.ask("Who was arrested?")
chat.ask("When?").understood_as
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from qa.answers import Answer
from qa.followup import Turn, understood
from qa.smalltalk import reply

if TYPE_CHECKING:
    from qa.engine import ArticleQA

REMEMBERED = 4  # turns; a follow-up leans on the last, which may have leant on the ones before


class Dialogue:
    """The turns of one conversation. Not for several threads at a time.

    Args:
        engine: over the documents that are asked.
    """

    def __init__(self, engine: ArticleQA) -> None:
        self._engine = engine
        self._turns: list[Turn] = []

    def ask(self, question: str, engine: ArticleQA | None = None, *, as_typed: bool = False) -> Answer:
        """Answer a question, understood from the turns before it where it cannot stand alone.

        Args:
            question: at most 2,000 characters.
            engine: over other documents from now on; None for those as before.
            as_typed: ask it as it stands, even if it seems to follow on.

        Returns:
            the answer; `understood_as` says what was asked instead of the question, if anything.

        Raises:
            InputError: the question is blank or too long.
        """
        self._engine = engine or self._engine
        began = time.perf_counter()  # the index may be waited for before the engine's own clock starts
        answer = self._engine.steadily(lambda now: self._ask(now, question, as_typed))
        return replace(answer, seconds=time.perf_counter() - began)

    def forget(self, turns: int = REMEMBERED) -> None:
        """Take back so many of the last turns."""
        del self._turns[-turns:]

    def _ask(self, engine: ArticleQA, question: str, as_typed: bool) -> Answer:
        said = reply(engine, question)
        if said is not None:
            return said
        asked, context = (question, ()) if as_typed else understood(question, self._turns)
        answer = engine.answer(asked)
        if asked != question:
            answer = replace(answer, question=question.strip(), understood_as=asked)
        self._turns = [*self._turns[1 - REMEMBERED :], Turn(question, context, answer.text)]
        return answer
