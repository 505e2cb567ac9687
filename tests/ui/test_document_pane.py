import re
from html import unescape

import pytest

from index import Document
from index.store import Entry
from ui.document_pane import LISTED, SHOWN, document_list, document_pane

HOSTILE = '<script>alert(1)</script> "quoted" & [a](javascript:b) {{value}} ${value} `'


def plain(html):
    return unescape(re.sub(r"<[^>]+>", "", re.search(r'<div class="text">(.*?)</div>', html, re.S)[1]))


def test_the_place_is_marked_and_the_text_is_whole():
    document = Document.from_text("Ada lives in Oslo. So does Bea.", "a <b>")
    html = document_pane(document, 13, 17)
    assert "<mark>Oslo</mark>" in html
    assert plain(html) == document.text
    assert "a &lt;b&gt;" in html
    assert "<b>" not in html


def test_nothing_is_marked_without_a_place():
    assert "<mark>" not in document_pane(Document.from_text("Ada lives in Oslo."))


def test_text_is_never_markup():
    html = document_pane(Document.from_text(HOSTILE, HOSTILE), 0, 8)
    assert "<script" not in html
    assert plain(html) == HOSTILE
    assert "<script" not in document_list([Entry("x", HOSTILE, 1, 0, "")], "")


def test_carriage_returns_are_kept_for_the_browser():
    html = document_pane(Document.from_text("One.\r\nTwo.\rThree."), 6, 9)
    assert plain(html) == "One.\r\nTwo.\rThree."
    assert "\r" not in html


def test_no_document():
    assert "There is no document here." in document_pane(None)


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_a_long_document_is_shown_around_the_place(share):
    text = "".join(f"Line {number:06d}.\n" for number in range(20_000))
    start = int(share * (len(text) - 6))
    html = document_pane(Document.from_text(text), start, start + 6)
    low = int(re.search(r'data-from="(\d+)"', html)[1])
    shown = plain(html)
    assert text[low : low + len(shown)] == shown
    assert len(shown) == SHOWN
    assert f"<mark>{text[start : start + 6]}</mark>" in html
    assert ("Earlier text" in html) == (low > 0)
    assert ("Later text" in html) == (low + len(shown) < len(text))


def test_earlier_and_later_lead_through_a_long_document():
    text = "".join(f"Line {number:06d}.\n" for number in range(20_000))
    document = Document.from_text(text)
    at, seen = 0, ""
    while True:
        html = document_pane(document, at, at)
        low = int(re.search(r'data-from="(\d+)"', html)[1])
        seen = seen[:low] + plain(html)
        buttons = dict(re.findall(r'data-start="(\d+)"[^>]*>\s*(\w+) text', html))
        places = {words: int(place) for place, words in buttons.items()}
        if "Later" not in places:
            break
        assert places["Later"] > at
        at = places["Later"]
    assert seen == text
    assert places["Earlier"] < low


def test_the_list_names_each_document_and_marks_the_open_one():
    one, two = Entry("a1", "one", 4, 0, ""), Entry("b2", "two", 9, 0, "")
    html = document_list([one, two], two.id)
    assert html.count('class="current"') == 1
    assert html.index("one") < html.index('class="current"') < html.index("two")
    assert f'data-remove="{one.id}"' in html
    assert "9 characters" in html
    assert "more" not in html


def test_of_very_many_the_first_are_listed_and_the_rest_counted():
    entries = [Entry(f"a{number}", f"file {number}", 4, 0, "") for number in range(LISTED + 1_234)]
    html = document_list(entries, "")
    assert html.count('class="open"') == LISTED
    assert "and 1,234 more" in html
