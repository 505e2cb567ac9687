import onnxruntime
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from index.embedder import OnnxEmbedder, load_embedder
from index.export_embedder import SentenceEncoder
from index.export_onnx import INPUTS, export_float32, export_int8
from index.onnx_model import MODEL_FILE, TOKENIZER_FILE

TEXTS = ["ghosn was arrested in japan", "fish", "nissan and renault of the sea " * 5]
OUTPUTS = ["embedding"]


@pytest.fixture(scope="module")
def encoder(tiny):
    return SentenceEncoder(tiny).eval()


@pytest.fixture
def exported(tiny, encoder, tmp_path):
    """A folder with the tiny model as an embedder of ours, by a given function."""

    def exported(export):
        tokenizer = Tokenizer.from_file(str(tiny / TOKENIZER_FILE))
        tokenizer.save(str(tmp_path / TOKENIZER_FILE))
        export(encoder, OUTPUTS, tmp_path / MODEL_FILE)
        return tmp_path

    return exported


@pytest.fixture(scope="module")
def expected(tiny):
    return SentenceTransformer(str(tiny), device="cpu").encode(TEXTS, normalize_embeddings=True)


def test_encoder_pools_as_sentence_transformers_does(tiny, encoder, expected):
    model = SentenceTransformer(str(tiny), device="cpu")
    for text, vector in zip(TEXTS, expected, strict=True):
        tokens = model.tokenizer([text], return_tensors="pt")
        with torch.no_grad():
            given = encoder(*(tokens[name] for name in INPUTS)).numpy()
        assert given[0] == pytest.approx(vector, abs=1e-5)


def test_float32_is_the_same_model(exported, expected):
    folder = exported(export_float32)
    assert OnnxEmbedder(folder).encode(TEXTS) == pytest.approx(expected, abs=1e-4)


def test_int8_is_nearly_the_same_model_and_smaller(exported, expected, tmp_path):
    folder = exported(export_int8)
    embedder = load_embedder(str(folder))
    assert embedder.dimension == 32
    assert (embedder.encode(TEXTS) * expected).sum(1).min() > 0.97
    inputs = onnxruntime.InferenceSession(folder / MODEL_FILE).get_inputs()
    assert [given.name for given in inputs] == list(INPUTS)
    assert all(given.shape == [1, "tokens"] for given in inputs)


def test_a_graph_that_is_not_fused_is_refused(tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        hidden_act="relu",
    )
    BertModel(config).save_pretrained(tmp_path / "relu")
    with pytest.raises(RuntimeError, match="not fused"):
        export_int8(SentenceEncoder(tmp_path / "relu").eval(), OUTPUTS, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
