import shutil

import numpy as np
import onnx
import pytest

from index import InputError
from index.embedder import BUNDLED
from index.onnx_model import BATCH_SIZE, MODEL_FILE, TOKENIZER_FILE, OnnxModel, length_sorted_batches, padded


@pytest.fixture(scope="module")
def model():
    return OnnxModel(BUNDLED)


@pytest.fixture
def copy(tmp_path):
    """A folder with the bundled model, to spoil."""
    return shutil.copytree(BUNDLED, tmp_path / "model")


def test_outputs_keep_the_order_of_their_inputs(model):
    texts = ["word " * length for length in (3, 40, 1, 7, *range(2, 30))]
    encodings = model.tokenizer.encode_batch(texts)
    together = np.stack([output for (output,) in model.run(encodings)])
    alone = np.stack([model.run([encoding])[0][0] for encoding in encodings])
    assert together.shape == (len(texts), 384)
    assert (together @ alone.T).argmax(1).tolist() != [0] * len(texts)
    assert (together * alone).sum(1).min() > 0.95  # int8 activations are scaled by batch


def test_nothing_to_run(model):
    assert model.run([]) == []


def test_tokenizer_neither_cuts_nor_pads(model):
    short, long = model.tokenizer.encode_batch(["word", "word " * 1000])
    assert (len(short.ids), len(long.ids)) == (3, 1002)


@pytest.mark.parametrize("size", [0, 1, BATCH_SIZE, BATCH_SIZE + 1, 100])
def test_batches_hold_every_row_once(size):
    lengths = np.random.default_rng(size).integers(1, 50, size).tolist()
    batches = list(length_sorted_batches(lengths))
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(size))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    assert all(1 <= len(batch) <= BATCH_SIZE for batch in batches)


def test_padded(model):
    encodings = model.tokenizer.encode_batch([("a question", "its passage"), ("short", "one")])
    ids, types, mask = padded(encodings, pad_id=9)
    long, short = (len(encoding.ids) for encoding in encodings)
    assert ids.shape == types.shape == mask.shape == (2, max(long, short))
    for row, encoding in enumerate(encodings):
        size = len(encoding.ids)
        assert ids[row, :size].tolist() == encoding.ids
        assert types[row, :size].tolist() == encoding.type_ids
        assert (ids[row, size:] == 9).all()
        assert mask[row].tolist() == [1] * size + [0] * (mask.shape[1] - size)
    assert {ids.dtype, types.dtype, mask.dtype} == {np.dtype(np.int64)}


def refused(folder):
    with pytest.raises(InputError) as caught:
        OnnxModel(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder} holds no usable model (")
    assert "\n" not in message
    assert "()" not in message
    return message


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_missing_file(copy, name):
    (copy / name).unlink()
    refused(copy)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
@pytest.mark.parametrize("size", [0, 1000])
def test_truncated_file(copy, name, size):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:size])
    refused(copy)


def test_other_inputs(copy):
    value = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch"])
    result = onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.INT64, ["batch"])
    node = onnx.helper.make_node("Identity", ["input_ids"], ["embedding"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "other", [value], [result]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, copy / MODEL_FILE)
    assert "its inputs are not" in refused(copy)


def test_missing_folder(tmp_path):
    refused(tmp_path / "missing")
