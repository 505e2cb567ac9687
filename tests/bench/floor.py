"""The reader against the arithmetic floor: what its products alone would take at this machine's best rate.

The rate is that of bare int8 matrix products, one on each core at a time, of the shapes of the model's own.
The floor takes those of attention, which are in float32, to be as fast.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Encoding

from index.onnx_model import cores
from qa import ArticleQA
from qa.engine import to_read
from qa.reader import Reader

LAYERS, WIDTH, INNER = 6, 384, 1536
ROWS = 512  # of the bare products
REPEATS = 40


def measure(engine: ArticleQA, questions: list[str]) -> dict[str, float]:
    """How near the reader comes to the floor, over questions asked one by one.

    Returns:
        medians over the questions, the fraction reached when all are read together, which leaves no core
        without a passage, and the rate of the bare products in billions of operations a second.
    """
    reader = engine._reader
    asked = [
        [
            window
            for text in reader._encoded(
                question, [reader.tokenise(hit.passage.text) for hit in to_read(engine.index, question)]
            )
            for window in text
        ]
        for question in questions
    ]
    rate = bare_rate()
    alone = [(_reading(reader, windows), operations(windows) / rate) for windows in asked]
    together = [window for windows in asked for window in windows]
    return {
        "tokens of a question": statistics.median(sum(len(w.ids) for w in windows) for windows in asked),
        "reader ms": 1e3 * statistics.median(seconds for seconds, _ in alone),
        "floor ms": 1e3 * statistics.median(floor for _, floor in alone),
        "fraction, one question": statistics.median(floor / seconds for seconds, floor in alone),
        "fraction, all in a batch": operations(together) / rate / _reading(reader, together),
        "bare GOP/s": rate / 1e9,
    }


def _reading(reader: Reader, windows: Sequence[Encoding]) -> float:
    """Seconds of the reader's model, the best of three."""
    return min(_seconds(lambda: reader._logits(windows)) for _ in range(3))


def operations(windows: Sequence[Encoding]) -> float:
    """Multiplications and additions of all products of the model, those of attention included."""
    weights = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
    lengths = [len(window.ids) for window in windows]
    return float(sum(LAYERS * (length * weights + 4 * length * length * WIDTH) for length in lengths))


def bare_rate() -> float:
    """Operations a second of int8 products with int32 sums, on all cores; the better of two shapes."""
    return max(_rate(WIDTH, INNER), _rate(INNER, WIDTH))


def _rate(inner: int, columns: int) -> float:
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.integers(-64, 64, (inner, columns), np.int8), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["rows", "weights"], ["product"])],
        "bare",
        [helper.make_tensor_value_info("rows", TensorProto.UINT8, [ROWS, inner])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [ROWS, columns])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    given = {"rows": rng.integers(0, 255, (ROWS, inner), np.uint8)}
    workers = cores()._max_workers

    def together() -> None:
        list(cores().map(lambda _: [session.run(None, given) for _ in range(REPEATS)], range(workers)))

    together()
    seconds = min(_seconds(together) for _ in range(5))
    return 2.0 * ROWS * inner * columns * REPEATS * workers / seconds


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
