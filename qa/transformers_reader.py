"""Any extractive question-answering model of transformers as the reader. Imports torch.

On a GPU it computes in half precision, in large batches.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tokenizers import Encoding
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PretrainedConfig

from index import InputError
from index.errors import reason
from index.hub import is_local, quieten
from index.torch_device import precision, torch_device
from qa.reader import MAX_TOKENS, Reader

BATCH_SIZE = {"cpu": 16, "cuda": 256}  # windows


class TransformersReader(Reader):
    """An `AutoModelForQuestionAnswering`, from a folder or the hub.

    Args:
        name: the folder or hub id.
        device: as torch names it; None for the GPU where there is one.

    Raises:
        InputError: there is no such model, it is none for question answering, it has no fast tokenizer, or
            there is no such device.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        local = is_local(name)
        quieten()
        self._device = torch_device(device)
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
            model, report = AutoModelForQuestionAnswering.from_pretrained(
                name, local_files_only=local, output_loading_info=True, dtype=precision(self._device)
            )
        except (
            Exception
        ) as error:  # the hub client, transformers, json and safetensors each raise their own kinds
            raise InputError(
                f"{name} cannot be loaded as a reader ({reason(error)}): name another."
            ) from None
        if any("qa_outputs" in key for key in report["missing_keys"]):
            raise InputError(f"{name} is not trained to answer questions: name a question-answering model.")
        if not getattr(tokenizer, "is_fast", False) or tokenizer.cls_token is None:
            raise InputError(f"{name} has no fast tokenizer with a [CLS] token: name another reader.")
        self._model = model.eval().to(self._device)
        self._pad = tokenizer.pad_token_id or 0
        # BERT-type readers degrade silently without segment ids; RoBERTa-type ones have none.
        takes = inspect.signature(model.forward).parameters
        self._has_types = "token_type_ids" in takes and "token_type_ids" in tokenizer.model_input_names
        limit = min(MAX_TOKENS, tokenizer.model_max_length, _positions(model.config))
        super().__init__(tokenizer.backend_tokenizer, limit, tokenizer.cls_token)

    @torch.inference_mode()
    def _logits(self, encodings: Sequence[Encoding]) -> list[tuple[np.ndarray, np.ndarray]]:
        results: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * len(encodings)
        size = BATCH_SIZE.get(self._device.type, BATCH_SIZE["cpu"])
        for rows in length_sorted_batches([len(encoding.ids) for encoding in encodings], size):
            ids, types, mask = padded([encodings[row] for row in rows], self._pad)
            feed = {"input_ids": ids, "attention_mask": mask} | (
                {"token_type_ids": types} if self._has_types else {}
            )
            output = self._model(
                **{key: torch.from_numpy(value).to(self._device) for key, value in feed.items()}
            )
            start, end = output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy()
            for place, row in enumerate(rows):
                tokens = len(encodings[row].ids)
                results[row] = start[place, :tokens], end[place, :tokens]
        return results


def length_sorted_batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Rows in batches of alike length, longest first, so that little is padding and memory peaks early."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]


def padded(encodings: Sequence[Encoding], pad_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Token ids, segment ids and attention mask of a batch, int64, [batch, longest]."""
    shape = len(encodings), max(len(encoding.ids) for encoding in encodings)
    ids = np.full(shape, pad_id, np.int64)
    types, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, encoding in enumerate(encodings):
        size = len(encoding.ids)
        ids[row, :size], types[row, :size], mask[row, :size] = encoding.ids, encoding.type_ids, 1
    return ids, types, mask


def _positions(config: PretrainedConfig) -> int:
    """How many tokens the model has positions for; RoBERTa-type ones begin counting behind the padding id."""
    positions = getattr(config, "max_position_embeddings", MAX_TOKENS)
    return positions - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
