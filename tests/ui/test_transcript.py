import json

import pytest

from index import Document
from ui.session import Session
from ui.transcript import as_json, as_markdown


@pytest.fixture
def turns(bot):
    session = Session(bot)
    for question in ("Where was Carlos Ghosn arrested?", "What is the capital of *France*?", " "):
        session.ask(question)
    return session.turns


def test_json_holds_the_answers_with_their_offsets(turns, article):
    answered, abstained, failed = json.loads(as_json(turns))
    assert article.text[answered["start"] : answered["end"]] == answered["text"] == "Japan"
    assert (abstained["answered"], abstained["text"]) == (False, "")
    assert failed == {"question": " ", "error": "The question is empty: ask something."}


def test_markdown_is_to_read(turns):
    text = as_markdown(turns)
    assert "## Where was Carlos Ghosn arrested?" in text
    assert "**Japan** (" in text
    assert "article.txt, characters 1,721–1,726" in text
    assert "The document doesn’t say." in text
    assert "capital of \\*France\\*?" in text


def test_follow_ups_and_small_talk_are_kept(bot):
    session = Session(bot)
    for question in ("Who was arrested?", "and when?", "What is this article about?"):
        session.ask(question)
    text = as_markdown(session.turns)
    assert "## and when?" in text
    assert "Understood as: When (Carlos Ghosn)?" in text
    assert "The sentences that say most of what article.txt is about" in text
    assert text.count("\n> ") == 2 + 3
    assert json.loads(as_json(session.turns))[1]["understood_as"] == "When (Carlos Ghosn)?"


def test_no_conversation():
    assert json.loads(as_json([])) == []
    assert as_markdown([]).startswith("# Conversation")


def test_a_documents_words_are_not_markdown(bot):
    session = Session(bot)
    hostile = Document.from_text("The secret word is <img src=x> [a](javascript:b).", "x](y)")
    session.add(hostile, lambda done, of: None)
    session.ask("What is the secret word?", hostile.id)
    text = as_markdown(session.turns)
    assert "<img" not in text.replace("\\<img", "")
    assert "](" not in text.replace("\\](", "").replace("]\\(", "")
