"""Any extractive question-answering model of transformers as the reader. Imports torch."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Encoding
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PretrainedConfig

from index import InputError
from index.errors import reason
from index.hub import is_local, quieten
from index.onnx_model import length_sorted_batches, padded
from qa.reader import MAX_TOKENS, Reader


class TransformersReader(Reader):
    """An `AutoModelForQuestionAnswering`, from a folder or the hub, on the GPU where there is one.

    Raises:
        InputError: there is no such model, it is none for question answering, or it has no fast tokenizer.
    """

    def __init__(self, name: str) -> None:
        local = is_local(name)
        quieten()
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
            model, report = AutoModelForQuestionAnswering.from_pretrained(
                name, local_files_only=local, output_loading_info=True, dtype=torch.float32
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
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
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
        for rows in length_sorted_batches([len(encoding.ids) for encoding in encodings]):
            ids, types, mask = padded([encodings[row] for row in rows], self._pad)
            feed = {"input_ids": ids, "attention_mask": mask} | (
                {"token_type_ids": types} if self._has_types else {}
            )
            output = self._model(
                **{key: torch.from_numpy(value).to(self._device) for key, value in feed.items()}
            )
            start, end = output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy()
            for place, row in enumerate(rows):
                size = len(encodings[row].ids)
                results[row] = start[place, :size], end[place, :size]
        return results


def _positions(config: PretrainedConfig) -> int:
    """How many tokens the model has positions for; RoBERTa-type ones begin counting behind the padding id."""
    positions = getattr(config, "max_position_embeddings", MAX_TOKENS)
    return positions - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
