"""Readers of every family, each a tiny real model."""

import random
import shutil
from itertools import compress

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForQuestionAnswering, AutoTokenizer

from index import InputError
from qa.reader import MAX_QUESTION_TOKENS, OnnxReader, load_reader
from qa.transformers_reader import TransformersReader
from tests.qa.toy import FAMILIES, example


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def reader(family, toy_readers):
    return load_reader(str(toy_readers(family)))


def windows_of(reader, question, text):
    """The scored windows of one text."""
    return reader.windows([(question, [reader.tokenise(text)])])[0][0]


def test_finds_the_answer_and_knows_where_there_is_none(reader):
    rng = random.Random(7)
    right = 0
    for number in range(30):
        question, context, answer = example(rng, answerable=number % 3 > 0)
        best = reader.read(question, [context])[0][0]
        right += (best.score > 0 and context[best.start : best.end] == answer) if answer else best.score < 0
    assert right >= 27


def test_logits_are_those_of_the_model_itself(reader, family, toy_readers):
    """Segment ids, special tokens and positions are what the family's own tokenizer gives its model."""
    question, context, _ = example(random.Random(3))
    tokenizer = AutoTokenizer.from_pretrained(toy_readers(family))
    model = AutoModelForQuestionAnswering.from_pretrained(toy_readers(family))
    with torch.inference_mode():
        output = model(**tokenizer(question, context, return_tensors="pt"))
    window = windows_of(reader, question, context)[0]
    np.testing.assert_allclose(window.start, output.start_logits[0], atol=1e-5)
    np.testing.assert_allclose(window.end, output.end_logits[0], atol=1e-5)


def test_tokens_made_once_are_those_of_question_and_text_together(reader):
    for text in ("the old  green bridge, and Clara.", "Ada " * 30, "an e\u0301t\u00e9 in Lima"):
        encoding = windows_of(reader, " Who  is it?", text)[0].encoding
        together = reader._tokenizer.encode(" Who  is it?", text)
        inside = [sequence == 1 for sequence in together.sequence_ids]
        assert (encoding.ids, encoding.type_ids) == (together.ids, together.type_ids)
        assert [sequence == 1 for sequence in encoding.sequence_ids] == inside
        for got, wanted in ((encoding.offsets, together.offsets), (encoding.word_ids, together.word_ids)):
            assert list(compress(got, inside)) == list(compress(wanted, inside))


def test_a_batch_reads_as_each_text_alone(reader):
    rng = random.Random(5)
    question = "Who is it?"
    texts = [example(rng)[1] * (1 + number % 3) for number in range(20)]
    together = reader.read(question, texts)
    for text, spans in zip(texts, together, strict=True):
        alone = reader.read(question, [text])[0]
        assert (spans[0].start, spans[0].end) == (alone[0].start, alone[0].end)
        assert spans[0].score == pytest.approx(alone[0].score, abs=1e-4)


def test_a_long_text_is_read_in_overlapping_windows_to_its_end(reader):
    filler = "the old green bridge and then again "
    text = filler * 30 + "Clara slowly under the bridge."
    windows = windows_of(reader, "Who is it?", text)
    assert len(windows) > 2
    covered = np.zeros(len(text), bool)
    for window in windows:
        for (start, end), sequence in zip(window.encoding.offsets, window.encoding.sequence_ids, strict=True):
            if sequence == 1:
                covered[start:end] = True
    assert all(covered[i] for i, character in enumerate(text) if not character.isspace())


def test_an_answer_at_the_end_of_a_long_text_is_found():
    text = (
        "The weather was fine and the harbour was quiet all week. " * 60
        + "Acme was founded by Ada Berg in 1990."
    )
    best = OnnxReader().read("Who founded Acme?", [text])[0][0]
    assert text[best.start : best.end] == "Ada Berg"


def test_a_question_longer_than_a_window_is_cut_not_refused(reader):
    spans = reader.read("Who is it? " + "again " * 300, ["the old bridge Ada then."])[0]
    assert spans


def test_nothing_to_read_gives_nothing(reader):
    assert reader.read("Who is it?", []) == []


def test_a_text_of_which_no_token_is_left_gives_no_span():
    assert OnnxReader().read("Who?", ["\u200b\u200b"])[0] == []


def test_the_bundled_reader_cuts_long_questions():
    reader = OnnxReader()
    windows = windows_of(reader, "why " * 400, "Because it rained.")
    assert windows[0].encoding.sequence_ids.index(1) == MAX_QUESTION_TOKENS + 2  # [CLS] and [SEP]


class TestWrongModels:
    def test_unknown_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"nowhere is not a folder"):
            load_reader(str(tmp_path / "nowhere"))

    def test_unknown_hub_id_does_not_wait(self):
        with pytest.raises(InputError, match=r"^nobody/nothing cannot be loaded as a reader"):
            load_reader("nobody/nothing")

    def test_empty_folder(self, tmp_path):
        with pytest.raises(InputError, match="cannot be loaded as a reader"):
            load_reader(str(tmp_path))

    def test_a_model_that_was_never_trained_to_answer(self, tmp_path, toy_readers):
        encoder = AutoModel.from_pretrained(toy_readers("bert"))
        encoder.save_pretrained(tmp_path)
        AutoTokenizer.from_pretrained(toy_readers("bert")).save_pretrained(tmp_path)
        with pytest.raises(InputError, match="not trained to answer questions"):
            TransformersReader(str(tmp_path))

    def test_a_broken_onnx_file(self, tmp_path):
        (tmp_path / "model.onnx").write_bytes(b"no model")
        with pytest.raises(InputError, match="holds no usable model"):
            load_reader(str(tmp_path))

    def test_a_truncated_weights_file(self, tmp_path, toy_readers):
        folder = shutil.copytree(toy_readers("bert"), tmp_path / "bert")
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(InputError, match="cannot be loaded as a reader"):
            load_reader(str(folder))
