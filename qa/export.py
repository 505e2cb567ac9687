"""A trained reader to what ships: int8 ONNX for CPUs, and float16 safetensors to go on from or for a GPU."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from index.export_onnx import export_float32, export_int8
from index.hub import quieten
from index.onnx_model import MODEL_FILE, TOKENIZER_FILE

_OUTPUTS = ("start", "end")


class _SpanLogits(nn.Module):
    """A reader that takes its inputs by place and gives a plain pair, as the exporter wants it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        quieten()
        self.reader = AutoModelForQuestionAnswering.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32
        )
        self.config = self.reader.config

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Start and end logits, [1, tokens]."""
        output = self.reader(input_ids=input_ids, token_type_ids=token_type_ids)
        return output.start_logits, output.end_logits


def export_reader(source: Path, target: Path, *, int8: bool = True) -> None:
    """Write a trained reader of the BERT type as ONNX, with its tokenizer and float16 safetensors.

    Args:
        source: the folder of a Hugging Face question-answering model.
        target: the folder to write into; it is one of a Hugging Face model too, with `model.onnx` besides.
        int8: quantised, as shipped; else float32, to measure the other against.
    """
    quieten()
    target.mkdir(parents=True, exist_ok=True)
    AutoTokenizer.from_pretrained(source).save_pretrained(target)
    AutoModelForQuestionAnswering.from_pretrained(source, dtype=torch.float16).save_pretrained(target)
    export = export_int8 if int8 else export_float32
    export(_SpanLogits(source), _OUTPUTS, target / MODEL_FILE)
    tokenizer = AutoTokenizer.from_pretrained(source).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(target / TOKENIZER_FILE), pretty=False)
