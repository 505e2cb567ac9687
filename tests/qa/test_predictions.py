import dataclasses

import pytest

from index import InputError
from qa.predictions import Prediction, exact_match, f1, normalise_answer, read_predictions, write_predictions


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Mayor, of  a Town!", "mayor of town"),
        ("an apple\nand\tanother", "apple and another"),
        ("2.1 million", "21 million"),
        ("“Ángel”", "“ángel”"),  # only ASCII punctuation goes
        ("a.", ""),
        ("", ""),
    ],
)
def test_normalise_answer(text, normal):
    assert normalise_answer(text) == normal


def test_exact_match_takes_any_answer():
    assert exact_match("the Seine.", ["river Seine", "Seine"]) == 1
    assert exact_match("Seine river", ["river Seine", "Seine"]) == 0


def test_f1_by_hand():
    # Two of three words are right, and two of four were found: precision 2/3, recall 1/2.
    assert f1("in July 1998", ["the 12th of July 1998"]) == pytest.approx(4 / 7)
    assert f1("in July 1998", ["the 12th of July 1998", "July 1998"]) == pytest.approx(4 / 5)
    assert f1("Paris", ["London"]) == 0


def test_f1_counts_repeated_words_as_often_as_they_occur():
    assert f1("very very very good", ["very good"]) == pytest.approx(2 * 2 / (4 + 2))


@pytest.mark.parametrize(
    ("text", "answers", "score"),
    [
        ("", (), 1),  # an abstention where due
        ("the", (), 1),  # normalises to nothing, as in the official script
        ("Paris", (), 0),
        ("", ("Paris",), 0),
        ("", ("...", "the"), 1),  # no answer is left, so nothing is right
        ("Paris", ("...",), 0),
        ("Paris", ("...", "Paris"), 1),
        ("", ("...", "Paris"), 0),
    ],
)
def test_empty_answers(text, answers, score):
    assert exact_match(text, answers) == f1(text, answers) == score


@pytest.mark.parametrize(
    ("answers", "shown", "rank", "failure"),
    [
        (("Rome",), ("Rome", "Rome"), 1, None),
        (("Rome",), ("Rome", "Rome"), None, None),  # found where no gold span stands
        (("Rome",), ("Bonn", "Bonn"), None, "retrieval"),
        (("Rome",), ("", "Bonn"), None, "retrieval"),
        (("Rome",), ("Bonn", "Bonn"), 2, "reading"),
        (("Rome",), ("", "Bonn"), 2, "reading"),
        (("Rome",), ("", ""), 2, "reading"),
        (("Rome",), ("", ""), 6, "retrieval"),  # five were read
        (("Rome",), ("", "Rome"), 1, "wrong abstention"),
        (("Rome",), ("", "Rome"), None, "wrong abstention"),
        ((), ("", "Rome"), None, None),
        ((), ("Rome", "Rome"), None, "missed abstention"),
    ],
)
def test_failure(predict, answers, shown, rank, failure):
    text, best = shown
    prediction = predict(answers=answers, text=text, best=best, gold_rank=rank)
    assert prediction.failure == failure
    assert prediction.right == (failure is None)


def test_right_needs_an_f1_of_0_6(predict):
    assert predict(answers=("new grey tram",), text="tram grey").right  # F1 0.8
    assert not predict(answers=("new grey old tram",), text="tram car").right  # F1 1/3


def test_write_and_read(predict, tmp_path):
    predictions = [
        predict("1", answers=("Zürich\u2028line",), text="Zürich", gold_rank=3),
        predict("2", answers=(), text=""),
    ]
    write_predictions(predictions, tmp_path / "p.jsonl")
    assert read_predictions(tmp_path / "p.jsonl") == predictions
    assert Prediction.from_dict(predictions[0].to_dict()) == predictions[0]
    assert set(predictions[0].to_dict()) == {field.name for field in dataclasses.fields(Prediction)}


@pytest.mark.parametrize("line", ["{", "3", '{"id": "2"}'])
def test_read_names_the_bad_line(predict, tmp_path, line):
    path = tmp_path / "p.jsonl"
    write_predictions([predict()], path)
    path.write_text(path.read_text() + "\n" + line)
    with pytest.raises(InputError, match="line 3"):
        read_predictions(path)


def test_read_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "none.jsonl")
