"""Spans: the best answers in scored windows of passages, moved to the document and compared there.

A span's score is start logit + end logit minus the null score, the same sum at [CLS], of its window (Devlin
et al. 2019). Unlike probabilities normalised within a window, as the pipeline of transformers 4 had them,
these compare across passages (Clark & Gardner 2017; Wang et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from tokenizers import Encoding

from index import Passage
from index.passages import is_inside_character
from index.sentences import split_sentences

MAX_SPAN_TOKENS = 30
PER_WINDOW = 20  # spans taken from a window, however many alternatives are asked for


@dataclass(frozen=True, slots=True)
class TokenisedPassage:
    """What a reader needs of a passage whatever the question is, so that it is done once.

    Attributes:
        text: of the passage.
        encoding: its tokens without special ones; None where they have to be made with the question.
        sentence_ends: where its sentences end, int64, [sentences].
    """

    text: str
    encoding: Encoding | None
    sentence_ends: np.ndarray

    @classmethod
    def of(cls, text: str, encoding: Encoding | None) -> TokenisedPassage:
        """A passage with its tokens."""
        return cls(text, encoding, np.array([end for _, end in split_sentences(text)], np.int64))


@dataclass(frozen=True, slots=True)
class Window:
    """A question and a piece of one passage, scored.

    Attributes:
        encoding: the tokens; `encoding.offsets` count characters of the passage where the sequence id is 1.
        start, end: logits, float32, [tokens].
        null: index of the token that stands for "no answer here".
    """

    encoding: Encoding
    start: np.ndarray
    end: np.ndarray
    null: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A candidate answer.

    Attributes:
        start, end: characters of the text it was found in.
        score: start + end logit minus the window's null score; in a document, with the passage's prior.
        log_probability: of the span in its window, the null span and all others included; at most 0.
        seen: in how many windows or passages it was found.
        document_id: the document whose characters `start` and `end` count; "" before `in_document`.
        rank: of the passage among those retrieved, from 0.
    """

    start: int
    end: int
    score: float
    log_probability: float
    seen: int = 1
    document_id: str = ""
    rank: int = 0

    def in_document(self, passage: Passage, rank: int, prior: float) -> Span:
        """The same span by the document's characters, among those of other passages.

        Args:
            passage: where it was found.
            rank: of the passage among those retrieved, from 0.
            prior: logits to add, since not every passage is as likely to hold the answer.
        """
        start, end = self.start + passage.start, self.end + passage.start
        score = self.score + prior
        return replace(self, start=start, end=end, score=score, document_id=passage.document_id, rank=rank)

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a character."""
        return self.document_id == other.document_id and self.start < other.end and other.start < self.end


def decode(windows: Sequence[Window], passage: TokenisedPassage) -> list[Span]:
    """The best spans of one passage, best first.

    A span lies inside one sentence of the passage, ends where or after it starts, has at most
    `MAX_SPAN_TOKENS` tokens, and begins and ends with whole words.
    """
    return merge(span for window in windows for span in _window_spans(window, passage))


def merge(spans: Iterable[Span]) -> list[Span]:
    """One span for each place, with the best of its scores and how often it was seen; best first."""
    places: dict[tuple[str, int, int], Span] = {}
    for span in spans:
        place = span.document_id, span.start, span.end
        known = places.get(place)
        best = span if known is None or span.score > known.score else known
        places[place] = best if known is None else replace(best, seen=known.seen + span.seen)
    return sorted(places.values(), key=lambda span: (-span.score, span.rank, span.start, span.end))


def without_overlaps(spans: Sequence[Span], count: int) -> list[Span]:
    """The `count` best spans of a ranking, less those that overlap a better one."""
    kept: list[Span] = []
    for span in spans:
        if len(kept) == count:
            break
        if not any(span.overlaps(other) for other in kept):
            kept.append(span)
    return kept


def _window_spans(window: Window, passage: TokenisedPassage) -> list[Span]:
    encoding = window.encoding
    offsets = np.array(encoding.offsets)
    first, last = _word_edges(encoding, offsets)
    if not first.any():
        return []
    start = np.where(first, window.start, -np.inf)
    end = np.where(last, window.end, -np.inf)
    # Row w holds the scores of the spans of w + 1 tokens, by their first token.
    size, widths = len(start), min(MAX_SPAN_TOKENS, len(start))
    ends = sliding_window_view(np.append(end, np.full(widths - 1, -np.inf, end.dtype)), size)
    sentence = np.searchsorted(passage.sentence_ends, offsets[:, 0], side="right")
    others = sliding_window_view(np.append(sentence, np.full(widths - 1, -1)), size)
    scores = np.where(others == sentence, start + ends, -np.inf)
    flat = scores.ravel()
    best = np.argpartition(-flat, min(PER_WINDOW, flat.size - 1))[:PER_WINDOW]
    normaliser = _log_sum_exp(window.start) + _log_sum_exp(window.end)
    null = float(window.start[window.null] + window.end[window.null])
    spans = []
    for place in best[np.isfinite(flat[best])]:
        width, token = divmod(int(place), size)
        edges = _whole_characters(passage.text, int(offsets[token, 0]), int(offsets[token + width, 1]))
        if edges is not None:
            spans.append(Span(*edges, float(flat[place]) - null, float(flat[place] - normaliser)))
    return spans


def _word_edges(encoding: Encoding, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens of the passage begin and which end a word, bool, [tokens]."""
    inside = np.array([sequence == 1 for sequence in encoding.sequence_ids])
    inside &= offsets[:, 1] > offsets[:, 0]
    words = np.array([-1 if word is None else word for word in encoding.word_ids])
    new = np.ones(len(words), bool)
    new[1:] = (words[1:] != words[:-1]) | ~inside[:-1]
    return inside & new, inside & np.append(new[1:], True)


def _whole_characters(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Edges without white space, with the accents that a tokenizer dropped from the last character."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while is_inside_character(text, end):
        end += 1
    return (start, end) if end > start else None


def _log_sum_exp(values: np.ndarray) -> float:
    peak = values.max()
    return float(peak + np.log(np.exp(values - peak).sum()))
