"""The bundled reader as a model of transformers: what other programs read with in `tests.bench.speed`.

Its weights are the shipped ones, int8 times scale, in float32.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from transformers import AutoConfig, AutoModelForQuestionAnswering, PreTrainedTokenizerFast

from index.export_embedder import original_weights
from index.onnx_model import MODEL_FILE, TOKENIZER_FILE
from qa.reader import BUNDLED

PREFIX = "reader."  # of the parameters' names in the graph


def write_float_reader(target: Path) -> None:
    """Write model and tokenizer into a folder.

    Raises:
        RuntimeError: a parameter was not found in the graph.
    """
    model = AutoModelForQuestionAnswering.from_config(AutoConfig.from_pretrained(original_weights()))
    found = model.load_state_dict(parameters(BUNDLED / MODEL_FILE), strict=False)
    if set(found.missing_keys) - {"bert.embeddings.position_ids"} or found.unexpected_keys:
        raise RuntimeError(f"the graph has other parameters than the model: {found}")
    model.save_pretrained(target)
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(
        tokenizer_file=str(BUNDLED / TOKENIZER_FILE),
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **special,
    ).save_pretrained(target)


def parameters(path: Path) -> dict[str, torch.Tensor]:
    """The parameters of a graph that `index.export_onnx` wrote, by their names in transformers, float32."""
    graph = onnx.load(path).graph
    stored = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in graph.initializer}
    found = {name: value for name, value in stored.items() if name.startswith(PREFIX)}
    for node in graph.node:
        constants = [name for name in node.input if name in stored]
        quantised = next((name for name in constants if name.endswith("_quantized")), None)
        if quantised is None:
            continue
        stem = quantised.removesuffix("_quantized")
        value = (stored[quantised].float() - stored[f"{stem}_zero_point"].float()) * stored[f"{stem}_scale"]
        bias = next((name for name in constants if name.endswith(".bias")), None)
        if bias:  # a product: [in, out]
            found[f"{bias.removesuffix('.bias')}.weight"] = value.T.contiguous()
        else:
            found[stem] = value
    return {
        name.removeprefix(PREFIX): value
        for name, value in found.items()
        if not name.endswith(("_quantized", "_scale", "_zero_point"))
    }
