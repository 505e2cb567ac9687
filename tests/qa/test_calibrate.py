import pytest

from index import InputError
from index.embedder import load_embedder
from qa.calibrate import FEWEST, SHARES, calibrate
from qa.confidence import Calibration
from qa.gold import read_gold
from qa.transformers_reader import TransformersReader


@pytest.fixture(scope="module")
def reader(toy_readers):
    return TransformersReader(str(toy_readers("bert")))


def test_every_text_is_also_asked_a_question_of_another_and_each_kind_weighs_its_share(
    reader, toy_gold, monkeypatch
):
    questions = read_gold(toy_gold)[: 2 * FEWEST]
    fit, given = Calibration.fit, []
    monkeypatch.setattr(Calibration, "fit", lambda *arrays: fit(*given.extend(arrays) or arrays))
    calibrate(reader, load_embedder(), questions, progress=lambda line: None)
    _, right, absent, weights = given
    assert len(absent) == 2 * len(questions)
    assert absent.sum() == FEWEST + len(questions)
    assert weights[absent == 0].sum() == pytest.approx(SHARES[0] * len(absent))
    assert sorted(set(weights.round(6))) == pytest.approx(sorted(SHARES * (4, 4, 2)))
    assert not right[absent == 1].any()


def test_too_few_questions_of_a_kind_are_refused(reader, toy_gold):
    with pytest.raises(InputError, match="There are 5 unanswerable and 5 answerable cases"):
        calibrate(reader, load_embedder(), read_gold(toy_gold)[:10])
