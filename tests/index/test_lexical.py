import math
from collections import Counter

import numpy as np
import pytest

from index.lexical import LexicalIndex, _analyzer
from index.sentences import split_sentences
from seeds import ARTICLE

TEXTS = ["Hello world", "Goodbye cruel moon", "The moon is a harsh mistress", "Running dogs run, the dog ran"]


def build(*texts):
    index = LexicalIndex()
    index.add(enumerate(texts))
    return index


def found(index, question, count=10):
    return list(index.search(question, count)[0])


def bm25(texts, question, k1=1.2, b=0.75):
    """Scores as in Robertson & Zaragoza 2009, with Lucene's idf, which is never negative."""
    analyze = _analyzer().analyze
    bags = [Counter(analyze(text)) for text in texts]
    mean = sum(bag.total() for bag in bags) / len(bags)
    scores = np.zeros(len(texts))
    for term in set(analyze(question)):
        holders = sum(term in bag for bag in bags)
        idf = math.log(1 + (len(bags) - holders + 0.5) / (holders + 0.5))
        for row, bag in enumerate(bags):
            scores[row] += idf * bag[term] * (k1 + 1) / (bag[term] + k1 * (1 - b + b * bag.total() / mean))
    return scores


@pytest.mark.parametrize(
    "question",
    [
        "Where was Carlos Ghosn arrested?",
        "What is Renault investing in?",
        "Why have the two companies decided to separate?",
        "alliance alliance alliance Nissan",
        "the markets, marketing and market of electric vehicles",
    ],
)
def test_agrees_with_a_reference(question):
    article = ARTICLE.read_text()
    texts = [article[start:end] for start, end in split_sentences(article)]
    numbers, scores = build(*texts).search(question, len(texts))
    expected = bm25(texts, question)
    assert len(numbers) == (expected > 0).sum()
    assert scores == pytest.approx(expected[numbers], rel=1e-5)
    assert list(scores) == sorted(scores, reverse=True)
    assert (numbers.dtype, scores.dtype) == (np.int64, np.float32)


def test_question_is_folded_and_stemmed():
    index = build("The CAFÉS were élite.", "Nothing here.")
    assert found(index, "cafe") == found(index, "Elite?") == [0]


def test_no_character_of_a_question_is_syntax():
    index = build(*TEXTS)
    assert found(index, 'AND OR ( " : * ~ ^ moon') == found(index, "moon")
    for question in [
        'AND OR NOT ( " : * ~ ^',
        "text:hello~2^3 +[a TO b] -x",
        "number:1",
        "*",
        "\\",
        "/.*/",
        '"',
        "IN [1]",
    ]:
        assert set(found(index, question)) <= {0}


@pytest.mark.parametrize(
    "question", ["", " ", "the of and is", "?!", "zebra", "x" * 100_000, "\x00", "\U0001f44d"]
)
def test_nothing_found(question):
    numbers, scores = build(*TEXTS).search(question, 5)
    assert (numbers.shape, scores.shape) == ((0,), (0,))
    assert (numbers.dtype, scores.dtype) == (np.int64, np.float32)


def test_count():
    index = build(*["the same moon"] * 20)
    assert found(index, "moon", 5) == [0, 1, 2, 3, 4]
    assert found(index, "moon", 0) == []
    assert len(found(index, "moon", 10**12)) == 20


def test_empty_index():
    assert found(LexicalIndex(), "moon") == []


def test_remove_and_add_later():
    index = build(*TEXTS)
    index.remove([1, 99])
    assert found(index, "goodbye") == []
    assert found(index, "moon") == [2]
    index.remove([])
    index.add([(7, "A blue moon")])
    assert set(found(index, "moon")) == {2, 7}
    index.remove([0, 2, 3, 7])
    assert found(index, "moon hello dog") == []
    index.add([(2**40, "moon")])
    assert found(index, "moon") == [2**40]


def test_add_nothing():
    index = build(*TEXTS)
    index.add([])
    assert found(index, "hello") == [0]
