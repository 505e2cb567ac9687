"""Text out of a file that is no plain text, in a process that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from index.errors import InputError

SECONDS = 60  # for one file; a book of 1,000 pages takes a few
_ROOT = Path(__file__).parents[2]
# -P: a folder that the program is started in may hold a file with the name of a library.
_START = "import sys; sys.path.append(sys.argv.pop(1)); from index.formats.worker import main; main()"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")  # and no secrets


@dataclass(frozen=True, slots=True)
class Extract:
    """The text of a file.

    Attributes:
        text: of all pages in a row.
        page_starts: offset of each page; empty where there are no pages.
    """

    text: str
    page_starts: tuple[int, ...] = ()


def extract(kind: str, data: bytes, name: str, seconds: float = SECONDS) -> Extract:
    """Read a file; the same bytes give the same text.

    Args:
        kind: as `recognise` tells it, but for TEXT.
        data: of the file.
        name: what an error calls it.
        seconds: after which the process is killed.

    Raises:
        InputError: the file is damaged, has a password, holds no text, or takes too much time or memory.
    """
    command = [sys.executable, "-P", "-c", _START, str(_ROOT), kind, str(int(seconds) + 1)]
    environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    try:
        done = subprocess.run(  # noqa: S603  # our own module
            command, input=data, capture_output=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{name} took more than {seconds:g} s to read: split it, or save it as text."
        ) from None
    except OSError as error:
        raise InputError(f"{name} cannot be read now ({error.strerror}): try again.") from None
    try:
        result = json.loads(done.stdout)
    except ValueError:  # it crashed, or met the limit of its memory
        raise InputError(f"{name} is damaged or too large to read: save it anew, or as text.") from None
    if "error" in result:
        raise InputError(f"{name} {result['error']}.")
    return Extract(result["text"], tuple(result["page_starts"]))
