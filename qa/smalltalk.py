"""Small talk: greetings, thanks, questions about the chat or the whole document, told by their whole wording.

A span of the document would be no answer to these. They are told narrowly: a question that merely begins
with a greeting, or asks what something else is about, is a question to the document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from index import Document
from index.passages import page_of
from index.sentences import split_sentences
from qa.answers import Answer, Quote

if TYPE_CHECKING:
    from qa.engine import ArticleQA

LISTED = 5  # documents that are named
SENTENCES = 3  # that tell what a document is about
LOOKED_AT = 300  # sentences of a document, evenly spread, that are compared
LONG = 40, 400  # characters of a sentence that can tell it
_THIS = r"(?:this|that|the|my|your)(?: (?:article|document|text|file|page|pdf|report|story|paper))?"
_GREETING = r"(?:hi|hello|hey|hallo|good (?:morning|afternoon|evening|day))(?: there| again| bot)?"
_THANKS = (
    r"(?:many thanks|thanks?(?: you)?(?: (?:so|very) much| a lot)?|thx|cheers|great|perfect|nice|ok(?:ay)?|"
    r"cool|good ?bye|bye|see you)(?:,? (?:thanks?(?: you)?|bye|good ?bye|great))?"
)
_ABILITY = (
    r"(?:help|what can (?:you|i) (?:do|ask)(?: (?:you|here|for me))?|what do you do|how do you work|"
    r"how does (?:this|it) work|how (?:can|do) i use (?:you|this|it)|who are you|what are you)"
)
_GIST = (
    rf"(?:what(?:'s| is|s) {_THIS} (?:all )?about|what(?:'s| is|s) it (?:all )?about|"
    rf"(?:please )?summari[sz]e (?:{_THIS}|it)(?: please)?|"
    rf"(?:give me )?a summary(?: of {_THIS})?(?: please)?|"
    r"tl;?dr|what are the main points)"
)
_KINDS = {
    kind: re.compile(rf"^{pattern}$", re.IGNORECASE)
    for kind, pattern in {
        "greeting": _GREETING, "thanks": _THANKS, "ability": _ABILITY, "gist": _GIST,
    }.items()
}  # fmt: skip


def kind_of(text: str) -> str | None:
    """Which kind of small talk this is: greeting, thanks, ability or gist; None if it is a question."""
    words = " ".join(text.replace("’", "'").split()).rstrip(" ?!.")
    return next((kind for kind, pattern in _KINDS.items() if pattern.match(words)), None)


def reply(engine: ArticleQA, text: str) -> Answer | None:
    """A reply to small talk; None if it is a question.

    Args:
        engine: over the documents it may be about.
        text: as typed.

    Returns:
        an answer whose `reply` says something; asked what a document is about, its most central sentences
        are the alternatives. Its seconds are for the caller to take.
    """
    kind = kind_of(text)
    if kind is None:
        return None
    entries = engine.index.entries()
    quotes: tuple[Quote, ...] = ()
    if kind == "greeting":
        said = f"Hello! Ask me about {_named([entry.title for entry in entries])}."
    elif kind == "thanks":
        said = "You are welcome."
    elif kind == "ability":
        said = (
            f"I answer questions about {_named([entry.title for entry in entries])} in its exact words, show "
            "where they stand and how sure that is, or say that the text doesn’t say."
        )
    elif len(entries) != 1:
        said = (
            f"There are {len(entries):,} documents here: {_named([e.title for e in entries])}. Ask about one."
        )
    else:
        document = engine.index.documents[entries[0].id]
        quotes = central_sentences(engine, document)
        said = f"The sentences that say most of what {document.title} is about:"
    return Answer(
        question=text.strip(), text="", answered=False, confidence=1.0, document="", title="", start=0, end=0,
        page=None, sentence="", sentence_start=0, alternatives=quotes, passages=(),
        seconds=0.0, reply=said,
    )  # fmt: skip


def central_sentences(engine: ArticleQA, document: Document, count: int = SENTENCES) -> tuple[Quote, ...]:
    """The sentences of a document nearest to the mean of all, in its order; none says what another says.

    Centroid-based summarisation (Radev et al. 2004), over sentence embeddings, less what is redundant
    (maximal marginal relevance, Carbonell & Goldstein 1998).
    """
    bounds = [
        (start, end) for start, end in split_sentences(document.text) if LONG[0] <= end - start <= LONG[1]
    ]
    bounds = bounds or split_sentences(document.text)
    bounds = list({document.text[start:end]: (start, end) for start, end in reversed(bounds)}.values())[::-1]
    if len(bounds) > LOOKED_AT:
        bounds = [bounds[int(at)] for at in np.linspace(0, len(bounds) - 1, LOOKED_AT)]
    vectors = engine.index.embedder.encode([document.text[start:end] for start, end in bounds])
    centrality = vectors @ vectors.mean(axis=0)
    chosen: list[int] = []
    while len(chosen) < min(count, len(bounds)):
        said = (vectors @ vectors[chosen].T).max(axis=1) if chosen else np.zeros(len(bounds), np.float32)
        worth = centrality - 0.3 * said
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    return tuple(
        Quote(
            document.text[bounds[at][0] : bounds[at][1]], document.id, document.title, *bounds[at],
            page_of(document, bounds[at][0]), float(centrality[at]),
        )
        for at in sorted(chosen)
    )  # fmt: skip


def _named(titles: Sequence[str]) -> str:
    named = ", ".join(titles[:LISTED])
    return f"{named} and {len(titles) - LISTED:,} more" if len(titles) > LISTED else named
