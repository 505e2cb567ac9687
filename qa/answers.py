"""The one result type: what was asked, what the document says, where, and how sure that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of a document and where they stand.

    Attributes:
        text: the exact words: `document.text[start:end] == text`.
        document, title: id and title of the document.
        start, end: its characters.
        page: from 1, or None for a document without pages.
        score: of a span the reader's margin over "no answer here", in logits; of a passage the retriever's.
    """

    text: str
    document: str
    title: str
    start: int
    end: int
    page: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, or the statement that there is none.

    Attributes:
        question: as asked, less surrounding white space.
        text: the exact words of the document, or "" when abstaining.
        answered: whether there is an answer.
        confidence: calibrated probability, in [0, 1], that what is shown is right: the span, or the
            abstention.
        document, title: id and title of the document the answer stands in; "" when abstaining.
        start, end: its characters: `document.text[start:end] == text`; 0 and 0 when abstaining.
        page: from 1, or None.
        sentence: the sentence around the answer; it starts at `sentence_start` of the document.
        alternatives: other spans, best first, never overlapping the answer or each other; when abstaining,
            the best span there was comes first.
        passages: what was read, best first, with the retrieval scores.
        seconds: how long it took.
        understood_as: what was asked instead of a follow-up question (`Dialogue.ask`); "" if nothing was.
        reply: what is said to small talk in the place of an answer; "" to questions.
    """

    question: str
    text: str
    answered: bool
    confidence: float
    document: str
    title: str
    start: int
    end: int
    page: int | None
    sentence: str
    sentence_start: int
    alternatives: tuple[Quote, ...]
    passages: tuple[Quote, ...]
    seconds: float
    understood_as: str = ""
    reply: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers: the JSON of the command line and the HTTP API."""
        result = asdict(self)
        result["alternatives"] = list(result["alternatives"])
        result["passages"] = list(result["passages"])
        return result
