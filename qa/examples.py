"""Training examples: a question over a context, with the spans that answer it or with none.

A context is a paragraph, or a passage where the paragraph is long, so that the reader is trained on what the
retriever hands it. Besides the context that holds the answer, a share of the questions comes with the best
retrieved passage of the same article that lacks it, the hardest negatives whole-article answering meets,
a share comes changed by a rule of `qa.adversarial` until the context does not answer it, and a share with a
context of another article, as people ask what has nothing to do with a document.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Encoding, Tokenizer

from index import split_passages
from index.embedder import Embedder
from index.lexical import LexicalIndex
from index.sentences import split_sentences
from qa.adversarial import Vocabulary, make_unanswerable
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


@dataclass(frozen=True, slots=True)
class Shares:
    """How examples are varied, each a share of those it can apply to.

    Attributes:
        negatives: of the answerable questions, that also come with a retrieved passage without the answer.
        adversarial: of the answerable questions, that also come changed until their context does not answer.
        foreign: of the questions, that also come with a context of another article.
        cropped: of the examples, that keep a part of their context only.
        unmarked: of the questions, that lose their question mark, as people type.
        mistyped: of the questions, that have two letters in the wrong order.
    """

    negatives: float = 0.12
    adversarial: float = 0.1
    foreign: float = 0.04
    cropped: float = 0.2
    unmarked: float = 0.15
    mistyped: float = 0.05


class Article:
    """The contexts of one article; what is made from them is made when it is first asked for."""

    def __init__(self, questions: Sequence[GoldQuestion], embedder: Embedder) -> None:
        text = questions[0].document.text
        paragraphs = sorted({question.paragraph for question in questions})
        self.contexts = [
            context for paragraph in paragraphs for context in _contexts(questions[0], paragraph)
        ]
        self.texts = [text[start:end] for start, end in self.contexts]
        self._embedder = embedder

    @functools.cached_property
    def index(self) -> LexicalIndex:
        """BM25 over the contexts, by their place."""
        index = LexicalIndex()
        index.add(enumerate(self.texts))
        return index

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """What can stand in the place of a name or a number."""
        return Vocabulary(self.texts, self._embedder)


def make_articles(questions: Iterable[GoldQuestion], embedder: Embedder) -> dict[str, Article]:
    """The articles of gold questions, by their documents' ids."""
    groups: dict[str, list[GoldQuestion]] = {}
    for question in questions:
        groups.setdefault(question.document.id, []).append(question)
    return {identity: Article(group, embedder) for identity, group in groups.items()}


def make_examples(
    question: GoldQuestion, articles: dict[str, Article], shares: Shares, rng: random.Random
) -> Iterator[Example]:
    """Examples of a gold question: the one with its answer, and at times up to three without.

    Args:
        question: with or without an answer.
        articles: by their documents' ids; the question's own is among them.
        shares: of `rng`'s draws.
        rng: draws which.
    """
    q, article = question, articles[question.document.id]
    if rng.random() < shares.foreign:
        other = articles[rng.choice(list(articles))]
        context = rng.choice(other.texts)
        if other is not article and not any(answer.lower() in context.lower() for answer in q.answers):
            yield Example(q.question, context, ())
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
        context = article.texts[chosen]
        yield Example(q.question, context, holding[chosen])
        if rng.random() < shares.adversarial:
            changed = make_unanswerable(q.question, context, q.answers, article.vocabulary, rng)
            yield from [Example(changed, context, ())] if changed else []
    if rng.random() < shares.negatives and len(article.texts) > 1:
        for number in article.index.search(q.question, RETRIEVED)[0]:
            if not any(answer.lower() in article.texts[number].lower() for answer in q.answers):
                yield Example(q.question, article.texts[number], ())
                break


def varied(example: Example, shares: Shares, rng: random.Random) -> Example:
    """The example, in some cases as people type its question, or with a part of its context only."""
    question = example.question
    if rng.random() < shares.unmarked:
        question = question.rstrip(" ?") or question
    if rng.random() < shares.mistyped:
        question = _mistyped(question, rng)
    example = replace(example, question=question)
    return _cropped(example, rng) if rng.random() < shares.cropped else example


def _contexts(question: GoldQuestion, paragraph: Span) -> list[Span]:
    start, end = paragraph
    if end - start <= LONG:
        return [paragraph]
    whole = question.document.from_text(question.document.text[start:end])
    return [(start + passage.start, start + passage.end) for passage in split_passages(whole)]


def _mistyped(question: str, rng: random.Random) -> str:
    """Two neighbouring letters inside a word change places."""
    places = [match.start() + 1 for match in re.finditer(r"(?<=[a-z])[a-z]{3}(?=[a-z])", question)]
    if not places:
        return question
    at = rng.choice(places)
    return question[:at] + question[at + 1] + question[at] + question[at + 2 :]


def crop(example: Example, rng: random.Random) -> Span:
    """The characters of some of the context's sentences in a row, with all that hold the answers."""
    sentences = split_sentences(example.context)
    inside = [
        number
        for number, (start, end) in enumerate(sentences)
        if any(start < last and first < end for first, last in example.spans)
    ] or [rng.randrange(len(sentences))]
    low = sentences[rng.randint(0, inside[0])][0]
    return low, sentences[rng.randint(inside[-1], len(sentences) - 1)][1]


def _cropped(example: Example, rng: random.Random) -> Example:
    low, high = crop(example, rng)
    spans = tuple((start - low, end - low) for start, end in example.spans)
    return Example(example.question, example.context[low:high], spans)


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
