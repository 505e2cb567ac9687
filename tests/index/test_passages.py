import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import Document, split_passages
from index.passages import OVERLAP, PASSAGE_LENGTH, is_inside_character, page_of, whole_text
from index.sentences import split_sentences
from seeds import ARTICLE


def passages(text):
    return split_passages(Document.from_text(text))


def check(text, found):
    """What holds of the passages of every text."""
    sentences = split_sentences(text)
    starts, ends = {start for start, _ in sentences}, {end for _, end in sentences}
    covered = 0
    for passage, following in zip(found, [*found[1:], None], strict=True):
        assert text[passage.start : passage.end] == passage.text == passage.text.strip() != ""
        assert len(passage.text) <= PASSAGE_LENGTH
        assert not text[covered : passage.start].strip()
        covered = passage.end
        if following is not None:
            assert passage.start < following.start
            assert passage.end < following.end
            assert passage.end - following.start <= OVERLAP
            if following.start < passage.end:  # what is repeated are whole sentences, or a long one's pieces
                assert following.start in starts or not starts & set(range(following.start, passage.end))
            if passage.end not in ends:  # only a sentence that is too long for a passage is cut
                assert max(s for s in starts if s < passage.end) + PASSAGE_LENGTH < min(
                    e for e in ends if e > passage.end
                )
    assert not text[covered:].strip()


@pytest.mark.parametrize("seed", range(6))
def test_nasty_texts(nasty_texts, seed):
    for text, places in nasty_texts(seed):
        found = split_passages(Document.from_text(text))
        check(text, found)
        assert {p.start for p in found} | {p.end for p in found} <= places


# Any characters, and those that matter here often enough to meet; joined and repeated, to be long.
PIECES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [*"aZ9 .!?,\n\r\t", ". ", "\n\n", "\u2028", "e\u0301", "👨\u200d👩\u200d👧", "🇫🇷", "。", "\ud800"]
    ),
)
TEXTS = st.lists(st.tuples(PIECES, st.integers(1, 90)), min_size=1, max_size=40).map(
    lambda pieces: "".join(piece * times for piece, times in pieces)
)


@given(TEXTS.filter(str.strip))
def test_any_text(text):
    document = Document.from_text(text)
    assert len(document.text) == len(text)
    check(document.text, split_passages(document))


@given(TEXTS.filter(str.strip), st.lists(st.integers(0, 500)))
def test_any_pages(text, starts):
    starts = sorted({0, *(start for start in starts if start < len(text))})
    document = Document.from_text(text, page_starts=tuple(starts))
    for passage in split_passages(document):
        assert passage.page == sum(start <= passage.start for start in starts)


def test_article():
    text = ARTICLE.read_text()
    found = passages(text)
    check(text, found)
    assert len(found) > 4
    assert {(p.start, p.end) for p in found} & {(p.start, p.end) for p in found[1:]}
    assert {p.document_id for p in found} == {Document.from_text(text).id}


def test_neighbours_share_whole_sentences():
    text = " ".join(f"This is sentence number {number:03}, of fifty characters." for number in range(100))
    found = passages(text)
    check(text, found)
    for one, other in itertools.pairwise(found):
        assert one.text[other.start - one.start :].count("This is sentence") == 4


def test_no_overlap_where_it_would_leave_no_room():
    short, long = "It is short and sweet.", "Word" + " word" * 117 + "."
    assert len(long) <= PASSAGE_LENGTH < len(f"{short} {long}")
    text = f"{short} {long} {short} {long}"
    found = passages(text)
    check(text, found)
    assert [p.text for p in found] == [short, long, short, long]


def test_one_word():
    (passage,) = passages("\n Hello \n")
    assert (passage.text, passage.start, passage.end, passage.page) == ("Hello", 2, 7, None)


def test_ten_million_characters_without_a_place_to_cut():
    text = "x" * 10_000_000
    found = passages(text)
    assert "".join(p.text for p in found) == text
    assert {len(p.text) for p in found[:-1]} == {PASSAGE_LENGTH}


@pytest.mark.parametrize("filler", [" ", "\n", "\r\n", "\u3000", "\n \n"])
def test_a_vast_gap(filler):
    text = "One." + filler * 300_000 + "Two."
    assert "".join(p.text for p in passages(text)) == "One.Two."


def test_a_long_sentence_is_cut_behind_a_clause():
    clause = "and so it went on and on, "
    text = "It began, " + clause * 60 + "it ended."
    found = passages(text)
    check(text, found)
    assert all(p.text.endswith("on,") for p in found[:-1])


def test_a_long_sentence_is_cut_between_words():
    text = "word " * 500 + "end"
    found = passages(text)
    check(text, found)
    assert set(" ".join(p.text for p in found).split()) == {"word", "end"}


@pytest.mark.parametrize("shift", range(8))
def test_a_number_is_never_cut_at_its_comma(shift):
    text = "y" * shift + " 12,500" * 300
    found = passages(text)
    check(text, found)
    assert {word for p in found for word in p.text.split()} <= {"y" * shift, "12,500"}


@pytest.mark.parametrize(
    "character",
    [
        "👨‍👩‍👧‍👦",
        "👩🏽‍🚀",
        "👍🏿",
        "e\u0301\u0323",
        "❤️",
        "1️⃣",
        "🇫🇷",
        "न्",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
@pytest.mark.parametrize("shift", range(3))
def test_no_character_is_cut(character, shift):
    text = "x" * shift + character * 1000
    for passage in passages(text):
        assert passage.text.strip("x").replace(character, "") == ""


def test_more_marks_than_a_passage_holds():
    text = "e" + "\u0301" * 5000
    found = passages(text)
    assert "".join(p.text for p in found) == text
    assert all(len(p.text) <= PASSAGE_LENGTH for p in found)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("ab", []),
        ("e\u0301a", [1]),
        ("👩‍🚀a", [1, 2]),
        ("👍🏽👍", [1]),
        ("🇫🇷🇯🇵", [1, 3]),
        ("a🇫🇷", [2]),
    ],
)
def test_is_inside_character(text, inside):
    assert [place for place in range(-1, len(text) + 2) if is_inside_character(text, place)] == inside


def test_pages():
    pages = ["First page. " * 60, "Second page. " * 60, "Third page. " * 60]
    starts = (0, len(pages[0]), len(pages[0] + pages[1]))
    document = Document("id", "title", "source", "".join(pages), starts)
    offsets = (0, starts[1] - 1, starts[1], starts[2], starts[2] + 5)
    assert [page_of(document, offset) for offset in offsets] == [1, 1, 2, 3, 3]
    found = split_passages(document)
    assert [p.page for p in found] == sorted(page_of(document, p.start) for p in found)
    assert {p.page for p in found} == {1, 2, 3}


def test_whole_text_is_one_passage():
    document = Document("id", "", "", " long " * 1000, (0, 5))
    (passage,) = whole_text(document)
    assert (passage.start, passage.end, passage.text, passage.page) == (0, 6000, document.text, 1)


def test_an_empty_page_shares_its_start_with_the_next():
    assert page_of(Document("id", "", "", "text", (0, 0, 2)), 0) == 2


def test_no_pages():
    assert page_of(Document.from_text("text"), 2) is None
