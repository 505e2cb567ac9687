"""The whole path, on the bundled models and the bundled article."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index import Document, InputError, read_file
from index.retriever import retrieve
from qa import ArticleQA, answer
from qa.engine import CANNOT_WIN, PASSAGES_READ, RETRIEVAL_WEIGHT
from qa.gold import read_gold
from qa.predictions import RIGHT, f1
from qa.reader import OnnxReader
from seeds import ARTICLE, GOLD
from tests.index.served import free_port, served
from tests.qa.toy import FAMILIES

FLOOR = 0.85  # of the article's gold questions; rises with the reader


def in_document(found, document):
    return document.text[found.start : found.end] == found.text


@pytest.mark.parametrize(
    ("question", "expected"),
    [("Where was Carlos Ghosn arrested?", "Japan"), ("What is Renault investing in?", "electric vehicles")],
)
def test_answers(bot, question, expected):
    assert bot.answer(question).text == expected


def test_abstains(bot):
    result = bot.answer("What is the capital of France?")
    assert (result.answered, result.text, result.document, result.sentence) == (False, "", "", "")
    assert result.alternatives, "the best span there was is kept"


def test_gold_questions_of_the_article(bot, article):
    gold = read_gold(GOLD, [article])
    assert sum(not question.is_impossible for question in gold) >= 28
    assert sum(question.is_impossible for question in gold) >= 12
    right = sum(
        not result.answered if question.is_impossible else f1(result.text, question.answers) >= RIGHT
        for question, result in zip(gold, bot.answer_batch(q.question for q in gold), strict=True)
    )
    assert right >= FLOOR * len(gold)


def test_every_offset_holds(bot, article):
    for question in ("Who was arrested?", "Why did the strategy change?", "What is the capital of France?"):
        result = bot.answer(question)
        for quote in (*result.alternatives, *result.passages):
            assert in_document(quote, article)
        if result.answered:
            assert in_document(result, article)
            start = result.sentence_start
            assert article.text[start : start + len(result.sentence)] == result.sentence
            assert start <= result.start <= result.end <= start + len(result.sentence)
        assert 0 <= result.confidence <= 1


def test_alternatives_never_overlap_the_answer_or_each_other(bot):
    for question in ("What did the companies abandon?", "What weakened the alliance?"):
        result = bot.answer(question)
        spans = [
            (quote.start, quote.end)
            for quote in (*([result] if result.answered else []), *result.alternatives)
        ]
        ordered = sorted(spans)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(ordered))


def test_a_batch_answers_as_each_question_alone(bot):
    questions = ["Who was arrested?", "What is Nissan doing?", "What is the capital of France?"]
    another = ArticleQA.from_documents(bot.index.documents.values())
    for together, question in zip(bot.answer_batch(questions), questions, strict=True):
        alone = another.answer(question)
        assert together.to_dict() | {"seconds": 0} == alone.to_dict() | {"seconds": 0}


def test_passages_far_behind_the_best_one_are_not_read(bot):
    question = "In which year was Carlos Ghosn arrested in Japan?"
    found = retrieve(bot.index, question, PASSAGES_READ)
    near = [hit.passage.text for hit in found if hit.score > found[0].score - CANNOT_WIN]
    assert 0 < len(near) < len(found)
    assert [quote.text for quote in bot.answer(question).passages] == near


@pytest.mark.parametrize("question", ["", "  \n", "\u3000"])
def test_blank_questions_are_refused(bot, question):
    with pytest.raises(InputError, match="question is empty"):
        bot.answer(question)


def test_questions_may_have_2000_characters_and_no_more(bot):
    bot.answer("why " * 499 + "why?")
    with pytest.raises(InputError, match=r"2,001 characters: use at most 2,000"):
        bot.answer("?" * 2001)


@pytest.mark.parametrize(
    "question", ["\ud800", 'AND OR ( " : *', "🤔🤔", "👩‍👩‍👧", "؟ما هذا", "\x00", "a" * 2000, "e\u0301" * 900]
)
def test_odd_questions_are_answered_or_not_but_never_fail(bot, question):
    bot.answer(question)


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "🙂",
        "\u200b.",
        "השועל החום המהיר קופץ מעל הכלב העצלן. משה גר בירושלים.",
        "Line one.\r\nAda lives in Oslo.\r\n",
        "Ada lives in Os\ud800lo.",
        "Caf\u00e9 and cafe\u0301 are the same. " * 50,
        "x" * 5000,
    ],
)
def test_odd_texts_keep_exact_offsets(text):
    document = Document.from_text(text)
    engine = ArticleQA.from_documents([document])
    result = engine.answer("Where does Ada live?")
    for quote in (*([result] if result.answered else []), *result.alternatives, *result.passages):
        assert in_document(quote, document)


def test_a_long_document_is_searched(article):
    filler = "\n".join(
        f"Item {number} of the stock list is kept in hall {number % 7}." for number in range(3000)
    )
    document = Document.from_text(filler + "\n" + article.text + "\n" + filler)
    result = ArticleQA.from_documents([document]).answer("Where was Carlos Ghosn arrested?")
    assert result.text == "Japan"
    assert in_document(result, document)


def test_several_documents_name_the_one_that_answers(article):
    other = Document.from_text("Acme was founded in Oslo by Ada Berg. It makes anvils.", title="acme")
    engine = ArticleQA.from_documents([article, other])
    assert engine.answer("Who founded Acme?").title == "acme"
    assert engine.answer("Where was Carlos Ghosn arrested?").title == "article.txt"


class TestAnswerFunction:
    def test_the_bundled_article(self):
        assert answer("Where was Carlos Ghosn arrested?").text == "Japan"

    def test_a_text(self):
        assert answer("Who leads Acme?", "Acme is led by Ada Berg. It makes anvils.").text == "Ada Berg"

    def test_a_file(self, tmp_path):
        path = tmp_path / "acme.txt"
        path.write_text("Acme is led by Ada Berg. It makes anvils.")
        result = answer("Who leads Acme?", path)
        assert (result.text, result.title) == ("Ada Berg", "acme.txt")

    def test_a_str_that_names_a_file_is_refused_with_a_hint(self, tmp_path):
        path = tmp_path / "acme.txt"
        path.write_text("Acme.")
        with pytest.raises(InputError, match=r"names a file: wrap it in pathlib\.Path"):
            answer("Who?", str(path))

    def test_an_empty_text(self):
        with pytest.raises(InputError, match="empty"):
            answer("Who?", " \n")

    def test_a_missing_file(self):
        with pytest.raises(InputError, match="does not exist"):
            answer("Who?", Path("nowhere.txt"))


def test_no_documents():
    with pytest.raises(InputError, match="no document"):
        ArticleQA.from_files([])


@pytest.mark.parametrize("family", FAMILIES[:1])
def test_another_reader_answers_through_the_same_engine(toy_readers, family):
    document = Document.from_text("the old green bridge and Clara then slowly.")
    engine = ArticleQA.from_documents([document], reader=str(toy_readers(family)))
    result = engine.answer("Who is it?")
    assert result.text == "Clara"
    assert result.confidence > 0.5


def test_to_dict_is_plain_json_data(bot):
    result = bot.answer("Who was arrested?")
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert list(result.to_dict())[:4] == ["question", "text", "answered", "confidence"]


def test_the_bundled_models_never_import_torch():
    code = (
        "import sys; from qa import answer; answer('Who was arrested?');"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_article_is_read_as_it_is():
    assert read_file(ARTICLE).text == ARTICLE.read_bytes().decode()


def test_only_some_documents_are_asked_and_the_others_stay():
    first = Document.from_text("Ada Berg has led the firm Acme since 2019.", "acme")
    second = Document.from_text("Carl Dahl has led the firm Bolt since 2003.", "bolt")
    engine = ArticleQA.from_documents([first, second])
    part = engine.only([second.id])
    assert list(part.index.documents) == [second.id]
    assert {quote.document for quote in part.answer("Who has led the firm?").passages} == {second.id}
    assert len(engine.index.documents) == 2


def test_seconds_count_the_waiting_for_the_index(tmp_path):
    engine = ArticleQA.open(tmp_path / "shelf", create=True)
    engine.put(Document.from_text("Acme is led by Ada Berg."))
    view = engine._store.view

    def slow():
        time.sleep(0.5)
        return view()

    engine._store.view = slow
    question = "Who leads Acme?"
    shares = sum(answer.seconds for answer in engine.answer_batch([question, "What is Acme?"]))
    for seconds in (engine.answer(question).seconds, engine.dialogue().ask(question).seconds, shares):
        assert 0.5 < seconds < 30


def test_a_server_that_is_away_is_told_soon(tmp_path):
    port = free_port()
    with served(tmp_path, port):
        engine = ArticleQA.open(f"milvus+http://127.0.0.1:{port}/papers", create=True)
        engine.reach()
    began = time.monotonic()
    with pytest.raises(InputError, match="has not answered for 2 s"):
        engine.reach()
    assert time.monotonic() - began < 10
    with served(tmp_path, port):
        engine.reach()


def test_a_span_of_a_likelier_passage_is_preferred(bot):
    question = "Where was Carlos Ghosn arrested?"
    retrieved = retrieve(bot.index, question, 5)
    spans = bot.spans(question, retrieved)
    behind = {rank: hit.score - retrieved[0].score for rank, hit in enumerate(retrieved)}
    texts = [hit.passage.text for hit in retrieved]
    raw = {
        (hit.passage.start + span.start, hit.passage.start + span.end): span.score
        for hit, found in zip(retrieved, OnnxReader().read(question, texts), strict=True)
        for span in found
    }
    alone = [span for span in spans if span.seen == 1]
    assert len({span.rank for span in alone}) > 1
    for span in alone:
        expected = raw[span.start, span.end] + RETRIEVAL_WEIGHT * behind[span.rank]
        assert span.score == pytest.approx(expected, abs=1e-4)
