"""Passages: the pieces of a document that are retrieved and read.

A passage is a run of whole sentences of about 100 words; the next one begins with the last sentence or two of
this one, so that a sentence is read with what stands before it. Only a sentence that alone is longer than a
passage is cut, at a clause or a word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from index.documents import Document
from index.sentences import split_sentences

PASSAGE_LENGTH = 600  # characters: about 100 English words, 140 word pieces
OVERLAP = 200  # characters of whole sentences that a passage repeats from the one before

_CLAUSE_END = re.compile(r"[,;:\u2013\u2014](?=\s)|[\u3001\uff0c]")
# What belongs to the emoji before it: a joiner, a skin tone, the tags of a flag. Or two letters are a flag.
_JOINED = "\u200d" + "".join(map(chr, [*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)]))
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document: `document.text[start:end] == text`; `page` counts from 1, or is None."""

    document_id: str
    start: int
    end: int
    text: str
    page: int | None = None


def split_passages(document: Document) -> list[Passage]:
    """Split a document into overlapping passages of whole sentences, in order. Linear in its length."""
    sentences = [
        piece for bounds in split_sentences(document.text) for piece in _pieces(document.text, *bounds)
    ]
    passages = []
    first = 0
    while first < len(sentences):
        start = sentences[first][0]
        last = first
        while last + 1 < len(sentences) and sentences[last + 1][1] - start <= PASSAGE_LENGTH:
            last += 1
        end = sentences[last][1]
        passages.append(Passage(document.id, start, end, document.text[start:end], page_of(document, start)))
        if last + 1 == len(sentences):
            break
        first = _next_first(sentences, first, last)
    return passages


def whole_text(document: Document) -> list[Passage]:
    """The whole document as its one passage, for a text that is short or was chosen already."""
    return [Passage(document.id, 0, len(document.text), document.text, page_of(document, 0))]


def page_of(document: Document, offset: int) -> int | None:
    """The page, from 1, that holds the character at `offset`, or None for a document without pages."""
    return bisect_right(document.page_starts, offset) or None


def is_inside_character(text: str, position: int) -> bool:
    """Whether cutting `text` at `position` would part a character from its accent or join an emoji in two."""
    if not 0 < position < len(text):
        return False
    after = text[position]
    if after in _FLAG_LETTERS:
        before = text[max(0, position - PASSAGE_LENGTH) : position]
        return (len(before) - len(before.rstrip(_FLAG_LETTERS))) % 2 == 1
    return after in _JOINED or text[position - 1] == "\u200d" or unicodedata.category(after).startswith("M")


def _next_first(sentences: list[tuple[int, int]], first: int, last: int) -> int:
    """The sentence the next passage begins with: as many of the last ones as fit the overlap."""
    end, following = sentences[last][1], last + 1
    begin = following
    while begin - 1 > first and end - sentences[begin - 1][0] <= OVERLAP:
        begin -= 1
    # An overlap that leaves no room for the next sentence would only repeat itself.
    while begin < following and sentences[following][1] - sentences[begin][0] > PASSAGE_LENGTH:
        begin += 1
    return begin


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A sentence, cut where it is longer than a passage."""
    pieces = []
    while end - start > PASSAGE_LENGTH:
        cut = _cut(text, start, start + PASSAGE_LENGTH)
        pieces.append((start, len(text[start:cut].rstrip()) + start))
        start = cut
        while text[start].isspace():
            start += 1
    return [*pieces, (start, end)]


def _cut(text: str, start: int, limit: int) -> int:
    """Where to cut `text[start:]` at or before `limit`: after a clause, else at white space or anywhere."""
    half = start + (limit - start) // 2
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, half, limit)]
    if clauses:
        return clauses[-1]
    for position in range(limit, half, -1):
        if text[position].isspace():
            return position
    while limit > half and is_inside_character(text, limit):
        limit -= 1
    return limit
