import gzip
import json
import logging

import pytest

from index import Document, InputError
from qa.gold import occurrences, read_gold

FIRST = "Acme was founded in 1987 by Ada Brook."
SECOND = "In 2019 Acme moved to Porto; Ada stayed."
TEXT = f"{FIRST}\n\n{SECOND}"
ROW = {"id": "1", "question": "Who founded Acme?", "answers": ["Ada Brook"], "is_impossible": False}
CONTEXT = ROW | {"article": "Acme", "context": FIRST, "answers": [{"text": "Ada Brook", "answer_start": 28}]}
SQUAD_QA = {"id": "1", "question": "Who founded Acme?", "answers": CONTEXT["answers"]}
SQUAD = {
    "version": "1.1",
    "data": [{"title": "Acme", "paragraphs": [{"context": FIRST, "qas": [SQUAD_QA]}]}],
}


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="gold.jsonl"):
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def document():
    return Document.from_text(TEXT, "Acme")


def texts(question):
    return [question.document.text[start:end] for start, end in question.spans]


@pytest.mark.parametrize(
    "row", [ROW, CONTEXT, CONTEXT | {"answers": ["Ada Brook"]}, {"text": FIRST, "qas": [ROW]}, SQUAD]
)
def test_formats(write, row):
    (question,) = read_gold(write(row), [Document.from_text(FIRST)])
    assert (question.id, question.question, question.answers) == ("1", "Who founded Acme?", ("Ada Brook",))
    assert question.document.text == FIRST
    assert question.paragraph == (0, len(FIRST))
    assert question.spans == ((28, 37),)
    assert not question.is_impossible


@pytest.mark.parametrize(
    "row",
    [
        ROW | {"answers": [], "is_impossible": True},
        {"id": 1, "question": "Who left?", "is_impossible": True},
        CONTEXT | {"answers": []},
        {"text": FIRST, "qas": [ROW | {"answers": [], "is_impossible": True}]},
        {
            "data": [
                {
                    "title": "",
                    "paragraphs": [
                        {
                            "context": FIRST,
                            "qas": [
                                {
                                    "id": "1",
                                    "question": "Who left?",
                                    "is_impossible": True,
                                    "answers": [],
                                    "plausible_answers": SQUAD_QA["answers"],
                                }
                            ],
                        }
                    ],
                }
            ]
        },
    ],
)
def test_unanswerable(write, row):
    row = {name: value for name, value in row.items() if "context" not in row or name != "is_impossible"}
    (question,) = read_gold(write(row), [Document.from_text(FIRST)])
    assert question.is_impossible
    assert question.spans == ()


def test_paragraphs_of_an_article_are_its_document(write):
    second = CONTEXT | {
        "id": "2",
        "context": SECOND,
        "question": "Where to?",
        "answers": [{"text": "Porto", "answer_start": 22}],
    }
    other = second | {"id": "3", "article": "Other"}
    alone = {name: value for name, value in second.items() if name != "article"} | {"id": "4"}
    questions = read_gold(write(CONTEXT, second, CONTEXT | {"id": "5"}, other, alone))
    assert [q.document.text for q in questions] == [TEXT, TEXT, TEXT, SECOND, SECOND]
    assert [q.document.title for q in questions] == ["Acme", "Acme", "Acme", "Other", "4"]
    assert questions[1].paragraph == (len(FIRST) + 2, len(TEXT))
    assert texts(questions[1]) == ["Porto"]


def test_every_occurrence_of_a_plain_answer(write, document):
    (question,) = read_gold(write(ROW | {"answers": ["Ada", "Acme"]}), [document])
    assert texts(question) == ["Ada", "Ada", "Acme", "Acme"]


def test_several_documents(write):
    documents = [Document.from_text(FIRST, "first"), Document.from_text(SECOND, "second")]
    nowhere = ROW | {"id": "2", "answers": ["Rome"]}
    found, lost = read_gold(write(ROW | {"answers": ["Porto"]}, nowhere), documents)
    assert found.document.title == "second"
    assert texts(found) == ["Porto"]
    assert lost.document.title == "first"
    assert lost.spans == ()
    assert found.library == lost.library == tuple(documents)


def test_gzip_byte_order_mark_and_blank_lines(tmp_path, document):
    path = tmp_path / "gold"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\r\n\r\n"))
    assert len(read_gold(path, [document])) == 1


@pytest.mark.parametrize("row", [SQUAD, {"title": "Acme", "text": FIRST, "qas": [ROW]}])
def test_json_over_many_lines(write, row):
    assert len(read_gold(write(json.dumps(row, indent=2)))) == 1


BAD = {
    "{": "not JSON",
    "[1]": "not a JSON object",
    '{"id": 1' + "0" * 5000 + "}": "not JSON",
    json.dumps({"question": "Who?", "answers": []}): "there is no 'id'",
    json.dumps({"id": "2", "answers": []}): "there is no 'question'",
    json.dumps({"id": "2", "question": "Who?"}): "there is no 'answers'",
    json.dumps(ROW | {"id": None}): "its id is no text",
    json.dumps(ROW | {"question": " "}): "its question is no text, or empty",
    json.dumps(ROW | {"question": "x" * 2001}): "2,001 characters",
    json.dumps(ROW | {"question": "\ud800"}): "surrogates not allowed",
    json.dumps(ROW | {"answers": "Ada Brook"}): "its answers are no list",
    json.dumps(ROW | {"answers": [""]}): "an answer is no text, or empty",
    json.dumps(ROW | {"answers": [7]}): "an answer is no text, or empty",
    json.dumps(ROW | {"answers": []}): "its answers contradict is_impossible",
    json.dumps(ROW | {"is_impossible": True}): "its answers contradict is_impossible",
    json.dumps(CONTEXT | {"context": ""}): "its context is no text",
    json.dumps(CONTEXT | {"answers": [{"text": "Ada", "answer_start": 3}]}): "'Ada' does not stand at 3",
    json.dumps(CONTEXT | {"answers": [{"text": ".", "answer_start": -1}]}): "'.' does not stand at -1",
    json.dumps({"text": "", "qas": [ROW]}): "its text is no text",
    json.dumps({"text": FIRST, "qas": [ROW, {}]}): "there is no 'answers'",
    json.dumps({"text": FIRST, "qas": 7}): "not iterable",
}


@pytest.mark.parametrize(("line", "reason"), BAD.items(), ids=BAD.values())
def test_malformed_rows_are_named(write, document, line, reason):
    path = write(ROW, "", line)
    with pytest.raises(InputError, match="line 3") as error:
        read_gold(path, [document])
    assert str(error.value).startswith(f"{path}, line 3: ")
    assert reason in str(error.value)


def test_malformed_rows_can_be_left_out(write, document, caplog):
    questions = read_gold(write(ROW, *BAD, ROW | {"id": "9"}), [document], skip_bad=True)
    assert [question.id for question in questions] == ["1", "9"]
    ((_, level, message),) = caplog.record_tuples
    assert level == logging.WARNING
    assert f"{len(BAD)} malformed rows are left out, the first being" in message
    assert "line 2: not JSON" in message


@pytest.mark.parametrize(
    ("squad", "place"),
    [
        ({"data": [{"title": "Acme"}]}, "article 1: there is no 'paragraphs'"),
        ({"data": [7]}, "article 1: "),
        (
            {"data": [{"title": "", "paragraphs": [{"context": FIRST, "qas": [SQUAD_QA | {"answers": 7}]}]}]},
            "question 1: its answers are no list",
        ),
    ],
)
def test_malformed_squad_is_named(write, squad, place):
    with pytest.raises(InputError, match=place):
        read_gold(write(squad))
    with pytest.raises(InputError, match="holds no question"):
        read_gold(write(squad), skip_bad=True)


def test_nothing_to_read(write, tmp_path, document):
    with pytest.raises(InputError, match="holds no question"):
        read_gold(write(""))
    with pytest.raises(InputError, match="cannot be read"):
        read_gold(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_gold(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="no document was given"):
        read_gold(write(ROW))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b'{"id": 1}' * 100)[:30])
    with pytest.raises(InputError, match="cannot be read"):
        read_gold(tmp_path / "cut.gz", [document])


def test_occurrences():
    assert occurrences("banana", "ana") == [(1, 4), (3, 6)]
    assert occurrences("banana", "") == []
    assert occurrences("", "a") == []
