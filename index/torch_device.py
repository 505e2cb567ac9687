"""Where and how exactly torch computes. Imports torch."""

from __future__ import annotations

import torch

from index.errors import InputError


def torch_device(name: str | None) -> torch.device:
    """A device by torch's name for it, as "cpu", "cuda" or "cuda:1"; None: the GPU where there is one.

    Raises:
        InputError: there is no such device here.
    """
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # the latter from a torch without CUDA
        raise InputError(f"There is no device {name!r} here: name another, or cpu.") from None
    return device


def precision(device: torch.device) -> torch.dtype:
    """Half precision on a GPU; float32 on a CPU, few of which compute in less."""
    return torch.float16 if device.type == "cuda" else torch.float32
