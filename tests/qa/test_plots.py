import re
from xml.etree import ElementTree

import pytest

from qa.plots import draw, question_word


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who is it?", "who"),
        ("To whom was it sold, and when?", "who"),
        ("Whose is it?", "who"),
        ("who's there", "who"),
        ("In what year did it open?", "what"),
        ("HOW MANY are there?", "how many"),
        ("How much is it?", "how many"),
        ("How long is it?", "how"),
        ("Name the somewhat whole whatnot.", "other"),
        ("", "other"),
    ],
)
def test_question_word(question, word):
    assert question_word(question) == word


@pytest.fixture(scope="module")
def plots(predict):
    return draw(
        [
            predict(1),
            predict(2, text="Bonn", confidence=0.4, score=-1.0, answers=("the", "a long way to go")),
            predict(3, answers=(), text="", score=-3.0, seconds=0.5),
        ]
    )


def test_draw_all(plots):
    titles = ["Reliability", "Risk and coverage", "Scores", "Latency", "F1 by question word"]
    assert [plot.title for plot in plots] == [*titles, "F1 by answer length"]


def test_svg_stands_in_a_page(plots):
    page = ElementTree.fromstring("<div>" + "".join(plot.svg for plot in plots) + "</div>")
    ids = [node.attrib["id"] for node in page.iter() if "id" in node.attrib]
    assert len(ids) == len(set(ids))
    references = {node.attrib[key][1:] for node in page.iter() for key in node.attrib if key.endswith("href")}
    assert references <= set(ids)
    assert all("width" not in svg.attrib for svg in page)


def test_svg_takes_its_colours_from_the_page(plots):
    for plot in plots:
        assert set(re.findall(r"#[0-9a-fA-F]{6}", plot.svg)) == set()
        assert "var(--" in plot.svg


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({"answers": ()}, {"F1 by answer length"}),
        ({"text": ""}, {"Risk and coverage"}),
        ({"answers": (), "text": "", "seconds": 0.0}, {"F1 by answer length", "Risk and coverage"}),
    ],
)
def test_draw_one_question(predict, plots, fields, absent):
    assert {plot.title for plot in plots} - {plot.title for plot in draw([predict(**fields)])} == absent


def test_same_predictions_give_the_same_bytes(predict):
    assert draw([predict()]) == draw([predict()])
