"""BERT-type models to int8 ONNX: export, quantise, fuse.

A graph takes one text at a time, so it has neither padding nor an attention mask. Weights are quantised to
int8, one scale per output channel, in the 7-bit range: processors without VNNI add products in 16 bits, which
8-bit weights overflow. Activations are quantised as they come. onnxruntime then fuses what it can for any
CPU, and the result is saved, to be loaded as it is. Three of its fusions are left out, since they are slower
than what they replace (onnxruntime 1.32, tests/bench/speed.md).
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from index.onnx_model import INPUTS

OPSET = 17
SLOW_FUSIONS = ["SkipLayerNormFusion", "EmbedLayerNormFusion", "BiasGeluFusion"]
# Of a layer, with weights: query, key, value, their output, and the two of the feed-forward part.
PRODUCTS = 6


def export_int8(model: nn.Module, outputs: Sequence[str], path: Path) -> None:
    """Write a model as fused int8 ONNX.

    Args:
        model: takes `INPUTS`, int64 [1, tokens], in that order; has `config` of a BERT-type encoder, loaded
            with eager attention.
        outputs: names of what it returns.
        path: the file to write.

    Raises:
        RuntimeError: a layer could not be fused, so the file would be slow.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, quantised, fused = (Path(folder, name) for name in ("plain", "quantised", "fused"))
        _export(model.eval(), outputs, plain)
        _quantise(plain, quantised)
        _fuse(quantised, fused)
        counts = Counter(node.op_type for node in onnx.load(fused).graph.node)
        layers = int(model.config.num_hidden_layers)  # type: ignore[union-attr,arg-type]
        products = counts["DynamicQuantizeMatMul"] + counts["MatMulIntegerToFloat"]
        if products < PRODUCTS * layers or counts["Gelu"] != layers:
            raise RuntimeError(f"the graph is not fused as a BERT's: {dict(counts)}")
        path.write_bytes(fused.read_bytes())


def export_float32(model: nn.Module, outputs: Sequence[str], path: Path) -> None:
    """Write a model as fused float32 ONNX: what the int8 file is measured against. Arguments as above."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain")
        _export(model.eval(), outputs, plain)
        _fuse(plain, path)


def _export(model: nn.Module, outputs: Sequence[str], path: Path) -> None:
    sample = torch.ones(1, 8, dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The exporter that traces: the newer one's graphs are not fused yet (torch 2.13, onnxruntime 1.32).
        torch.onnx.export(
            model,
            (sample,) * len(INPUTS),
            str(path),
            input_names=list(INPUTS),
            output_names=list(outputs),
            dynamic_axes={name: {1: "tokens"} for name in (*INPUTS, *_per_token(model, sample, outputs))},
            opset_version=OPSET,
            dynamo=False,
        )


def _per_token(model: nn.Module, sample: torch.Tensor, outputs: Sequence[str]) -> list[str]:
    """The outputs that have a value for each token, as the last axis."""
    with torch.inference_mode():
        given = model(*(sample,) * len(INPUTS))
    given = given if isinstance(given, tuple) else (given,)
    return [name for name, each in zip(outputs, given, strict=True) if each.shape[1] == sample.shape[1]]


def _quantise(source: Path, target: Path) -> None:
    logging.disable(logging.WARNING)  # it asks, on the root logger, for a pre-processing that is not needed
    try:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    finally:
        logging.disable(logging.NOTSET)


def _fuse(source: Path, target: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # What is above this level depends on the CPU.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(
        str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
    )
