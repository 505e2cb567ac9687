"""The chat in a real browser."""

import re
import socket

import pytest
from playwright.sync_api import expect

from qa.cli import main

PHONE = {"width": 380, "height": 740}


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def test_an_answer_with_its_sentence_confidence_and_place(chat, visit):
    page = visit(chat)
    ask(page, "Where was Carlos Ghosn arrested?")
    answer = page.locator(".answer")
    expect(answer.locator(".words")).to_have_text("Japan")
    expect(answer.locator("blockquote")).to_contain_text("who was arrested in Japan in 2018")
    expect(answer.locator("mark")).to_have_text("Japan")
    expect(answer.locator(".about")).to_have_text(
        re.compile(r"(very|fairly|not) sure \(\d+%\) · article\.txt, characters 1,721–1,726")
    )


def test_an_abstention_is_shown_as_such_with_the_closest_passage(chat, visit):
    page = visit(chat)
    ask(page, "What is the capital of France?")
    expect(page.locator(".abstention .words")).to_have_text("The article doesn’t say.")
    expect(page.locator(".answer")).to_have_count(0)
    passage = page.locator(".abstention blockquote")
    expect(passage).to_be_hidden()
    page.get_by_text("Closest passage").click()
    expect(passage).to_be_visible()


def test_bad_questions_get_their_sentence_and_the_chat_goes_on(chat, visit):
    page = visit(chat)
    ask(page, "   ")
    expect(page.locator(".error")).to_have_text("The question is empty: ask something.")
    ask(page, "?" * 2001)
    expect(page.locator(".error").nth(1)).to_have_text(
        "The question has 2,001 characters: use at most 2,000."
    )
    ask(page, "What is Renault investing in?")
    expect(page.locator(".answer .words")).to_have_text("electric vehicles")


def test_questions_are_shown_as_typed_never_as_markup(chat, visit):
    page = visit(chat)
    typed = "<img src=x onerror=\"document.title='taken'\"> *stars* $x^2$ [a](b) `c`"
    ask(page, typed)
    expect(page.locator(".question")).to_have_text(typed)
    expect(page.locator(".abstention, .answer")).to_have_count(1)
    assert page.title() == "article-qa"


def test_a_document_is_shown_as_it_is_never_as_markup(serve, visit, tmp_path):
    path = tmp_path / "<b>odd.txt"
    path.write_text(
        "The secret word of the <script>document.title='taken'</script> club is *xyzzy*, says $Ada$."
    )
    page = visit(serve("--file", str(path)))
    ask(page, "What is the secret word of the club?")
    expect(page.locator(".answer blockquote")).to_have_text(path.read_text())
    expect(page.locator(".about")).to_contain_text("<b>odd.txt")
    assert page.title() == "article-qa"
    expect(page.get_by_text("Examples")).to_have_count(0)


def test_an_example_fills_the_box(chat, visit):
    page = visit(chat)
    page.get_by_text("What did the scandal lead to?").click()
    expect(page.get_by_label("Your question")).to_have_value("What did the scandal lead to?")


def test_the_box_is_empty_and_has_the_focus_after_an_answer(chat, visit):
    page = visit(chat)
    ask(page, "Who was arrested?")
    expect(page.locator(".answer, .abstention")).to_have_count(1)
    expect(page.get_by_label("Your question")).to_have_value("")
    expect(page.get_by_label("Your question")).to_be_focused()


def test_visitors_do_not_see_each_others_conversations(chat, visit):
    first, second = visit(chat), visit(chat)
    ask(first, "Who was arrested?")
    expect(first.locator(".question")).to_have_count(1)
    ask(second, "What is Renault investing in?")
    expect(second.locator(".answer .words")).to_have_text("electric vehicles")
    expect(second.locator(".question")).to_have_count(1)


def test_nothing_is_fetched_from_elsewhere(chat, visit, browser):
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(chat)
    ask(page, "Who was arrested?")
    expect(page.locator(".answer, .abstention")).to_have_count(1)
    context.close()
    assert {url for url in asked if not url.startswith((chat, "data:", "blob:"))} == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(chat, visit, scheme):
    page = visit(chat, viewport=PHONE, color_scheme=scheme)
    ask(page, "What did the companies do? " + "x" * 300)
    expect(page.locator(".answer, .abstention")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_taken_port_is_one_sentence(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["chat", "--no-browser", "--port", str(port)]) == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err
