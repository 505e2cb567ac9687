"""What stands in a chat bubble: HTML of answers and errors. Every text of a person or document is escaped.

A button with `data-document`, `data-start` and `data-end` moves the document pane to that place (chat.js).
"""

from __future__ import annotations

from markupsafe import Markup

from qa import Answer, Quote

CONFIDENCE_WORDS = ((0.9, "very sure"), (0.7, "fairly sure"), (0.0, "not sure"))
EXPLANATION = "How often an answer like this one is right, measured on questions with known answers."
CLOSEST = 3  # passages shown where the document does not say

_ANSWER = Markup("""<div class="answer"><p class="words">{text}</p>
<blockquote>{before}<mark>{text}</mark>{after}</blockquote>
<p class="about">{confidence} · {place}{tools}</p>
{more}</div>""")
_ABSTENTION = Markup("""<div class="abstention"><p class="words">{statement}</p>
<p class="about">{confidence}{tools}</p>
{more}</div>""")
_CONFIDENCE = Markup(
    """<span class="confidence" tabindex="0" title="{explanation}">{words} ({number:.0%})</span>"""
)
_REPLY = Markup("""<div class="reply"><p>{said}</p>{quotes}</div>""")
_QUOTES = Markup("""<ul>{}</ul>""")
_UNDERSTOOD = Markup("""<p class="understood">Understood as: {understood_as} <button type="button"
class="tool" data-astyped="{question}" title="Ask it as it was typed">Ask as typed</button></p>
""")
_UNFOLD = Markup("""<details><summary>{summary}</summary><ol>{items}</ol></details>""")
_ITEM = Markup("""<li><q>{text}</q> {place}</li>""")
_PLACE = Markup("""<button type="button" class="place" data-document="{document}" data-start="{start}"
data-end="{end}" title="Show it in the document">{label}</button>""")
_COPY = Markup(""" <button type="button" class="tool" data-copy="{}" title="Copy the answer">Copy</button>""")
_THUMBS = Markup(""" <button type="button" class="tool" data-verdict="up" data-turn="{turn}" title="Right"
aria-label="Right">👍</button><button type="button" class="tool" data-verdict="down" data-turn="{turn}"
title="Wrong" aria-label="Wrong">👎</button>""")
_CORRECTION = Markup("""<div class="correction" role="status"><p>{words}</p>
<button type="button" data-verdict="marked" data-turn="{turn}">This is the answer</button>
<button type="button" data-verdict="absent" data-turn="{turn}">The document doesn’t say</button></div>""")
THANKS = Markup("""<div class="correction" role="status"><p>Thank you, that is written down.</p></div>""")
_ERROR = Markup("""<div class="error" role="alert"><p>{}</p></div>""")
_QUESTION = Markup("""<div class="question">{}</div>""")


def question_bubble(question: str) -> str:
    """A question as it was typed."""
    return _QUESTION.format(question)


def answer_bubble(answer: Answer, turn: int | None = None) -> str:
    """An answer with its sentence, confidence, place and alternatives; that there is none; or small talk.

    Args:
        answer: to show.
        turn: its number in the conversation, for the thumbs; None for none.
    """
    if answer.reply:
        items = [_ITEM.format(text=quote.text, place=_place(quote)) for quote in answer.alternatives]
        quotes = _QUOTES.format(Markup("").join(items)) if items else ""
        return _REPLY.format(said=answer.reply, quotes=quotes)
    understood = (
        _UNDERSTOOD.format(understood_as=answer.understood_as, question=answer.question)
        if answer.understood_as
        else Markup("")
    )
    return understood + (_answered(answer, turn) if answer.answered else _abstained(answer, turn))


def error_bubble(error: str) -> str:
    """The sentence of an error."""
    return _ERROR.format(error)


def correction_bar(turn: int, *, nothing_marked: bool = False) -> str:
    """What asks for the right answer of a turn."""
    words = "Nothing is marked yet. " if nothing_marked else ""
    return _CORRECTION.format(
        words=f"{words}Mark the right answer in the document below, then say which it is.", turn=turn
    )


def confidence_words(confidence: float) -> str:
    """A probability in words."""
    return next(words for least, words in CONFIDENCE_WORDS if confidence >= least)


def place_in_words(of: Answer | Quote) -> str:
    """Where words stand: title, page and characters."""
    page = f", page {of.page}" if of.page else ""
    return f"{of.title}{page}, characters {of.start:,}–{of.end:,}"


def _unfold(summary: str, quotes: tuple[Quote, ...]) -> Markup:
    items = [_ITEM.format(text=quote.text, place=_place(quote)) for quote in quotes]
    return _UNFOLD.format(summary=summary, items=Markup("").join(items)) if items else Markup("")


def _place(of: Answer | Quote) -> Markup:
    return _PLACE.format(document=of.document, start=of.start, end=of.end, label=place_in_words(of))


def _answered(answer: Answer, turn: int | None) -> Markup:
    offset = answer.start - answer.sentence_start
    return _ANSWER.format(
        text=answer.text,
        before=answer.sentence[:offset],
        after=answer.sentence[offset + len(answer.text) :],
        confidence=_confidence(answer),
        place=_place(answer),
        tools=_COPY.format(answer.text) + _thumbs(turn),
        more=_unfold("Other places it might be", answer.alternatives),
    )


def _abstained(answer: Answer, turn: int | None) -> Markup:
    return _ABSTENTION.format(
        statement="The document doesn’t say.",
        confidence=_confidence(answer),
        tools=_thumbs(turn),
        more=_unfold("Closest passages", answer.passages[:CLOSEST]),
    )


def _confidence(answer: Answer) -> Markup:
    words = confidence_words(answer.confidence)
    return _CONFIDENCE.format(explanation=EXPLANATION, words=words, number=answer.confidence)


def _thumbs(turn: int | None) -> Markup:
    return Markup("") if turn is None else _THUMBS.format(turn=turn)
