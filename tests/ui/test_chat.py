"""The chat in a real browser."""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from playwright.sync_api import expect

from index.documents import SUFFIXES
from qa import ArticleQA
from qa.cli import main
from qa.gold import read_gold
from tests.index.formats.files import page as page_of
from tests.index.formats.files import pdf, word

PHONE = {"width": 380, "height": 740}
HOSTILE = (
    "<img src=x onerror=\"document.title='taken'\"> *stars* $$x^2$$ [a](javascript:b) `c` {{value}} ${value}"
)
ACME = "Acme is led by Ada Berg. It makes bolts in Oslo."


def ask(page, question):
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def answers(page):
    return page.locator(".answer .words")


def replies(page):
    return page.locator(".answer, .abstention, .reply, #conversation .error")


def marked(page):
    return page.locator("#pane mark")


def upload(page, *paths):
    if not page.get_by_label("Or paste a text").is_visible():
        page.get_by_text("Add documents").click()
    page.locator("input[type=file]").first.set_input_files([str(path) for path in paths])


def select(page, words):
    """Select the first occurrence of words in the document pane, as a person does with the mouse."""
    page.locator("#pane .text").evaluate(
        """(text, words) => {
          const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
          while (walker.nextNode() && !walker.currentNode.data.includes(words)) {}
          const node = walker.currentNode, start = node.data.indexOf(words);
          getSelection().setBaseAndExtent(node, start, node, start + words.length);
        }""",
        words,
    )


@pytest.fixture
def acme(tmp_path):
    path = tmp_path / "acme.md"
    path.write_text(ACME)
    return path


def test_an_answer_with_its_sentence_confidence_and_place(chat, visit):
    page = visit(chat)
    ask(page, "Where was Carlos Ghosn arrested?")
    answer = page.locator(".answer")
    expect(answer.locator(".words")).to_have_text("Japan")
    expect(answer.locator("blockquote")).to_contain_text("who was arrested in Japan in 2018")
    expect(answer.locator("blockquote mark")).to_have_text("Japan")
    expect(answer.locator(".about")).to_contain_text(
        re.compile(r"(very|fairly|not) sure \(\d+%\) · article\.txt, characters 1,721–1,726")
    )
    expect(answer.locator(".confidence")).to_have_attribute("title", re.compile("right"))


def test_an_answer_is_marked_in_the_document_and_scrolled_into_view(chats, visit, tmp_path):
    path = tmp_path / "long.txt"
    filler = "".join(f"Hall {number} is used for storing old chairs.\n" for number in range(400))
    path.write_text(f"{filler}The harbour of Ostby was dredged by Lowe & Sons.\n{filler}")
    page = visit(chats.start(str(path)))
    ask(page, "Who dredged the harbour of Ostby?")
    expect(marked(page)).to_have_text("Lowe & Sons")
    expect(marked(page)).to_be_in_viewport()
    assert page.evaluate("window.scrollY") == 0


def test_older_answers_and_alternatives_move_the_mark(chat, visit):
    page = visit(chat)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(marked(page)).to_have_text("Japan")
    ask(page, "What is Renault investing in?")
    expect(marked(page)).to_have_text("electric vehicles")
    page.locator(".answer").first.locator(".about .place").click()
    expect(marked(page)).to_have_text("Japan")
    page.get_by_text("Other places it might be").last.click()
    alternative = page.locator(".answer").last.locator("li").first
    alternative.locator(".place").click()
    expect(marked(page)).to_have_text(alternative.locator("q").inner_text().strip("“”"))


def test_an_abstention_is_shown_as_such_with_the_closest_passages(chat, visit):
    page = visit(chat)
    ask(page, "What is the capital of France?")
    expect(page.locator(".abstention .words")).to_have_text("The document doesn’t say.")
    expect(page.locator(".answer, #pane mark")).to_have_count(0)
    passages = page.locator(".abstention li")
    expect(passages.first).to_be_hidden()
    page.get_by_text("Closest passages").click()
    expect(passages).to_have_count(3)
    passages.nth(1).locator(".place").click()
    expect(marked(page)).to_have_text(passages.nth(1).locator("q").inner_text().strip("“”"))


def test_bad_questions_get_their_sentence_and_the_chat_goes_on(chat, visit):
    page = visit(chat)
    ask(page, "   ")
    expect(page.locator(".error")).to_have_text("The question is empty: ask something.")
    ask(page, "?" * 2001)
    expect(page.locator(".error").nth(1)).to_have_text(
        "The question has 2,001 characters: use at most 2,000."
    )
    ask(page, "What is Renault investing in?")
    expect(answers(page)).to_have_text("electric vehicles")


def test_follow_up_questions_are_understood_and_may_be_asked_as_typed(chat, visit):
    page = visit(chat)
    for question, words in (
        ("Who was arrested?", "Carlos Ghosn"),
        ("When?", "2018"),
        ("and why?", "financial misconduct charges"),
    ):
        ask(page, question)
        expect(answers(page).last).to_have_text(words)
    understood = page.locator(".understood")
    expect(understood).to_have_count(2)
    expect(understood.last).to_contain_text("Understood as: Why (2018, Carlos Ghosn)?")
    expect(page.locator(".question").last).to_have_text("and why?")
    understood.last.get_by_role("button", name="Ask as typed").click()
    expect(understood).to_have_count(1)
    expect(page.locator(".question")).to_have_count(3)
    page.locator("#conversation").get_by_label("Clear").click()
    expect(page.locator(".question")).to_have_count(0)
    ask(page, "and why?")
    expect(replies(page)).to_have_count(1)
    expect(understood).to_have_count(0)


def test_small_talk_gets_a_reply_and_the_gist_is_quoted(chat, visit, article):
    page = visit(chat)
    ask(page, "Hello!")
    expect(page.locator(".reply")).to_have_text("Hello! Ask me about article.txt.")
    ask(page, "What is this article about?")
    quotes = page.locator(".reply li")
    expect(quotes).to_have_count(3)
    for number in range(3):
        quotes.nth(number).locator(".place").click()
        expect(marked(page)).to_have_text(quotes.nth(number).locator("q").inner_text().strip("“”"))


def test_an_example_is_asked_at_once(chat, visit):
    page = visit(chat)
    page.get_by_text("Where was Carlos Ghosn arrested?").click()
    expect(answers(page)).to_have_text("Japan")


def test_the_box_is_empty_and_has_the_focus_after_an_answer(chat, visit):
    page = visit(chat)
    ask(page, "Who was arrested?")
    expect(replies(page)).to_have_count(1)
    expect(page.get_by_label("Your question")).to_have_value("")
    expect(page.get_by_label("Your question")).to_be_focused()


def test_everything_is_reached_by_the_keyboard(chat, visit):
    page = visit(chat)
    page.get_by_label("Your question").focus()
    page.keyboard.type("Where was Carlos Ghosn arrested?")
    page.keyboard.press("Enter")
    expect(answers(page)).to_have_text("Japan")
    page.keyboard.type("What is Renault investing in?")
    page.keyboard.press("Enter")
    expect(marked(page)).to_have_text("electric vehicles")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText || ''")
        reached.add(name.strip())
        if "1,721" in name:
            page.keyboard.press("Enter")
    expect(marked(page)).to_have_text("Japan")
    assert {"Copy", "Other places it might be", "Save as JSON", "Remove article.txt"} <= reached
    assert any(name.startswith("Add documents") for name in reached)


def test_files_of_each_type_are_added_and_a_bad_one_gets_its_sentence(chat, visit, tmp_path):
    page = visit(chat)
    paths = [tmp_path / f"file{suffix}" for suffix in SUFFIXES]
    for number, path in enumerate(paths):
        text = f"The code of hall {number} is X{number}Y."
        made = {".pdf": lambda t: pdf(["A page before.", t]), ".docx": lambda t: word([t])}
        made |= dict.fromkeys((".html", ".htm", ".xhtml"), lambda t: page_of(f"<p>{t}</p>"))
        made |= {".text": lambda t: t.encode("utf-16")}
        path.write_bytes(made.get(path.suffix, str.encode)(text))
    bad = tmp_path / "<b>bad.txt"
    bad.write_bytes(b"\x00\x01\x02")
    twice = tmp_path / "again" / "file.txt"
    twice.parent.mkdir()
    twice.write_text(paths[0].read_text())
    upload(page, paths[0], bad, *paths[1:], twice)
    expect(page.locator("#documents li")).to_have_count(1 + len(SUFFIXES))
    expect(page.locator("#status .error")).to_have_text(
        re.compile(r"bad\.txt is not a text file: save it as UTF-8")
    )
    assert str(tmp_path) not in page.content()
    ask(page, "What is the code of hall 3?")
    expect(answers(page)).to_have_text("X3Y")
    expect(page.locator("#documents .current")).to_contain_text("file.markdown")
    ask(page, f"What is the code of hall {SUFFIXES.index('.pdf')}?")
    expect(page.locator(".answer .about .place").last).to_contain_text("file.pdf, page 2")


def test_files_that_are_no_text_or_too_large_are_named_and_the_others_added(chats, visit, acme, tmp_path):
    page = visit(chats.start("--max-upload", "1kb"))
    (tmp_path / "<img src=x>.png").write_bytes(b"x")
    (tmp_path / "large.txt").write_text("x" * 1025)
    upload(page, tmp_path / "<img src=x>.png", acme, tmp_path / "large.txt")
    expect(page.locator("#documents li")).to_have_count(2)
    page.get_by_label("Or paste a text").fill("x" * 1025)
    page.get_by_text("Add the text").click()
    expect(page.locator("#status .error")).to_have_text("The text has more than 1,024 bytes: add a part.")
    upload(page, tmp_path / "<img src=x>.png", tmp_path / "large.txt")
    expect(page.locator("#status .error")).to_have_count(2)
    expect(page.locator("#status .error").first).to_contain_text(
        "<img src=x>.png is not a file to read (.txt,"
    )
    expect(page.locator("#status .error").last).to_contain_text("large.txt is not a file to read")
    assert page.locator("#status img").count() == 0


def test_uploads_are_deleted(chats, visit, acme, tmp_path):
    url = chats.start(environment=os.environ | {"TMPDIR": str(tmp_path)})
    page = visit(url)
    upload(page, acme)
    expect(page.locator("#documents li")).to_have_count(2)
    assert list(tmp_path.glob("article-qa-*"))
    assert [path for path in tmp_path.rglob("acme*") if path != acme] == []
    chats.stop(url)
    assert list(tmp_path.glob("article-qa-*")) == []


def test_a_text_is_pasted_and_one_document_is_asked_and_removed(chat, visit, acme):
    page = visit(chat)
    upload(page, acme)
    expect(page.locator("#documents li")).to_have_count(2)
    page.get_by_label("Or paste a text").fill("Bolt is led by Carl Dahl.")
    page.get_by_text("Add the text").click()
    expect(page.locator("#documents li")).to_have_count(3)
    expect(page.get_by_label("Or paste a text")).to_have_value("")
    page.get_by_label("Ask", exact=True).click()
    page.get_by_role("option", name="acme.md").click()
    ask(page, "Who leads the company?")
    expect(answers(page)).to_have_text("Ada Berg")
    page.get_by_label("Remove acme.md").click()
    expect(page.locator("#documents li")).to_have_count(2)
    ask(page, "Who leads Bolt?")
    expect(answers(page).last).to_have_text("Carl Dahl")
    page.locator(".answer").first.locator(".about .place").click()
    expect(page.locator("#pane")).to_contain_text("There is no document here.")


def test_an_empty_paste_gets_its_sentence(chat, visit):
    page = visit(chat)
    page.get_by_text("Add documents").click()
    page.get_by_text("Add the text").click()
    expect(page.locator("#status .error")).to_contain_text("is empty")


def test_a_chat_over_an_index_asks_it_as_it_is_now(chats, visit, acme, tmp_path):
    shelf = tmp_path / "shelf"
    engine = ArticleQA.open(shelf, create=True)
    engine.add([acme])
    page = visit(chats.start("--index", str(shelf)))
    expect(page.locator("#documents li")).to_have_count(1)
    acme.write_text("Acme is led by Ben Holm.")
    engine.add([acme])
    ask(page, "Who leads Acme?")
    expect(answers(page)).to_have_text("Ben Holm")


def test_visitors_do_not_see_each_others_documents_and_conversations(chat, visit, acme):
    first, second = visit(chat), visit(chat)
    upload(first, acme)
    expect(first.locator("#documents li")).to_have_count(2)
    ask(first, "Who leads Acme?")
    expect(answers(first)).to_have_text("Ada Berg")
    ask(second, "Who leads Acme?")
    expect(replies(second)).to_have_count(1)
    expect(second.locator("#documents li")).to_have_count(1)
    assert "Ada Berg" not in second.content()
    assert "acme.md" not in second.content()
    third = visit(chat)
    assert "acme.md" not in third.content()


def test_questions_and_documents_are_shown_as_they_are_never_as_markup(chat, visit, tmp_path):
    page = visit(chat)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    path = tmp_path / "<b>odd $$x$$ [a](b).txt"
    script = "<script>document.title='taken'</script>"
    text = f"The secret word of the {script} club is {HOSTILE}.\n<table><tr><td>1\n# No\n"
    path.write_text(text)
    upload(page, path)
    expect(page.locator("#documents li")).to_have_count(2)
    expect(page.locator("#pane .text")).to_have_text(text, use_inner_text=True)
    ask(page, "What is the secret word of the club?")
    expect(replies(page)).to_have_count(1)
    ask(page, HOSTILE)
    expect(page.locator(".question").last).to_have_text(HOSTILE)
    expect(replies(page)).to_have_count(2)
    assert page.title() == "article-qa"
    assert (
        page.locator(".katex, #pane table, #conversation table, #pane img, #conversation .bot img").count()
        == 0
    )
    assert [url for url in asked if url.endswith("/x")] == []


def test_a_long_reply_is_read_from_its_beginning(chat, visit):
    page = visit(chat, viewport=PHONE)
    for number, question in enumerate(("Where was Carlos Ghosn arrested?", "What is this article about?")):
        ask(page, question)
        expect(replies(page)).to_have_count(number + 1)
        page.wait_for_timeout(500)  # where it would be scrolled away
        expect(page.locator(".question").last).to_be_in_viewport(ratio=1)
    high, room = (page.locator(each).bounding_box()["height"] for each in (".reply", "#conversation"))
    assert high > room
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(replies(page).last.locator(".place").last).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(chat, visit, scheme, acme):
    page = visit(chat, viewport=PHONE, color_scheme=scheme)
    upload(page, acme)
    expect(page.locator("#documents li")).to_have_count(2)
    ask(page, "What did the companies do? " + "x" * 300)
    expect(replies(page)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    background = page.evaluate("getComputedStyle(document.querySelector('.document')).backgroundColor")
    brightness = sum(int(value) for value in re.findall(r"\d+", background)[:3]) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60


def test_a_reload_begins_anew(chat, visit, acme):
    page = visit(chat)
    upload(page, acme)
    expect(page.locator("#documents li")).to_have_count(2)
    ask(page, "Who leads Acme?")
    expect(answers(page)).to_have_text("Ada Berg")
    page.reload()
    expect(page.locator("#documents li")).to_have_count(1)
    expect(replies(page)).to_have_count(0)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_text("Japan")


def test_a_restarted_server_says_that_the_documents_are_gone(chats, visit, acme):
    url = chats.start()
    page = visit(url)
    upload(page, acme)
    expect(page.locator("#documents li")).to_have_count(2)
    ask(page, "Who leads Acme?")
    expect(answers(page)).to_have_text("Ada Berg")
    chats.stop(url)
    chats.start(port=int(url.rpartition(":")[2]))
    ask(page, "What does Acme make?")
    expect(page.locator("#conversation .error")).to_contain_text("your documents are gone")
    expect(page.locator(".question")).to_have_text("What does Acme make?")
    expect(page.locator("#documents li")).to_have_count(1)
    page.get_by_label("Retry").click()
    expect(page.locator(".abstention")).to_have_count(1)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_text("Japan")


def test_the_last_question_is_asked_again_and_the_conversation_cleared(chat, visit):
    page = visit(chat)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_count(1)
    ask(page, "What is Renault investing in?")
    expect(answers(page)).to_have_count(2)
    page.locator(".answer").first.locator(".about .place").click()
    expect(marked(page)).to_have_text("Japan")
    page.get_by_label("Retry").click()
    expect(marked(page)).to_have_text("electric vehicles")
    expect(answers(page)).to_have_count(2)
    expect(page.locator(".question")).to_have_count(2)
    page.locator("#conversation").get_by_label("Clear").click()
    expect(replies(page)).to_have_count(0)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_count(1)


def test_an_answer_is_copied(chat, visit):
    page = visit(chat)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "Where was Carlos Ghosn arrested?")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".tool.done")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == "Japan"


@pytest.mark.parametrize(("kind", "name"), [("Markdown", "conversation.md"), ("JSON", "conversation.json")])
def test_the_conversation_is_saved(chat, visit, article, kind, name):
    page = visit(chat)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_text("Japan")
    with page.expect_download() as download:
        page.get_by_text(f"Save as {kind}").click()
    assert download.value.suggested_filename == name
    text = Path(download.value.path()).read_text(encoding="utf-8")
    if kind == "JSON":
        (answer,) = json.loads(text)
        assert article.text[answer["start"] : answer["end"]] == "Japan"
    else:
        assert "**Japan**" in text


def test_thumbs_make_a_gold_set(chats, visit, tmp_path, article):
    path = tmp_path / "feedback.jsonl"
    page = visit(chats.start("--feedback", str(path)))
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_text("Japan")
    page.get_by_role("button", name="Right").click()
    expect(page.locator("#correction")).to_contain_text("Thank you")
    ask(page, "Which year was Ghosn arrested in?")
    expect(replies(page)).to_have_count(2)
    page.get_by_role("button", name="Wrong").last.click()
    page.get_by_role("button", name="This is the answer").click()
    expect(page.locator("#correction")).to_contain_text("Nothing is marked yet.")
    start = article.text.index("2018")
    select(page, "2018")
    page.get_by_role("button", name="This is the answer").click()
    expect(page.locator("#correction")).to_contain_text("Thank you")
    ask(page, "Who was arrested in Peru?")
    expect(replies(page)).to_have_count(3)
    page.get_by_role("button", name="Wrong").last.click()
    page.get_by_role("button", name="The document doesn’t say").click()
    expect(page.locator("#correction")).to_contain_text("Thank you")
    rows = read_gold(path)
    assert [(row.question, row.answers) for row in rows] == [
        ("Where was Carlos Ghosn arrested?", ("Japan",)),
        ("Which year was Ghosn arrested in?", ("2018",)),
        ("Who was arrested in Peru?", ()),
    ]
    assert rows[1].spans == ((start, start + 4),)


def test_a_correction_counts_characters_as_python_does(chats, visit, tmp_path):
    source, path = tmp_path / "source.txt", tmp_path / "feedback.jsonl"
    text = "Line one 🤔.\r\nLine two.\r\nThe firm Acme 🤔 is led by Ada Berg.\r\n"
    source.write_bytes(text.encode())
    page = visit(chats.start(str(source), "--feedback", str(path)))
    ask(page, "Who leads the company?")
    expect(replies(page)).to_have_count(1)
    page.get_by_role("button", name="Wrong").click()
    select(page, "Ada Berg")
    page.get_by_role("button", name="This is the answer").click()
    expect(page.locator("#correction")).to_contain_text("Thank you")
    (row,) = read_gold(path)
    assert (row.answers, row.spans) == (("Ada Berg",), ((text.index("Ada"), text.index("Ada") + 8),))


def test_there_are_no_thumbs_unless_they_are_asked_for(chat, visit):
    page = visit(chat)
    ask(page, "Where was Carlos Ghosn arrested?")
    expect(answers(page)).to_have_text("Japan")
    expect(page.get_by_role("button", name="Right")).to_have_count(0)


def test_nothing_is_fetched_from_elsewhere(chat, browser):
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(chat)
    ask(page, "Who was arrested?")
    expect(replies(page)).to_have_count(1)
    context.close()
    assert {url for url in asked if not url.startswith((chat, "data:", "blob:"))} == set()


def test_no_example_is_offered_for_other_documents(chats, visit, acme):
    page = visit(chats.start(str(acme)))
    assert "Ghosn" not in page.content()


def test_a_taken_port_is_one_sentence(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["chat", "--no-browser", "--port", str(port)]) == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err
