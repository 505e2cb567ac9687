"""Training examples: a question over a context, with the spans that answer it or with none.

A context is a paragraph, or a passage where the paragraph is long, so that the reader is trained on what the
retriever hands it. Besides the context that holds the answer, a share of the questions comes with the best
retrieved passage of the same article that lacks it: the hardest negatives whole-article answering meets.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Encoding, Tokenizer

from index import split_passages
from index.lexical import LexicalIndex
from qa.gold import GoldQuestion, Span

LONG = 1400  # characters above which a paragraph is read as passages
RETRIEVED = 8  # passages looked at for one without the answer
NULL_PASSAGES = 2  # passages of a long document that an unanswerable question is trained on


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a context, and the answer's spans in the context; no span: the context has no answer."""

    question: str
    context: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """A tokenised window of an example.

    Attributes:
        ids, types: token ids and segment ids, [length].
        targets: (first, last) token of each acceptable answer; [(0, 0)], the null span, when there is none.
    """

    ids: np.ndarray
    types: np.ndarray
    targets: tuple[Span, ...]


class _Article:
    """The contexts of one article, searchable; the index is built when it is first asked."""

    def __init__(self, questions: list[GoldQuestion]) -> None:
        text = questions[0].document.text
        paragraphs = sorted({question.paragraph for question in questions})
        self.contexts = [
            context for paragraph in paragraphs for context in _contexts(questions[0], paragraph)
        ]
        self.texts = [text[start:end] for start, end in self.contexts]

    @functools.cached_property
    def index(self) -> LexicalIndex:
        """BM25 over the contexts, by their place."""
        index = LexicalIndex()
        index.add(range(len(self.texts)), self.texts)
        return index


def make_examples(
    questions: Iterable[GoldQuestion], negatives: float, rng: random.Random
) -> Iterator[Example]:
    """Examples of gold questions: one with the answer each, and retrieved negatives.

    Args:
        questions: of any number of articles.
        negatives: share of the answerable questions that also come with a passage that lacks the answer.
        rng: draws which.
    """
    articles: dict[str, list[GoldQuestion]] = {}
    for question in questions:
        articles.setdefault(question.document.id, []).append(question)
    for group in articles.values():
        article = _Article(group)
        for question in group:
            yield from _examples(question, article, negatives, rng)


def as_typed(example: Example, unmarked: float, rng: random.Random) -> Example:
    """The example, in a share `unmarked` of all cases without its question mark, as people type."""
    if rng.random() >= unmarked:
        return example
    return replace(example, question=example.question.rstrip(" ?") or example.question)


def _contexts(question: GoldQuestion, paragraph: Span) -> list[Span]:
    start, end = paragraph
    if end - start <= LONG:
        return [paragraph]
    whole = question.document.from_text(question.document.text[start:end])
    return [(start + passage.start, start + passage.end) for passage in split_passages(whole)]


def _examples(q: GoldQuestion, article: _Article, negatives: float, rng: random.Random) -> Iterator[Example]:
    own = [
        i
        for i, (start, end) in enumerate(article.contexts)
        if q.paragraph[0] <= start and end <= q.paragraph[1]
    ]
    if q.is_impossible:
        if len(own) > NULL_PASSAGES:
            ranked = [int(i) for i in article.index.search(q.question, RETRIEVED)[0] if i in set(own)]
            own = (ranked or own)[:NULL_PASSAGES]
        yield from (Example(q.question, article.texts[i], ()) for i in own)
        return
    holding = {i: spans for i in own if (spans := _spans_within(q, article.contexts[i]))}
    if holding:
        chosen = rng.choice(list(holding))
        yield Example(q.question, article.texts[chosen], holding[chosen])
    if rng.random() < negatives and len(article.texts) > 1:
        for number in article.index.search(q.question, RETRIEVED)[0]:
            if not any(answer.lower() in article.texts[number].lower() for answer in q.answers):
                yield Example(q.question, article.texts[number], ())
                break


def _spans_within(question: GoldQuestion, context: Span) -> tuple[Span, ...]:
    low, high = context
    return tuple(sorted({(s - low, e - low) for s, e in question.spans if low <= s and e <= high}))


def make_features(example: Example, tokenizer: Tokenizer) -> Iterator[Features]:
    """Tokenise an example into windows, as the tokenizer's truncation is set."""
    encoding = tokenizer.encode(example.question, example.context)
    for window in (encoding, *encoding.overflowing):
        targets = [target for span in example.spans if (target := _token_span(window, span))]
        yield Features(
            np.array(window.ids, np.int32),
            np.array(window.type_ids, np.int8),
            tuple(dict.fromkeys(targets)) or ((0, 0),),
        )


def _token_span(window: Encoding, span: Span) -> Span | None:
    tokens = [
        i
        for i, ((start, end), sequence) in enumerate(zip(window.offsets, window.sequence_ids, strict=True))
        if sequence == 1 and start < span[1] and end > span[0]
    ]
    if not tokens or window.offsets[tokens[0]][0] > span[0] or window.offsets[tokens[-1]][1] < span[1]:
        # Not in this window, or only a part of it. White space at the edge of an answer has no token.
        return None
    return tokens[0], tokens[-1]
