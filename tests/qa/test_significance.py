import numpy as np
import pytest

from index import InputError
from qa.significance import compare, interval


def system(predict, right, articles=20):
    """Predictions that are right where `right` says."""
    return [
        predict(i, article=str(i % articles), text="Rome" if flag else "Bonn") for i, flag in enumerate(right)
    ]


@pytest.fixture
def coin():
    return np.random.default_rng(0).random(400) < 0.6


@pytest.mark.parametrize("articles", [1, 20])
def test_identical_systems(predict, coin, articles):
    same = system(predict, coin, articles)
    comparison = compare(same, same)
    assert (comparison.em, comparison.f1, comparison.em_p, comparison.f1_p) == (0, 0, 1, 1)
    assert comparison.lost == comparison.won == ()


@pytest.mark.parametrize("articles", [1, 20])
def test_a_clearly_better_system(predict, coin, articles):
    better = coin | (np.random.default_rng(1).random(400) < 0.3)
    won = np.flatnonzero(better & ~coin)
    comparison = compare(system(predict, coin, articles), system(predict, better, articles)[::-1])
    assert comparison.em == comparison.f1 == pytest.approx(100 * len(won) / 400)
    assert comparison.em_p == comparison.f1_p < 0.001
    assert set(comparison.won) == {str(i) for i in won}
    assert comparison.lost == ()
    back = compare(system(predict, better, articles), system(predict, coin, articles))
    assert set(back.lost) == set(comparison.won)
    assert back.em == -comparison.em
    assert back.em_p < 0.001


def test_p_values_of_equal_systems_are_spread(predict):
    rng = np.random.default_rng(3)
    p = [compare(*(system(predict, rng.random(100) < 0.5) for _ in range(2))).em_p for _ in range(40)]
    assert np.mean(np.array(p) < 0.1) < 0.3
    assert 0.3 < np.mean(p) < 0.75


def test_two_changes_of_one_hundred_are_not_significant(predict):
    before = np.ones(100, bool)
    before[:2] = False
    assert compare(system(predict, before), system(predict, np.ones(100, bool))).em_p > 0.1


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("1", ""), ("", "1"), ("12", "13"), ("12", "1"), ("11", "11"), ("1", "11")],
)
def test_compare_refuses_other_questions(predict, before, after):
    with pytest.raises(InputError, match="different questions"):
        compare([predict(i) for i in before], [predict(i) for i in after])


def test_interval_is_reproducible_and_about_two_standard_errors(coin):
    values = 100.0 * coin[:, None]
    low, high = interval(values, ["one"] * 400)
    error = values.std() / np.sqrt(400)
    assert (high - low)[0] == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert interval(values, ["one"] * 400) == (low, high)


def test_interval_resamples_articles(coin):
    # Questions of an article that agree carry the information of one: the interval is far wider.
    values = np.repeat([0.0, 100.0], 200)[:, None]
    low, high = interval(values, [str(i // 50) for i in range(400)])
    assert (high - low)[0] > 50
    # Equal articles: no article more or less changes the mean.
    low, high = interval(np.tile([0.0, 100.0], 200)[:, None], [str(i // 2) for i in range(400)])
    assert low[0] == high[0] == 50
