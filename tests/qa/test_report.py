import json
import re

import pytest

from qa.metrics import summarise
from qa.predictions import read_predictions
from qa.report import mark, write_report

ATTACK = (
    "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\"> & 'so'"
)
TITLE = "News <b>& more</b>"


@pytest.fixture(scope="module")
def predictions(predict):
    attack = predict(
        "attack",
        article=ATTACK,
        question=ATTACK,
        text=ATTACK,
        passage=ATTACK,
        best_start=100,
        confidence=0.99,
    )
    many = [predict(f"many{i}", question=f"Which city is number {i}?", text="Milan") for i in range(50)]
    elsewhere = predict("elsewhere", text="Bonn", passage="So is Bonn.", best_start=106, gold_rank=None)
    withheld = predict("withheld", text="", best="Rome", confidence=0.95)
    unanswerable = predict("unanswerable", answers=(), gold_passage="", gold_start=-1, gold_rank=None)
    return [predict("right"), *many, attack, elsewhere, withheld, unanswerable]


@pytest.fixture(scope="module")
def report(predictions, tmp_path_factory):
    return write_report(summarise(predictions), predictions, TITLE, tmp_path_factory.mktemp("new") / "report")


@pytest.fixture(scope="module")
def misses(report):
    data = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', report.read_text("utf-8"), re.S
    )
    return {miss["id"]: miss for miss in json.loads(data[1])}


def marked(miss):
    return [[tuple(piece) for piece in text["pieces"] if piece[1]] for text in miss["texts"]]


def test_machine_readable_files(report, predictions):
    results = json.loads((report.parent / "results.json").read_text("utf-8"))
    assert results["title"] == TITLE
    assert results["metrics"] == summarise(predictions)
    assert list(results["failures"].values()) == [1, 51, 1, 1]
    assert read_predictions(report.parent / "predictions.jsonl") == predictions


def test_misses_are_all_there_the_most_confident_first(misses):
    assert len(misses) == 54
    assert list(misses)[:2] == ["attack", "withheld"]


def test_marks(misses):
    assert marked(misses["many0"]) == [[("Rome", "gold")]]  # "Milan" is not where the prediction says it is
    assert marked(misses["elsewhere"]) == [[("Bonn", "best")], [("Rome", "gold")]]
    assert marked(misses["withheld"]) == [[("Rome", "both")]]
    assert marked(misses["unanswerable"]) == [[("Rome", "best")]]


@pytest.mark.parametrize(
    ("passage", "gold_passage"),
    [("capital is Rome.", "The capital is Rome."), ("The capital is Rome.", "capital is Rome.")],
)
def test_one_passage_within_the_other(predict, tmp_path, passage, gold_passage):
    prediction = predict(
        text="",
        best="is Rome",
        passage=passage,
        best_start=100 + passage.index("is"),
        gold_passage=gold_passage,
        gold_start=gold_passage.index("Rome"),
        answers=("Rome", "Rome."),
    )
    page = write_report(summarise([prediction]), [prediction], "", tmp_path).read_text("utf-8")
    pieces = [["The capital ", ""], ["is ", "best"], ["Rome", "both"], [".", "gold"]]
    assert json.dumps(pieces) in page


@pytest.mark.parametrize(
    ("best", "gold", "pieces"),
    [
        (None, None, [("abcdef", "")]),
        ((0, 6), (0, 6), [("abcdef", "both")]),
        ((0, 2), (4, 6), [("ab", "best"), ("cd", ""), ("ef", "gold")]),
        ((1, 4), (3, 5), [("a", ""), ("bc", "best"), ("d", "both"), ("e", "gold"), ("f", "")]),
        ((0, 3), (3, 6), [("abc", "best"), ("def", "gold")]),
    ],
)
def test_mark(best, gold, pieces):
    assert mark("abcdef", best, gold) == pieces


def test_mark_nothing():
    assert mark("", None, None) == []


def test_text_is_escaped(report):
    page = report.read_text("utf-8")
    assert "taken'</script>" not in page
    assert "<img" not in page
    assert "<h1>News &lt;b&gt;&amp; more&lt;/b&gt;</h1>" in page
    assert page.count("</script>") == 2


def test_metrics_are_shown(report):
    page = report.read_text("utf-8")
    assert "Expected calibration error" in page
    assert re.search(r"Recall@5</th><td>98\.1%", page)
    assert "55 questions over 2\n    articles:" in page


def test_report_is_replaced_and_undefined_metrics_are_left_out(predict, tmp_path):
    for prediction in (predict(text="Bonn"), predict(text="")):
        page = write_report(summarise([prediction]), [prediction], "One", tmp_path).read_text("utf-8")
    assert "Abstention</h3>" not in page
    assert "Bonn" not in page


@pytest.fixture
def tab(browser, report):
    tab = browser.new_page(viewport={"width": 380, "height": 800})
    tab.complaints = []
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("request", lambda request: tab.complaints.append(request.url))
    tab.goto(report.as_uri())
    yield tab
    tab.close()


def test_page_needs_no_network_and_fits_a_phone(tab, report):
    assert [url for url in tab.complaints if not url.startswith("data:")] == [report.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") == 380


def test_hostile_text_stays_text(tab):
    assert tab.title() == TITLE
    assert tab.locator("#list h3").first.inner_text() == ATTACK
    assert tab.locator("img").count() == 0


def test_filters_and_pages(tab):
    count, cards = tab.locator("#count"), tab.locator("#list > li")
    assert (count.inner_text(), cards.count()) == ("54 of 54 misses, page 1 of 3", 20)
    tab.get_by_role("button", name="Next").first.click()
    tab.get_by_role("button", name="Next").last.click()
    assert (count.inner_text(), cards.count()) == ("54 of 54 misses, page 3 of 3", 14)
    assert tab.get_by_role("button", name="Next").first.is_disabled()
    tab.get_by_label("Words in the question").fill("CITY 49?")
    assert (count.inner_text(), cards.count()) == ("1 of 54 misses, page 1 of 1", 1)
    tab.get_by_label("reading 51").uncheck()
    assert (count.inner_text(), cards.count()) == ("0 of 54 misses, page 1 of 1", 0)
    tab.get_by_label("Words in the question").fill("")
    assert cards.count() == 3
