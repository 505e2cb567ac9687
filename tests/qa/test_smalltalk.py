import pytest

from index import Document
from qa import ArticleQA
from qa.smalltalk import LISTED, central_sentences, kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hi!", "greeting"), ("good morning", "greeting"), ("Hey there", "greeting"),
        ("thanks", "thanks"), ("Thank you very much!", "thanks"), ("ok, thanks", "thanks"), ("bye", "thanks"),
        ("What can you do?", "ability"), ("help", "ability"), ("how does this work?", "ability"),
        ("What is this article about?", "gist"), ("what's this about", "gist"),
        ("Summarise it, please", None),
        ("summarize this text", "gist"), ("TL;DR", "gist"), ("What’s the document about?", "gist"),
        ("Hi, who was arrested?", None), ("What is the alliance about?", None),
        ("Thanks to whom was it saved?", None),
        ("Who can help?", None), ("What is the great article about Ghosn?", None),
        ("Who are you going to call?", None),
        ("What do you do with a broken pump?", None), ("", None), ("Is it nice?", None),
    ],
)  # fmt: skip
def test_small_talk_is_told_by_its_whole_wording(text, kind):
    assert kind_of(text) == kind


def test_replies_are_no_answers(bot):
    for text, words in (
        ("hello", "Ask me about article.txt."),
        ("thanks!", "You are welcome."),
        ("what can you do?", "questions about article.txt"),
    ):
        answer = bot.dialogue().ask(text)
        assert words in answer.reply
        assert (answer.answered, answer.text, answer.passages, answer.alternatives) == (False, "", (), ())


def test_what_an_article_is_about_is_told_in_its_own_sentences(bot, article):
    answer = bot.dialogue().ask("What is this article about?")
    assert article.title in answer.reply
    assert len(answer.alternatives) == 3
    for quote in answer.alternatives:
        assert article.text[quote.start : quote.end] == quote.text
    starts = [quote.start for quote in answer.alternatives]
    assert starts == sorted(starts)
    assert "Nissan" in answer.alternatives[0].text


def test_what_is_said_twice_is_quoted_once_and_a_short_text_whole():
    text = (
        "The harbour of Oslo was rebuilt in 1931 by Lowe. " * 2 + "Its new crane lifts ninety tons of steel."
    )
    engine = ArticleQA.from_text(text)
    quotes = central_sentences(engine, next(iter(engine.index.documents.values())), 2)
    assert len({quote.text for quote in quotes}) == 2
    short = ArticleQA.from_text("Rain fell.").dialogue().ask("what is this about?")
    assert [quote.text for quote in short.alternatives] == ["Rain fell."]


def test_of_several_documents_the_first_are_named():
    documents = [Document.from_text(f"Hall {number}.", f"hall {number}") for number in range(LISTED + 2)]
    chat = ArticleQA.from_documents(documents).dialogue()
    reply = chat.ask("What is this about?").reply
    assert reply.startswith("There are 7 documents here: hall 0, ")
    assert reply.endswith("hall 4 and 2 more. Ask about one.")
