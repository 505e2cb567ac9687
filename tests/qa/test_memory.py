import pytest

from index import Document
from index.embedder import load_embedder
from index.shelf import Shelf
from index.store import MemoryIndex
from qa import memory
from qa.engine import ArticleQA
from qa.reader import OnnxReader

ADA = Document.from_text("Acme is led by Ada Berg. It makes bolts.", "acme", "/acme.txt")
BEN = Document.from_text("Acme is led by Ben Holm. It makes bolts.", "acme", "/acme.txt")
QUESTION = "Who leads Acme?"


class CountingReader(OnnxReader):
    """The bundled reader, counting."""

    readings = tokenised = 0

    def _logits(self, encodings):
        self.readings += bool(encodings)
        return super()._logits(encodings)

    def tokenise(self, text):
        self.tokenised += 1
        return super().tokenise(text)


@pytest.fixture
def reader():
    return CountingReader()


def without_seconds(answer):
    return answer.to_dict() | {"seconds": 0}


def test_a_question_asked_again_is_not_read_again(reader):
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    first, again = bot.answer(QUESTION), bot.answer(f" {QUESTION} ")
    assert reader.readings == 1
    assert first.text == "Ada Berg"
    assert without_seconds(first) == without_seconds(again)
    assert bot.answer("who leads acme?").question == "who leads acme?"
    assert reader.readings == 2


def test_an_answer_is_forgotten_when_the_documents_change(reader):
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    assert bot.answer(QUESTION).text == "Ada Berg"
    bot.put(BEN)
    assert bot.answer(QUESTION).text == "Ben Holm"
    bot.remove([BEN.id])
    assert not bot.answer(QUESTION).answered


def test_an_answer_is_forgotten_when_another_process_changes_the_shelf(reader, tmp_path):
    bot = ArticleQA(Shelf(tmp_path / "shelf", load_embedder(), create=True), reader)
    bot.put(ADA)
    assert [bot.answer(QUESTION).text for _ in range(2)] == ["Ada Berg"] * 2
    assert reader.readings == 1
    Shelf(tmp_path / "shelf", load_embedder()).put(BEN)
    assert bot.answer(QUESTION).text == "Ben Holm"


def test_another_engine_over_some_of_the_documents_answers_for_itself(reader):
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    assert bot.answer(QUESTION).text == "Ada Berg"
    assert not bot.only([]).answer(QUESTION).answered


def test_a_passage_is_tokenised_once(reader):
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    for question in (QUESTION, "What does it make?", "Since when?"):
        bot.answer(question)
    assert (reader.tokenised, reader.readings) == (1, 3)


def test_the_answers_asked_for_last_are_kept(reader, monkeypatch):
    monkeypatch.setattr(memory, "ANSWERS", 2)
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    for question in ("Who?", "What?", "Who?", "Where?", "Who?"):
        bot.answer(question)
    assert reader.readings == 3
    bot.answer("What?")
    assert reader.readings == 4


def test_a_batch_reads_each_question_once_and_together(reader):
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    answers = bot.answer_batch([QUESTION, "What does it make?", QUESTION])
    assert [answer.text for answer in answers] == ["Ada Berg", "bolts", "Ada Berg"]
    assert reader.readings == 1
    assert bot.answer_batch([]) == []


def test_an_engine_apart_has_the_same_documents_and_remembers_for_itself(reader):
    index = MemoryIndex(load_embedder())
    index.add([ADA])
    bot = ArticleQA(index, reader)
    apart = bot.apart()
    assert bot.answer(QUESTION).text == apart.answer(QUESTION).text == "Ada Berg"
    assert (reader.readings, reader.tokenised) == (2, 1)
