"""Spans: the best answers in scored windows of passages, moved to the document and compared there.

A span's score is start logit + end logit minus the null score, the same sum at [CLS], of its window (Devlin
et al. 2019). Unlike probabilities normalised within a window, as the pipeline of transformers 4 had them,
these compare across passages (Clark & Gardner 2017; Wang et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Encoding

from index import Passage
from index.passages import is_inside_character
from index.sentences import split_sentences

MAX_SPAN_TOKENS = 30
PER_WINDOW = 20  # spans taken from a window, however many alternatives are asked for


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


def decode(windows: Sequence[Window], text: str) -> list[Span]:
    """The best spans of one passage, best first.

    A span lies inside one sentence of the passage, ends where or after it starts, has at most
    `MAX_SPAN_TOKENS` tokens, and begins and ends with whole words.
    """
    sentences = np.array([end for _, end in split_sentences(text)])
    return merge(span for window in windows for span in _window_spans(window, text, sentences))


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


def _window_spans(window: Window, text: str, sentence_ends: np.ndarray) -> list[Span]:
    encoding = window.encoding
    size = len(window.start)
    first, last = _word_edges(encoding)
    if not first.any():
        return []
    start = np.where(first, window.start, -np.inf)
    end = np.where(last, window.end, -np.inf)
    sentence = np.searchsorted(sentence_ends, [begin for begin, _ in encoding.offsets], side="right")
    # Row d holds the scores of the spans of d + 1 tokens, by their first token.
    scores = np.full((min(MAX_SPAN_TOKENS, size), size), -np.inf, np.float32)
    for width in range(len(scores)):
        within = sentence[: size - width] == sentence[width:]
        scores[width, : size - width] = np.where(within, start[: size - width] + end[width:], -np.inf)
    flat = scores.ravel()
    best = np.argpartition(-flat, min(PER_WINDOW, flat.size - 1))[:PER_WINDOW]
    normaliser = _log_sum_exp(window.start) + _log_sum_exp(window.end)
    null = float(window.start[window.null] + window.end[window.null])
    spans = []
    for place in best[np.isfinite(flat[best])]:
        width, token = divmod(int(place), size)
        edges = _whole_characters(text, encoding.offsets[token][0], encoding.offsets[token + width][1])
        if edges is not None:
            spans.append(Span(*edges, float(flat[place]) - null, float(flat[place] - normaliser)))
    return spans


def _word_edges(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens of the passage begin and which end a word, bool, [tokens]."""
    inside = np.array([sequence == 1 for sequence in encoding.sequence_ids])
    inside &= np.array([end > start for start, end in encoding.offsets])
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
