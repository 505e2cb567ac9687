import pytest

from index import InputError
from qa import ArticleQA

TEXT = (
    "Acme is led by Ada Berg, who joined it in 1999. She lives in Oslo with her three dogs.\n\n"
    "Bolt is led by Carl Dahl, who came in 2004. He lives in Turku. Both firms make pumps."
)


@pytest.fixture
def chat():
    return ArticleQA.from_text(TEXT).dialogue()


def test_follow_up_questions_are_understood(chat):
    first = chat.ask("Who leads Acme?")
    assert (first.text, first.understood_as) == ("Ada Berg", "")
    second = chat.ask("and where does she live?")
    assert second.text == "Oslo"
    assert second.question == "and where does she live?"
    assert second.understood_as == "Where does she live (Acme, Ada Berg)?"
    assert second.to_dict()["understood_as"] == second.understood_as


def test_the_bundled_article_in_three_turns(bot):
    chat = bot.dialogue()
    assert [chat.ask(question).text for question in ("Who was arrested?", "When?", "and why?")] == [
        "Carlos Ghosn", "2018", "financial misconduct charges",
    ]  # fmt: skip


def test_a_question_that_stands_alone_is_asked_as_it_is(chat):
    chat.ask("Who leads Acme?")
    answer = chat.ask("Who leads Bolt?")
    assert (answer.text, answer.understood_as) == ("Carl Dahl", "")


def test_small_talk_does_not_come_between(chat):
    chat.ask("Who leads Acme?")
    assert chat.ask("thanks").reply
    assert chat.ask("Where does she live?").text == "Oslo"


def test_a_question_may_be_asked_as_typed_and_turns_taken_back(chat):
    chat.ask("Who leads Acme?")
    assert chat.ask("When did she join?", as_typed=True).understood_as == ""
    chat.forget(1)
    assert chat.ask("When did she join?").understood_as == "When did she join (Acme, Ada Berg)?"
    chat.forget()
    assert chat.ask("When did she join?").understood_as == ""


def test_other_documents_may_be_asked(chat):
    chat.ask("Who leads Acme?")
    other = ArticleQA.from_text("Ada Berg was born in Bergen.")
    assert chat.ask("Where was she born?", other).text == "Bergen"
    assert chat.ask("Where was she born?").text == "Bergen"


def test_a_bad_question_leaves_the_conversation_as_it_was(chat):
    chat.ask("Who leads Acme?")
    for question in (" ", "x" * 2001):
        with pytest.raises(InputError):
            chat.ask(question)
    assert chat.ask("Where does she live?").text == "Oslo"
