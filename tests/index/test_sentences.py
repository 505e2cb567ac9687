import pytest

from index.sentences import sentence_around, split_sentences


def sentences(text):
    return [text[start:end] for start, end in split_sentences(text)]


def whole(text):
    """Whether a text is one sentence."""
    return sentences(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Nissan Motor Co. and Renault SA have abandoned their drive.",
        "Mr. Smith met Dr. Jones, Prof. Ito and Gen. Lee.",
        "The U.S. Senate voted.",
        "Sales rose to 3.5 million.",
        "J. R. R. Tolkien and C.S. Lewis were friends.",
        "See Fig. 3, vol. 2, pp. 5 and Sec. 4.2.",
        "Bring fruit, e.g. apples.",
        "She was born on Jan. 5 at 6 a.m. Monday.",
        "Smith et al. (2019) found more.",
        "It is no. 5 on the list.",
        "Acme Inc. Chairman Lee resigned.",
        "Wait... what happened?",
        '"Go!" he said.',
        "“Why?” asked Ann.",
        "Visit www.example.com/a.b today.",
    ],
)
def test_no_break(text):
    assert whole(text)


@pytest.mark.parametrize(
    "text",
    [
        "It rained.|The sun came.",
        "Really?!|Yes!|No…|Well... |Fine.",
        "The C.I.A. was there.|So was C.S. Lewis of the C.I.A.|The end.",
        "He works for Nissan Motor Co.|The firm is large.",
        "They live in the U.S.|He left at 5 p.m.|They ate.",
        "It was he and I.|She knew.",
        "He said no.|She left.",
        "The dog sat.|The cat lay in the sun.|It was warm.",
        '"It is over."|(He left.)|She stayed.',
        "“It is over.”|‘Yes.’|«Non!»|Fine.",
        "It fell to 3.|5 remained.",
        "He left.[1]|She stayed.[2][13]|They ate.",
        "¿Qué?|¡Sí!|Bien.",
        "هل؟|نعم.|لا",
        "यह है।|वह है।",
        "日本語の文。|次の文！|「引用。」|終わり？|はい",
    ],
)
def test_breaks(text):
    parts = [part.strip() for part in text.split("|")]
    joiner = "" if "日" in text else " "
    assert sentences(joiner.join(parts)) == parts


@pytest.mark.parametrize("blank", ["\u00a0", "\t", "\u3000", "  ", "\u2003"])
def test_any_white_space_ends_a_sentence(blank):
    assert sentences(f"It rained.{blank}She left.") == ["It rained.", "She left."]


@pytest.mark.parametrize("mark", ["\u0301", "\ufe00", "\u200d"])
def test_a_full_width_stop_keeps_its_mark(mark):
    assert sentences(f"日。本。{mark}語") == ["日。", f"本。{mark}語"]


def test_headings_lists_and_blank_lines():
    text = "# Heading\nText\n\n- first item\n- second\n* third\n• fourth\n> quoted\n| a | b |\n1. Open it"
    assert sentences(text) == [
        "# Heading", "Text", "- first item", "- second", "* third", "• fourth", "> quoted", "| a | b |",
        "1.", "Open it",
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_wrapped_lines_are_one_sentence(end):
    text = end.join(
        [
            "The former partners have long sought to exploit the advantages",
            "of their alliance, aiming to utilize their collective resources",
            "and more.",
            "",
            "They stopped.",
        ]
    )
    first, last = sentences(text)
    assert first == text[: text.index("more.") + 5]
    assert last == "They stopped."


def test_a_long_line_breaks_before_a_list_and_after_a_colon():
    line = "These are the things that every one of the visitors has to bring"
    assert sentences(f"{line}\n- a coat") == [line, "- a coat"]
    assert sentences(f"{line}:\na coat") == [f"{line}:", "a coat"]


def test_bounds_given():
    text = "One. Two. Three."
    assert split_sentences(text, 5, 9) == [(5, 9)]
    assert split_sentences(text, 6) == [(6, 9), (10, 16)]


@pytest.mark.parametrize("text", ["", " \n\t\u3000", "\u2028"])
def test_nothing(text):
    assert split_sentences(text) == []


@pytest.mark.parametrize("text", ["a", ".", "...", "。", '"', "\x00", "\u0301", "👍🏽", "x" * 100_000])
def test_a_single_piece(text):
    assert split_sentences(text) == [(0, len(text))]


@pytest.mark.parametrize("seed", range(6))
def test_every_character_is_covered_once_in_order(nasty_texts, seed):
    for text, places in nasty_texts(seed):
        behind = 0
        for start, end in split_sentences(text):
            assert behind <= start < end
            assert not text[behind:start].strip()
            assert text[start:end] == text[start:end].strip()
            assert {start, end} <= places
            behind = end
        assert not text[behind:].strip()


@pytest.mark.parametrize(
    "text", ["." * 10**6 + "a", ".\"'" * 10**5 + "a", "." + '"' * 10**6 + "a", ".[1]" * 10**5 + "a"]
)
def test_long_runs_of_stops_take_linear_time(text):
    assert split_sentences(text) == [(0, len(text))]


def test_sentence_around():
    text = "It rained. Carlos Ghosn was arrested. He left. They stayed."
    at = text.index("arrested")
    assert sentence_around(text, at, at + 8) == (11, 37)
    assert sentence_around(text, at, text.index("left")) == (11, 46)
    assert sentence_around(text, 0, len(text)) == (0, len(text))


def test_sentence_around_looks_no_further_than_its_window():
    text = "x" * 10_000
    assert sentence_around(text, 5000, 5010, window=100) == (4900, 5110)
