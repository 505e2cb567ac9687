"""The model that is trained: an encoder with a start and an end score per token, and its loss.

An answer's probability in a context is softmax(start) * softmax(end) over all tokens, where the first token,
[CLS], stands for "no answer here" (Devlin et al. 2019); the loss is the negative log of that probability
summed over all acceptable answers (marginal likelihood: Clark & Gardner 2017).

What goes into each linear layer is rounded as in the int8 model that ships: to 256 steps over
its range in each window. The gradient passes through (Jacob et al. 2018), so the reader learns to bear it.

Measured on two cores with AVX-512 BF16, 32 windows of 192 tokens, seconds a step: as transformers has it
(`sdpa`, attention dropout 0) 1.41; with the attention below 1.0, since the backward pass of torch's fused
attention is slow on CPUs and an addition of a float32 mask to bfloat16 scores makes all that follows float32.
Attention dropout doubles a step and is 0; bf16 autocast over float32 weights halves it; torch.compile and
frozen word embeddings gain nothing. Rounding adds a tenth. Processors without BF16 train in float32: there a
step of such windows takes 3.5 to 4.3 s, and 9.5 to 10.2 s in bfloat16.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AutoModelForQuestionAnswering, AutoTokenizer
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from index import InputError
from index.errors import reason
from index.hub import is_local, quieten
from qa.examples import Features

_ATTENTION = "plain_bf16"
_HAS_BF16 = torch.cpu._is_avx512_bf16_supported()


def load_base(base: str) -> tuple[Any, Any]:
    """The tokenizer and the model to train from, an encoder or a reader.

    Raises:
        InputError: there is no such model.
    """
    local = is_local(base)
    quieten()
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=local)
        model = AutoModelForQuestionAnswering.from_pretrained(
            base,
            local_files_only=local,
            attn_implementation=_ATTENTION,
            attention_probs_dropout_prob=0.0,
            dtype=torch.float32,
        )
    except Exception as error:  # the hub client, transformers and safetensors raise their own kinds
        raise InputError(
            f"{base} is not a model to start from ({reason(error)}): give a Hugging Face folder."
        ) from None
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_pre_hook(_round_input)
    return tokenizer, model


def logits(model: nn.Module, batch: list[Features]) -> tuple[Tensor, Tensor]:
    """Start and end scores, float32, [batch, tokens]; padding holds a large negative number."""
    length = max(len(window.ids) for window in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, window in enumerate(batch):
        size = len(window.ids)
        ids[row, :size] = torch.from_numpy(window.ids)
        types[row, :size] = torch.from_numpy(window.types)
        mask[row, :size] = 1
    with torch.autocast("cpu", torch.bfloat16, enabled=_HAS_BF16):
        output = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    hidden = (mask == 0) * -1e4
    return output.start_logits.float() + hidden, output.end_logits.float() + hidden


def span_loss(start: Tensor, end: Tensor, targets: list[tuple[tuple[int, int], ...]]) -> Tensor:
    """Mean negative log of the probability of all acceptable spans.

    Args:
        start: scores, [batch, tokens]; padding holds a large negative number.
        end: the same.
        targets: for each window the (first, last) tokens of each acceptable span.
    """
    log_start, log_end = start.log_softmax(-1), end.log_softmax(-1)
    likelihoods = [
        torch.logsumexp(torch.stack([log_start[row, first] + log_end[row, last] for first, last in spans]), 0)
        for row, spans in enumerate(targets)
    ]
    return -torch.stack(likelihoods).mean()


class _Rounded(torch.autograd.Function):
    """Values of each window, [windows, tokens, width], in 255 equal steps from the least to the greatest.

    Zero is a step, as in onnxruntime's dynamic quantisation.
    """

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        least = values.amin((1, 2), keepdim=True).clamp_(max=0)
        most = values.amax((1, 2), keepdim=True).clamp_(min=0)
        step = ((most - least).float() / 255).clamp_(min=1e-8)
        return (values.float() / step).round_().mul_(step).to(values.dtype)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient


def _round_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return _Rounded.apply(inputs[0]), *inputs[1:]  # type: ignore[no-untyped-call]  # torch's


def _attention(  # noqa: PLR0913, PLR0917  # as transformers calls it
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention without dropout whose scores keep the type of the queries."""
    scores = torch.matmul(query * scaling, key.transpose(2, 3))
    if attention_mask is not None:
        scores = scores + attention_mask.to(scores.dtype)
    return torch.matmul(scores.softmax(-1), value).transpose(1, 2).contiguous(), None


AttentionInterface.register(_ATTENTION, _attention)
AttentionMaskInterface.register(_ATTENTION, eager_mask)
