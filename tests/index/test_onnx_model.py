import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from index import InputError
from index.embedder import BUNDLED
from index.onnx_model import MODEL_FILE, TOKENIZER_FILE, OnnxModel


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
    assert (together == alone).all()
    assert len({tuple(row) for row in together.tolist()}) == len(set(texts))


def test_nothing_to_run(model):
    assert model.run([]) == []


def test_tokenizer_neither_cuts_nor_pads(model):
    short, long = model.tokenizer.encode_batch(["word", "word " * 1000])
    assert (len(short.ids), len(long.ids)) == (3, 1002)


def test_a_thread_count_that_is_none_is_one_sentence():
    for count in ("0", "-1", "two"):
        done = subprocess.run(
            [sys.executable, "-m", "qa.cli", "ask", "Where was Ghosn arrested?"],
            env=os.environ | {"ARTICLE_QA_THREADS": count}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.strip().endswith("set it to a number of threads, or not at all.")
        assert done.stderr.count("\n") == 1


def test_the_number_of_threads_changes_nothing():
    program = "from qa import answer; print(answer('Where was Ghosn arrested?').to_dict() | {'seconds': 0})"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"ARTICLE_QA_THREADS": count},
            capture_output=True, text=True, check=True,
        ).stdout
        for count in ("1", "3")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert "Japan" in outputs[0]


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
