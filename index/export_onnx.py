"""BERT-type models to int8 ONNX: export, fuse, quantise.

onnxruntime's fusions turn a BERT layer into four operators (attention, bias and GELU, two normalisations).
Weights are quantised to int8, one scale per output channel, in the 7-bit range: processors without VNNI add
products in 16 bits, which 8-bit weights overflow. Activations are quantised as they come.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model
from torch import nn
from transformers import PretrainedConfig

from index.onnx_model import INPUTS

OPSET = 17
Outputs = Mapping[str, tuple[str, ...]]  # name -> its axes: "batch", "tokens"; fixed ones behind them
LAYERS_FUSED = {"EmbedLayerNormalization": 1, "Attention": 1, "BiasGelu": 1, "SkipLayerNormalization": 2}


def export_int8(model: nn.Module, outputs: Outputs, path: Path) -> None:
    """Write a model as fused int8 ONNX.

    Args:
        model: takes `INPUTS`, int64 [batch, tokens], in that order; has `config` of a BERT-type encoder,
            loaded with eager attention.
        outputs: names and axes.
        path: the file to write.

    Raises:
        RuntimeError: a layer could not be fused, so the file would be slow.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, fused = Path(folder, "plain.onnx"), Path(folder, "fused.onnx")
        _export(model.eval(), outputs, plain)
        _fuse(plain, fused, model.config)
        _quantise(fused, path)


def export_float32(model: nn.Module, outputs: Outputs, path: Path) -> None:
    """Write a model as fused float32 ONNX: what the int8 file is measured against. Arguments as above."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        _export(model.eval(), outputs, plain)
        _fuse(plain, path, model.config)


def _quantise(source: Path, target: Path) -> None:
    logging.disable(logging.WARNING)  # it asks, on the root logger, for a pre-processing that fusing has done
    try:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Attention", "EmbedLayerNormalization", "Gather"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    finally:
        logging.disable(logging.NOTSET)


def _export(model: nn.Module, outputs: Outputs, path: Path) -> None:
    sample = torch.ones(2, 8, dtype=torch.long)
    axes = {name: {0: "batch", 1: "tokens"} for name in INPUTS}
    axes |= {name: dict(enumerate(shape)) for name, shape in outputs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The exporter that traces: onnxruntime's fusions know its graphs and not yet those of the newer one,
        # where attention stays 12 operators (seen with torch 2.13 and onnxruntime 1.32).
        torch.onnx.export(
            model,
            (sample, sample, sample),
            str(path),
            input_names=list(INPUTS),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _fuse(source: Path, target: Path, config: PretrainedConfig) -> None:
    optimised = optimize_model(
        str(source), "bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=0
    )
    counts = optimised.get_fused_operator_statistics()
    wanted = {
        operator: count * (1 if operator.startswith("Embed") else config.num_hidden_layers)
        for operator, count in LAYERS_FUSED.items()
    }
    if any(counts[operator] != count for operator, count in wanted.items()):
        raise RuntimeError(f"the graph is not fused as a BERT's: {counts}")
    optimised.save_model_to_file(str(target))
