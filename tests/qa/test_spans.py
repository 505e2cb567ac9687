"""Span decoding, on real encodings with made-up logits."""

import numpy as np
import pytest

from index import Document, split_passages
from qa.reader import OnnxReader
from qa.spans import (
    MAX_SPAN_TOKENS,
    PER_WINDOW,
    Span,
    TokenisedPassage,
    Window,
    decode,
    merge,
    without_overlaps,
)

QUESTION = "Who leads Acme?"
TEXT = "Acme, based in Oslo, is led by Ada Lovelace-Byron since May."


@pytest.fixture(scope="module")
def encode():
    tokenizer = OnnxReader()._tokenizer
    return tokenizer.encode


@pytest.fixture
def window(encode):
    """A window whose logits favour the given words: {(first word's start, last word's end): score}."""

    def window(favoured, null=0.0, text=TEXT):
        encoding = encode(QUESTION, text)
        start = np.full(len(encoding.ids), -5.0, np.float32)
        end = start.copy()
        start[0] = end[0] = null / 2
        for (low, high), score in favoured.items():
            start[encoding.char_to_token(low, 1)] = score / 2
            end[encoding.char_to_token(high - 1, 1)] = score / 2
        return Window(encoding, start, end)

    return window


def passage(text):
    return TokenisedPassage.of(text, None)


def place(words, text=TEXT):
    return text.index(words), text.index(words) + len(words)


def test_best_span_is_the_one_with_the_highest_start_and_end(window):
    best = decode([window({place("Ada Lovelace"): 6.0})], passage(TEXT))[0]
    assert TEXT[best.start : best.end] == "Ada Lovelace"
    assert best.score == pytest.approx(6.0)


def test_score_is_the_margin_over_the_null_score(window):
    high, low = (decode([window({place("Oslo"): 6.0}, null)], passage(TEXT))[0].score for null in (0.0, 4.0))
    assert high - low == pytest.approx(4.0)


def test_log_probability_is_of_the_span_among_all_pairs_of_tokens(window):
    scored = window({place("Oslo"): 6.0})
    best = decode([scored], passage(TEXT))[0]
    start, end = (np.exp(x) / np.exp(x).sum() for x in (scored.start, scored.end))
    token = scored.encoding.char_to_token(best.start, 1)
    assert best.log_probability == pytest.approx(np.log(start[token] * end[token]), abs=1e-4)


def test_an_end_never_precedes_its_start(window):
    scored = window({})
    scored.start[scored.encoding.char_to_token(place("since")[0], 1)] = 9.0
    scored.end[scored.encoding.char_to_token(place("Oslo")[0], 1)] = 9.0
    spans = decode([scored], passage(TEXT))
    assert all(span.start < span.end for span in spans)
    best = spans[0]
    assert TEXT[best.start : best.end] != "Oslo" or best.start == place("Oslo")[0]


def test_spans_stay_out_of_the_question_and_the_special_tokens(window):
    scored = window({place("Oslo"): 1.0})
    scored.start[1:4] = scored.end[1:4] = 20.0  # the question
    scored.start[-1] = scored.end[-1] = 20.0  # the last [SEP]
    best = decode([scored], passage(TEXT))[0]
    assert TEXT[best.start : best.end] == "Oslo"


def test_a_span_lies_in_one_sentence(window):
    text = "Acme is led by Ada Berg. Carl Dahl led it before."
    scored = window({}, text=text)
    for words, logits in (("Ada", scored.start), ("Dahl", scored.end)):
        logits[scored.encoding.char_to_token(place(words, text)[0], 1)] = 9.0
    ends = text.index(".") + 1
    spans = decode([scored], passage(text))
    assert spans
    assert all(span.end <= ends or span.start >= ends for span in spans)


def test_spans_are_limited_in_length(window, encode):
    text = " ".join(f"w{number}" for number in range(100))
    encoding = encode(QUESTION, text)
    start = np.full(len(encoding.ids), -5.0, np.float32)
    end = start.copy()
    start[encoding.char_to_token(0, 1)] = 9.0
    end[encoding.char_to_token(len(text) - 1, 1)] = 9.0
    for span in decode([Window(encoding, start, end)], passage(text)):
        tokens = encoding.char_to_token(span.end - 1, 1) - encoding.char_to_token(span.start, 1) + 1
        assert tokens <= MAX_SPAN_TOKENS


def test_spans_hold_whole_words(window):
    scored = window({place("Lovelace"): 2.0})
    pieces = [
        i
        for i, (low, high) in enumerate(scored.encoding.offsets)
        if place("Lovelace")[0] <= low < place("Lovelace")[1]
    ]
    assert len(pieces) > 1, "the test needs a word of several pieces"
    scored.start[pieces[-1]] = 9.0
    scored.end[pieces[0]] = 9.0
    letters = set(" ,-.")
    for span in decode([scored], passage(TEXT)):
        assert span.start == 0 or TEXT[span.start - 1] in letters or TEXT[span.start] in letters
        assert span.end == len(TEXT) or TEXT[span.end] in letters or TEXT[span.end - 1] in letters


def test_an_accent_the_tokenizer_drops_stays_with_its_letter(window):
    text = "They met in the cafe\u0301 of Acme."
    scored = window({place("cafe", text): 6.0}, text=text)
    best = decode([scored], passage(text))[0]
    assert text[best.start : best.end] == "cafe\u0301"


def test_overlapping_windows_count_one_place_once(window):
    favoured = {place("Oslo"): 6.0}
    best = decode([window(favoured), window({place("Oslo"): 4.0})], passage(TEXT))[0]
    assert (best.score, best.seen) == (pytest.approx(6.0), 2)


def test_a_window_gives_a_fixed_number_of_spans(window):
    assert len(decode([window({})], passage(TEXT))) == PER_WINDOW


def test_the_same_words_elsewhere_stay_two():
    spans = merge([Span(0, 4, 3.0, -1.0), Span(10, 14, 2.0, -1.0), Span(0, 4, 1.0, -2.0)])
    assert [(span.start, span.seen) for span in spans] == [(0, 2), (10, 1)]


def test_the_same_place_in_another_document_is_another_place():
    assert len(merge([Span(0, 4, 3.0, -1.0, 1, "a"), Span(0, 4, 2.0, -1.0, 1, "b")])) == 2


def test_without_overlaps_keeps_the_best_and_does_not_depend_on_the_count():
    spans = merge(
        [Span(0, 9, 5.0, -1.0), Span(2, 4, 4.0, -1.0), Span(9, 12, 3.0, -1.0), Span(20, 22, 1.0, -1.0)]
    )
    assert [span.start for span in without_overlaps(spans, 9)] == [0, 9, 20]
    assert without_overlaps(spans, 2) == without_overlaps(spans, 9)[:2]


def test_in_document_moves_a_span_to_the_documents_characters_and_adds_its_prior():
    document = Document.from_text("First sentence here. " * 60)
    passage = split_passages(document)[1]
    span = Span(6, 14, 1.0, -1.0).in_document(passage, 3, -0.5)
    assert document.text[span.start : span.end] == passage.text[6:14]
    assert (span.document_id, span.rank, span.score) == (document.id, 3, 0.5)
