"""Unanswerable questions by rule: an answerable question changed in one place until its context is silent.

A reader that has only seen questions with an answer, and questions about something else altogether, answers
whatever shares words with the text. Each rule here changes one thing that the answer depends on, after the
kinds of Rajpurkar et al. 2018 (entity swap, antonym, negation) and Zhu et al. 2019: a name or a number for
another of the same article that the context does not hold, a word for its opposite, or a statement for its
negation. The rest of the question still points at the old answer, which is now wrong.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from index.embedder import Embedder

NEGATED = 0.5  # of the questions that no other rule comes before: one in six of SQuAD 2.0's unanswerable ones
STEM = 4  # letters by which words of one kin are known: Vietnam and Vietnamese
APART = 0.5  # of the negations that can stand before a participle: "was it not opened"
ALIKE = 8  # names most like the one they replace, from which one is drawn

_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_NUMBER = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w-])")
# A name: capitalised words, after a word that does not end a sentence, so that its capital says something.
_CAPITALISED = r"[A-Z][\w'’&-]*\w"
_NAME = re.compile(rf"(?<=[\w,;:(] ){_CAPITALISED}(?: (?:(?:of|the|de|van|von|and) )*{_CAPITALISED})*")
_OPPOSITES = """
    after/before earliest/latest early/late first/last oldest/youngest older/younger largest/smallest
    larger/smaller biggest/smallest big/small large/small highest/lowest higher/lower high/low
    longest/shortest best/worst better/worse good/bad most/least maximum/minimum increase/decrease
    increased/decreased increasing/decreasing rise/fall rose/fell gain/lose gained/lost won/lost
    win/lose north/south northern/southern northeast/southwest northwest/southeast east/west
    eastern/western started/ended
    begin/end began/ended open/close opened/closed opening/closing major/minor majority/minority
    public/private formal/informal legal/illegal accept/reject accepted/rejected allow/forbid
    allowed/forbidden include/exclude included/excluded support/oppose agree/disagree agreed/disagreed
    success/failure successful/unsuccessful succeeded/failed buy/sell bought/sold import/export
    imported/exported arrive/depart arrived/departed join/leave joined/left create/destroy
    created/destroyed built/demolished remove/add removed/added cause/prevent caused/prevented hot/cold
    warm/cool strong/weak stronger/weaker rich/poor ancient/modern common/rare popular/unpopular
    male/female men/women man/woman husband/wife father/mother son/daughter brother/sister king/queen
    positive/negative advantage/disadvantage inside/outside internal/external upper/lower top/bottom
    fast/slow faster/slower easy/difficult heavy/light hire/dismiss hired/dismissed approve/veto
    approved/vetoed attack/defend attacked/defended similar/different alive/dead urban/rural day/night
    domestic/foreign friend/enemy teacher/student employer/employee above/below
    praised/criticized love/hate loved/hated liked/disliked visible/invisible
""".split()
_OPPOSITE_OF = dict(
    pair
    for left, _, right in (item.partition("/") for item in _OPPOSITES)
    for pair in ((right, left), (left, right))
)
_AUXILIARY = re.compile(r"\b(is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.I)
_NEGATED = re.compile(r"\b(?:not|never|no|none|without|cannot)\b|n['’]t\b", re.I)
_PARTICIPLE = re.compile(r"\b[a-z]{3,}(?:ed|en|ing)\b")
_CONTRACTED = {"can": "can't", "will": "won't"}


class Vocabulary:
    """The names and numbers of an article, to put in the place of those of a question.

    Args:
        texts: the contexts of the article.
        embedder: finds names of the same kind; used when the first name is asked for.
    """

    def __init__(self, texts: Sequence[str], embedder: Embedder) -> None:
        text = "\n".join(texts)
        self.names = _each_once(_NAME, text)
        self.numbers = _each_once(_NUMBER, text)
        self._embedder = embedder
        self._places = {name: place for place, name in enumerate(self.names)}

    def names_like(self, name: str) -> Iterator[str]:
        """The names of the article, those most like `name`, itself one, first: a town for a town."""
        for place in np.argsort(-(self._vectors @ self._vectors[self._places[name]]), kind="stable"):
            yield self.names[place]

    @functools.cached_property
    def _vectors(self) -> np.ndarray:
        return self._embedder.encode(self.names)


def make_unanswerable(
    question: str, context: str, answers: Sequence[str], article: Vocabulary, rng: random.Random
) -> str | None:
    """The question with one thing changed so that the context no longer answers it, or None.

    Args:
        question: one that the context answers.
        context: what it is asked of.
        answers: those it accepts, which are never put into the question.
        article: of the article that the context is from.
        rng: draws the rule and what is put in.
    """
    rules: list[tuple[Callable[[], str | None], float]] = [
        (lambda: _swap_name(question, context, answers, article, rng), 4),
        (lambda: _swap_number(question, context, article, rng), 3),
        (lambda: _swap_opposite(question, context, rng), 3),
        (lambda: _negate(question, rng) if rng.random() < NEGATED else None, 1),
    ]
    # A weighted order without repetition: Efraimidis and Spirakis 2006.
    rules.sort(key=lambda rule: rng.random() ** (1 / rule[1]), reverse=True)
    return next((changed for rule, _ in rules if (changed := rule())), None)


def _each_once(pattern: re.Pattern[str], text: str) -> list[str]:
    return list(dict.fromkeys(match.group() for match in pattern.finditer(text)))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _replace(question: str, start: int, end: int, new: str) -> str:
    if question.islower():
        new = new.lower()
    return question[:start] + new + question[end:]


def _swap_name(
    question: str, context: str, answers: Sequence[str], article: Vocabulary, rng: random.Random
) -> str | None:
    lowered = question.lower()
    held = [
        (found.span(), name)
        for name in _each_once(_NAME, context)
        if (found := re.search(rf"\b{re.escape(name.lower())}\b", lowered))
    ]
    if not held:
        return None
    place, name = max(held, key=lambda item: (item[0][1] - item[0][0], rng.random()))
    own = {word[:STEM] for text in (question, *answers) for word in _words(text)}
    fitting = (
        other
        for other in article.names_like(name)
        if own.isdisjoint(word[:STEM] for word in _words(other)) and other.lower() not in context.lower()
    )
    others = list(itertools.islice(fitting, ALIKE))
    return _replace(question, *place, rng.choice(others)) if others else None


def _swap_number(question: str, context: str, article: Vocabulary, rng: random.Random) -> str | None:
    held = [match for match in _NUMBER.finditer(question) if match.group() in context]
    if not held:
        return None
    match = rng.choice(held)
    old = match.group()
    alike = [number for number in article.numbers if len(number) == len(old) and number[0] == old[0]]
    if old.isdigit():
        alike.append(str(max(1, int(old) + rng.choice([-1, 1]) * rng.randint(1, 12))))
    others = [number for number in alike if number not in context]
    return _replace(question, *match.span(), rng.choice(others)) if others else None


def _swap_opposite(question: str, context: str, rng: random.Random) -> str | None:
    held = [
        match
        for match in _WORD.finditer(question)
        if match.group() in _OPPOSITE_OF
        and not re.search(rf"\b{_OPPOSITE_OF[match.group()]}\b", context, re.I)
    ]
    if not held:
        return None
    match = rng.choice(held)
    return _replace(question, *match.span(), _OPPOSITE_OF[match.group()])


def _negate(question: str, rng: random.Random) -> str | None:
    if _NEGATED.search(question):
        return None
    match = _AUXILIARY.search(question)
    if match is None:
        return None
    word = match.group()
    participle = _PARTICIPLE.search(question, match.end())
    if participle and rng.random() < APART:
        return _replace(question, participle.start(), participle.start(), "not ")
    return _replace(question, *match.span(), _CONTRACTED.get(word.lower(), f"{word}n't"))
