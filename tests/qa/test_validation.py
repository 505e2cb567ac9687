import itertools
import random

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from qa import validation
from qa.examples import Features
from qa.span_model import load_base, logits
from qa.spans import MAX_SPAN_TOKENS
from qa.validation import validate
from tests.qa.toy import example


@pytest.fixture(scope="module")
def learned(toy_readers):
    """The toy reader with its tokenizer."""
    tokenizer, model = load_base(str(toy_readers("bert")))
    return tokenizer.backend_tokenizer, model


@pytest.fixture
def rng():
    return random.Random(5)


def windows_of(tokenizer, count, rng):
    """Toy windows, every other one with an answer."""
    tokenizer.no_padding()
    for number in range(count):
        question, context, answer = example(rng, answerable=number % 2 > 0)
        encoding = tokenizer.encode(question, context)
        ids, types = np.array(encoding.ids, np.int32), np.array(encoding.type_ids, np.int8)
        at = context.index(answer)
        tokens = [encoding.char_to_token(at + i, 1) for i in (0, len(answer) - 1)] if answer else [0, 0]
        yield Features(ids, types, ((tokens[0], tokens[1]),))


def test_a_reader_that_has_learned_scores_well(learned, rng):
    tokenizer, model = learned
    scores = validate(model, list(windows_of(tokenizer, 70, rng)))
    assert scores["exact"] > 0.9
    assert scores["separation"] > 0.9
    assert scores["loss"] < 0.5


def test_scores_are_those_of_all_spans_looked_at_one_by_one(learned, rng):
    tokenizer, model = learned
    windows = list(windows_of(tokenizer, 12, rng))
    margins, exact = [], []
    for window in windows:
        start, end = (scores.detach()[0].numpy() for scores in logits(model.eval(), [window]))
        inside = range(int(window.types.argmax()), len(window.ids) - 1)
        spans = [(a, b) for a, b in itertools.product(inside, inside) if a <= b < a + MAX_SPAN_TOKENS]
        best = max(spans, key=lambda span: start[span[0]] + end[span[1]])
        margins.append(start[best[0]] + end[best[1]] - start[0] - end[0])
        exact.append(best in window.targets)
    scores = validate(model, windows)
    answerable = [window.targets != ((0, 0),) for window in windows]
    assert scores["exact"] == pytest.approx(np.mean(np.array(exact)[answerable]), abs=1e-4)
    assert scores["separation"] == pytest.approx(roc_auc_score(answerable, margins), abs=1e-4)


def test_what_is_undefined_is_absent(learned, rng):
    tokenizer, model = learned
    windows = list(windows_of(tokenizer, 4, rng))
    assert validate(model, []) == {}
    assert set(validate(model, windows[::2])) == {"loss"}
    assert set(validate(model, windows[1::2])) == {"loss", "exact"}


def test_the_model_trains_on_afterwards(learned, rng, monkeypatch):
    tokenizer, model = learned
    monkeypatch.setattr(validation, "BATCH", 3)
    windows = list(windows_of(tokenizer, 4, rng))
    validate(model.train(), windows)
    assert model.training
    validate(model.eval(), windows)
    assert not model.training
