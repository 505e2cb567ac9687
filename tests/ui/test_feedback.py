import pytest

from index import Document, InputError
from qa import ArticleQA
from qa.gold import read_gold
from ui.feedback import FeedbackFile

ACME = Document.from_text(
    "The firm Acme is led by Ada Berg, who came in 2019. Before her Carl Dahl led it.", "acme"
)
CARL = (ACME.text.index("Carl"), ACME.text.index(" led it."))


@pytest.fixture(scope="module")
def engine():
    return ArticleQA.from_documents([ACME])


def test_rows_are_a_gold_set(engine, tmp_path):
    path = tmp_path / "feedback.jsonl"
    feedback = FeedbackFile(path)
    documents = engine.index.documents
    right = engine.answer("Who leads Acme?")
    absent = engine.answer("What is the capital of France?")
    assert right.answered
    assert not absent.answered
    feedback.right(right, documents)
    feedback.right(absent, documents)
    feedback.answer_is("Who led it before?", ACME, *CARL)
    feedback.unanswerable(right, documents)
    rows = read_gold(path)
    assert [(row.question, row.answers) for row in rows] == [
        ("Who leads Acme?", (right.text,)),
        ("What is the capital of France?", ()),
        ("Who led it before?", ("Carl Dahl",)),
        ("Who leads Acme?", ()),
    ]
    assert {row.document.text for row in rows} == {ACME.text}
    assert rows[2].spans == (CARL,)
    assert len({row.id for row in rows}) == 4


def test_rows_are_appended(engine, tmp_path):
    path = tmp_path / "feedback.jsonl"
    for _ in range(2):
        FeedbackFile(path).answer_is("Who led it before?", ACME, *CARL)
    assert len(read_gold(path)) == 2


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written .*: give another --feedback file"):
        FeedbackFile(tmp_path / "missing" / "feedback.jsonl")
