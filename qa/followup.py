"""Follow-up questions: what "and when did she leave?" is about, told from the turns before it.

A question is changed only if it cannot stand alone: it begins as a follow-up does ("and ..."), lacks its
verb ("why?", "what about Renault?"), or has a pronoun that nothing in it explains. What it leans on is then
said after it in brackets: the names and noun phrases of the last question, and its answer. Which of them a
pronoun stands for is left to the reader, whose attention is better at that than our rules were: an
antecedent put in the pronoun's place lost three points of F1 on news_a and news_b against the questions as
typed, the brackets gained ten, with the reader of that day; with the present one typed questions get 65,
those with brackets 70, and the same questions written in full 79.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST = 5  # phrases in the brackets
SHORT = 200  # characters; a longer question says what it is about
LONG = 8  # words of an answer that is said in them
AUXILIARIES = frozenset(
    "am is are was were be been do does did has have had will would can could shall should may might "
    "must isn't aren't wasn't weren't don't doesn't didn't hasn't haven't hadn't won't wouldn't can't "
    "couldn't".split()
)
PREPOSITIONS = frozenset(
    "about above across after against along among around as at before behind below beside between "
    "beyond by despite down during for from in inside into like near of off on onto out outside over "
    "past per since than through to toward towards under until up upon via with within without".split()
)
QUESTION_WORDS = frozenset("who whom whose what which when where why how".split())
CONJUNCTIONS = frozenset("and but or so if because while although though that who which when where".split())
ARTICLES = frozenset("the a an my your our each every some any".split())
PRONOUNS = frozenset("he him his she her hers it its they them their theirs".split())
DEMONSTRATIVES = frozenset("that this those these".split())
POSSESSIVES = frozenset("his her its their".split())
# After "it", as in "how long does it take", "what is it called", "is it possible to".
_IMPERSONAL = frozenset("take takes took cost costs matter called necessary".split())
_JUDGEMENTS = frozenset(
    "possible impossible likely unlikely clear necessary essential important difficult hard harder "
    "easy easier assumed held confirmed believed thought said known that to".split()
)
_NEVER_NAMES = QUESTION_WORDS | AUXILIARIES | PREPOSITIONS
_NEVER_NOUNS = (
    AUXILIARIES | PREPOSITIONS | CONJUNCTIONS | QUESTION_WORDS | ARTICLES | PRONOUNS | DEMONSTRATIVES
)
_OF_THEM = re.compile(
    r"\b(?:each|some|most|many|much|all|any|none|one|half|both) of (?:them|those|these|it)\b", re.I
)
_CONTRACTED = re.compile(r"\b(who|what|where|when|how|why)['’]s\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_](?:[\w'’.&-]*[^\W_])?")
_OPENING = re.compile(r"^(?:(?:and|but|so|ok|okay|then|also|well)\b[\s,]*)+(?=\w)", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:what|how) about\s+", re.IGNORECASE)
_BARE = re.compile(
    r"^(?:(?:at|by|for|from|in|since|to|until|till|with|on|of|about)\s+)?"
    r"(?:whom?|what|when|where|why|which|how(?: (?:long|much|many|often|far|old|so|come|exactly))?)"
    r"(?: (?:one|ones|year|time|exactly|then|not|else|though|to|from|by|with|for))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked, as typed; what it was about if it did not say so itself; and the answer, or ""."""

    question: str
    context: tuple[str, ...]
    answer: str


def understood(question: str, turns: Sequence[Turn]) -> tuple[str, tuple[str, ...]]:
    """The question as it has to be asked without the turns before it.

    Args:
        question: as typed.
        turns: before it, oldest first.

    Returns:
        the question, itself where it can stand alone, and the phrases that were said with it, if any.
    """
    if not turns or not leans(question):
        return question, ()
    asked, last = _plain(question), turns[-1]
    if _is_fragment(asked):
        return _parallel(_ABOUT.sub("", asked), _plain(last.question)), ()
    own = set(_words(asked))
    context = tuple(phrase for phrase in _context(last) if not set(_words(phrase)) <= own)
    if not context:
        return question, ()
    return f"{asked[:1].upper()}{asked[1:]} ({', '.join(context)})?", context


def leans(question: str) -> bool:
    """Whether a question needs what came before it to be understood."""
    asked = question.strip().rstrip(" ?!.")
    if len(asked) > SHORT:
        return False
    if _OPENING.match(asked) or _ABOUT.match(asked) or _BARE.match(asked):
        return True
    asked = _CONTRACTED.sub(r"\1 is", asked)
    words = _words(asked)
    if _is_fragment(asked):
        return words[0] in PREPOSITIONS
    tokens = [match.group() for match in _WORD.finditer(asked)]
    if _OF_THEM.search(asked):
        return True
    return any(_is_pronoun(words, at) and not _is_explained(tokens, words, at) for at in range(len(words)))


def noun_phrases(question: str) -> list[str]:
    """The names, and the nouns with their articles, of a question, in their order."""
    tokens = list(_WORD.finditer(question))
    words = _words(question)
    found = []
    at = 0
    while at < len(tokens):
        begin = end = at
        if words[at] in ARTICLES:
            end = _end_of_nouns(words, at + 1)
            begin = at if end > at + 1 else end
        elif words[at] in ("many", "much", "which", "what", "whose") and at <= 1:
            begin = at + 1
            end = max(begin, _end_of_nouns(words, begin))
            end = begin if end == len(words) else end  # "what happened" has a verb there
        elif _is_name(tokens[at].group()) and (at or words[at] not in _NEVER_NAMES):
            end = at + 1
            while end < len(tokens) and _is_name(tokens[end].group()) and not _owns(tokens[end - 1].group()):
                end += 1
        if end > begin:
            found.append(re.sub(r"['’]s?$", "", question[tokens[begin].start() : tokens[end - 1].end()]))
        at = max(end, at + 1)
    return found


def _plain(question: str) -> str:
    """A question without how it follows on and its question mark."""
    return _OPENING.sub("", question.strip()).rstrip(" ?!.")


def _words(text: str) -> list[str]:
    """The words of a text, in lower case, without what is joined to them: "who's" is "who"."""
    return [re.sub(r"['’](?:s|re|d|ll|ve)$", "", word.lower()) for word in _WORD.findall(text)]


def _context(turn: Turn) -> Iterator[str]:
    """What a turn was about, without repeating itself: what it asks, its answer, what it leant on."""
    answer = turn.answer if len(turn.answer.split()) <= LONG else ""
    said: list[str] = []
    for phrase in [*noun_phrases(_plain(turn.question)), answer, *turn.context]:
        if phrase and len(said) < MOST and not any(phrase.lower() in other.lower() for other in said):
            said.append(phrase)
            yield phrase


def _is_name(word: str) -> bool:
    return word[:1].isupper()


def _owns(word: str) -> bool:
    return word.endswith(("'s", "’s", "s'", "s’"))


def _end_of_nouns(words: Sequence[str], at: int) -> int:
    end = at
    while end < len(words) and end - at < 4 and words[end] not in _NEVER_NOUNS:
        end += 1
    return end


def _is_fragment(asked: str) -> bool:
    """Whether this is "Renault", "in 2018", "the ones in Scotland": a part of a question, without a verb."""
    words = _words(_ABOUT.sub("", asked))
    return 0 < len(words) <= 6 and not set(words) & (AUXILIARIES | QUESTION_WORDS)


def _parallel(part: str, question: str) -> str:
    """The last question with another part: in the place of one with the same preposition, or besides."""
    part = re.sub(
        r"^(?:back|the ones?|those)\s+(?=(?:in|of|at|from|on|for|with)\b)", "", part, flags=re.IGNORECASE
    )
    first = part.split()[0].lower()
    if first in PREPOSITIONS:
        place = re.search(
            rf"\b{first}\s+(?:(?:the|a|an)\s+)?[^\W_][\w'’-]*(?:\s+[A-Z0-9][\w'’-]*)*", question
        )
        if place:
            return f"{question[: place.start()]}{part}{question[place.end() :]}?"
        return f"{question} {part}?"
    return f"{question}: {part}?"


def _is_pronoun(words: Sequence[str], at: int) -> bool:
    """Whether a word stands for something else; "it" does not in "is it clear that" or "what time is it"."""
    word = words[at]
    after = words[at + 1] if at + 1 < len(words) else ""
    before = words[at - 1] if at else ""
    if word == "it":
        impersonal = after in _IMPERSONAL or bool(set(words[at + 1 : at + 3]) & _JUDGEMENTS)
        return not impersonal and "time" not in words[:at]
    if word in DEMONSTRATIVES:
        return before in PREPOSITIONS | AUXILIARIES and (not after or after in AUXILIARIES | PREPOSITIONS)
    if word in ("one", "ones"):
        return word == "ones" or before == "another"
    return word in PRONOUNS


def _is_explained(tokens: Sequence[str], words: Sequence[str], at: int) -> bool:
    """Whether something before the pronoun can be what it stands for."""
    if any(_is_name(token) for token in tokens[1:at]) or (
        words[0] in ("in", "if", "since", "along", "when") and at > 5
    ):
        return True
    auxiliary = next((i for i in range(at) if words[i] in AUXILIARIES), None)
    if auxiliary is None or auxiliary > 3:  # the question word is the subject: "who moved his court"
        return words[at] in POSSESSIVES or any(word in ARTICLES for word in words[1:at]) or at > 5
    rest = words[auxiliary + 1 : at]
    return any(word in ARTICLES for word in rest) or (
        len(rest) > 1
        and rest[0] not in PREPOSITIONS | PRONOUNS | DEMONSTRATIVES
        and not rest[0].endswith("ing")
    )
