"""The Hugging Face hub, from which models other than the bundled ones may come."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import get_session
from huggingface_hub.constants import ENDPOINT
from transformers.utils import logging


def quieten() -> None:
    """Keep transformers from writing progress bars and loading reports among our own lines."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def is_local(name: str) -> bool:
    """Whether a model can only come from this machine: it is a folder, or the hub cannot be reached.

    One request tells. The hub's own client would try again and again, over a minute for one model.
    """
    if Path(name).is_dir():
        return True
    try:
        get_session().head(ENDPOINT, timeout=5)
    except Exception:  # the hub client's versions use several HTTP libraries, each with its own kinds
        return True
    return False
