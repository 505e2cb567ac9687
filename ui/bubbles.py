"""What stands in a chat bubble: HTML of answers and errors. Every text of a person or document is escaped."""

from __future__ import annotations

from markupsafe import Markup

from qa import Answer, Quote

CONFIDENCE_WORDS = ((0.9, "very sure"), (0.7, "fairly sure"), (0.0, "not sure"))
EXPLANATION = "How often an answer like this one is right, measured on questions with known answers."

_ANSWER = Markup("""<div class="answer"><p class="words">{text}</p>
<blockquote>{before}<mark>{text}</mark>{after}</blockquote>
<p class="about"><span title="{explanation}">{confidence}</span> · {place}</p></div>""")
_ABSTENTION = Markup("""<div class="abstention"><p class="words">{statement}</p>
<p class="about"><span title="{explanation}">{confidence}</span></p>{closest}</div>""")
_CLOSEST = Markup("""<details><summary>Closest passage</summary><blockquote>{text}</blockquote>
<p class="about">{place}</p></details>""")
_ERROR = Markup("""<div class="error" role="alert"><p>{}</p></div>""")
_QUESTION = Markup("""<div class="question">{}</div>""")


def question_bubble(question: str) -> str:
    """A question as it was typed."""
    return _QUESTION.format(question)


def answer_bubble(answer: Answer) -> str:
    """An answer with its sentence, confidence and place; or that there is none, with the closest passage."""
    confidence = f"{confidence_words(answer.confidence)} ({answer.confidence:.0%})"
    if not answer.answered:
        closest = _CLOSEST.format(text=answer.passages[0].text, place=_place(answer.passages[0]))
        return _ABSTENTION.format(
            statement="The article doesn’t say.",
            confidence=confidence,
            explanation=EXPLANATION,
            closest=closest,
        )
    offset = answer.start - answer.sentence_start
    return _ANSWER.format(
        text=answer.text,
        before=answer.sentence[:offset],
        after=answer.sentence[offset + len(answer.text) :],
        confidence=confidence,
        explanation=EXPLANATION,
        place=_place(answer),
    )


def error_bubble(error: Exception) -> str:
    """The sentence of an error."""
    return _ERROR.format(error)


def confidence_words(confidence: float) -> str:
    """A probability in words."""
    return next(words for least, words in CONFIDENCE_WORDS if confidence >= least)


def _place(of: Answer | Quote) -> str:
    page = f", page {of.page}" if of.page else ""
    return f"{of.title}{page}, characters {of.start:,}–{of.end:,}"
