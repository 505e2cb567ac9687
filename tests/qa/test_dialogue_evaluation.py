import json

import pytest

from index import InputError
from qa.cli import main
from qa.dialogue_evaluation import evaluate_dialogues
from tests.qa.test_dialogue import TEXT

QAS = [
    {"id": "a", "question": "Who leads Acme?", "answers": ["Ada Berg"], "is_impossible": False},
    {"id": "b", "question": "Where does he live?", "answers": ["Turku"], "is_impossible": False},
    {"id": "c", "question": "Who leads Bolt?", "answers": ["Carl Dahl"], "is_impossible": False},
]
TURNS = [
    ("Who leads Acme?", "Who leads Acme?", ["Ada Berg"]),
    ("And where does she live?", "Where does Ada Berg live?", ["Oslo"]),
    ("How many dogs?", "How many dogs does Ada Berg have?", ["three"]),
]


@pytest.fixture
def gold(tmp_path):
    """Write a gold set of one document, with these turns."""

    def write(turns=TURNS):
        dialogue = [
            {"question": question, "standalone": standalone, "answers": answers, "is_impossible": not answers}
            for question, standalone, answers in turns
        ]
        path = tmp_path / "gold.jsonl"
        row = {"id": "x", "title": "firms", "text": TEXT, "qas": QAS, "dialogue": dialogue}
        path.write_text(
            json.dumps(row if turns else {k: v for k, v in row.items() if k != "dialogue"}) + "\n"
        )
        return path

    return write


def test_later_turns_are_asked_three_ways(gold):
    metrics = evaluate_dialogues(gold())
    assert (metrics["turns"], metrics["questions"]) == (2, 3)
    assert metrics["f1_standalone"] == 100.0
    assert metrics["f1_understood_2"] == 100.0
    assert metrics["share"] == metrics["f1_understood"]
    assert metrics["changed"] == pytest.approx(100 / 3)
    assert 0 < metrics["milliseconds"] < 1000


def test_a_turn_without_an_answer_is_right_to_abstain_on(gold):
    turns = [TURNS[0], ("What is her shoe size?", "What is the shoe size of Ada Berg?", [])]
    assert evaluate_dialogues(gold(turns))["em_understood"] == 100.0


def test_on_the_command_line(gold, capsys):
    assert main(["evaluate", str(gold()), "--task", "dialogue"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("gold.jsonl, dialogue task\n2 follow-up questions ")
    assert "  written in full                        100.0%   100.0%\n" in out
    assert main(["evaluate", str(gold([])), "--task", "dialogue", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"questions", "changed", "milliseconds"}


def test_bad_input_is_one_sentence(gold, capsys):
    assert main(["evaluate", str(gold()), "--task", "dialogue", "--report", "x"]) == 2
    assert "--report does not go with the dialogue task" in capsys.readouterr().err
    path = gold()
    row = json.loads(path.read_text())
    del row["dialogue"][1]["standalone"]
    path.write_text(json.dumps(row))
    with pytest.raises(InputError, match=r"gold.jsonl, line 1: there is no 'standalone'; put this row right"):
        evaluate_dialogues(path)
