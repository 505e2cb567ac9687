import pytest

from index import Document, InputError
from qa.gold import read_gold
from ui.feedback import FeedbackFile

ACME = Document.from_text(
    "The firm Acme is led by Ada Berg, who came in 2019. Before her Carl Dahl led it.", "acme"
)
CARL = (ACME.text.index("Carl"), ACME.text.index(" led it."))


def test_rows_are_a_gold_set(tmp_path):
    path = tmp_path / "feedback.jsonl"
    feedback = FeedbackFile(path)
    feedback.add("Who led it before?", ACME, CARL)
    feedback.add("Who led it first?", ACME, None)
    feedback.add("Who led it before?", ACME, (CARL[0] - 1, CARL[1] + 1))  # marked with the spaces around it
    rows = read_gold(path)
    assert [(row.question, row.answers, row.spans) for row in rows] == [
        ("Who led it before?", ("Carl Dahl",), (CARL,)),
        ("Who led it first?", (), ()),
        ("Who led it before?", ("Carl Dahl",), (CARL,)),
    ]
    assert {row.document.text for row in rows} == {ACME.text}
    assert len({row.id for row in rows}) == 3


def test_rows_are_appended(tmp_path):
    path = tmp_path / "feedback.jsonl"
    for _ in range(2):
        FeedbackFile(path).add("Who led it before?", ACME, CARL)
    assert len(read_gold(path)) == 2


@pytest.mark.parametrize("place", [(3, 4), (5, 5), (9, 5), (-3, 4), (0, 1000)])
def test_no_word_is_no_answer(tmp_path, place):
    path = tmp_path / "feedback.jsonl"
    feedback = FeedbackFile(path)
    with pytest.raises(InputError, match="no word marked"):
        feedback.add("Who led it before?", ACME, place)
    assert path.read_text() == ""


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written .*: give another --feedback file"):
        FeedbackFile(tmp_path / "missing" / "feedback.jsonl")
