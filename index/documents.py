"""Documents: text with an identity, read from a file, from standard input or from a string."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from index.errors import InputError
from index.formats import HTML_SUFFIXES, TEXT, Extract, extract, recognise

logger = logging.getLogger(__name__)

TITLE_LENGTH = 60
# Of files that are read; `read_file` takes any name.
SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", *HTML_SUFFIXES, ".pdf", ".docx")

# Byte order marks, longest first: the mark of UTF-32-LE begins with that of UTF-16-LE.
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it comes from.

    Attributes:
        id: hexadecimal digest of the text, so that equal texts are one document.
        title: what a person calls it: the file's name, or the first words of the text.
        source: the path it was read from, "-" for standard input, "" for a text in memory.
        text: the whole text. Line ends are kept as they are; all offsets count its characters.
        page_starts: the offset at which each page starts, in order; empty when there are no pages.
    """

    id: str
    title: str
    source: str
    text: str
    page_starts: tuple[int, ...] = ()

    @classmethod
    def from_text(
        cls, text: str, title: str = "", source: str = "", page_starts: tuple[int, ...] = ()
    ) -> Document:
        """Make a document of a text.

        Lone surrogates, which are no characters and which no tokenizer accepts, become U+FFFD; nothing
        else changes, so offsets into `text` hold.

        Raises:
            InputError: the text is empty or blank.
        """
        if not text.strip():
            raise InputError(f"{source or 'The text'} is empty: give a text with at least one word.")
        text = text.translate(_SURROGATES) if not text.isascii() else text
        identity = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(identity, title.translate(_SURROGATES) or _first_words(text), source, text, page_starts)


def whole_path(path: Path | str) -> Path:
    """The path by which a file is known, from the root on, whatever the folder one is in.

    A link keeps its own name, but `..` after one leads to where the system takes it.
    """
    absolute = Path(path).absolute()
    if ".." not in absolute.parts:
        return absolute
    whole = Path()
    for part in absolute.parts:
        if part != "..":
            whole /= part
        else:
            linked = os.path.islink(whole)  # noqa: PTH114  # Path's raises where it may not look
            whole = Path(os.path.realpath(whole) if linked else whole).parent
    return whole


def read_file(path: Path | str) -> Document:
    """Read a file: text (UTF-8, or UTF-16/32 with a byte order mark), Markdown, HTML, PDF or DOCX.

    What it is shows in its bytes, not in its name. In text, bytes that are not valid in the encoding become
    U+FFFD, with a logged warning.

    Raises:
        InputError: the file is missing, a folder, unreadable, damaged, of another kind, or blank.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: name a file.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read ({reason}): check the path and its permissions.") from None
    return _document(data, str(path), title=path.name, source=str(path))


def read_stream(stream: BinaryIO | None = None) -> Document:
    """Read a document from a binary stream, standard input by default.

    Raises:
        InputError: what was read is damaged, of a kind that is not read, or blank.
    """
    data = (stream or sys.stdin.buffer).read()
    return _document(data, "Standard input", title="", source="-")


def _document(data: bytes, name: str, title: str, source: str) -> Document:
    kind = recognise(data, name)
    read = Extract(_decode(data, name)) if kind == TEXT else extract(kind, data, name)
    if not read.text.strip():
        raise InputError(f"{name} is empty: give a text with at least one word.")
    return Document.from_text(read.text, title, source, read.page_starts)


def _decode(data: bytes, name: str) -> str:
    mark, encoding = next(((m, e) for m, e in _BYTE_ORDER_MARKS if data.startswith(m)), (b"", "utf-8"))
    body = data[len(mark) :]
    bad, at = 0, 0
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        text = body.decode(encoding, errors="replace")
        bad, at = text.count("\ufffd"), error.start + len(mark)
    if "\x00" in text or bad > len(text) / 10:
        raise InputError(f"{name} is not a text file: save it as UTF-8 text, PDF or .docx first.")
    if bad:
        logger.warning(
            "%s is not valid %s (first at byte %d): unreadable characters are shown as \ufffd.",
            name, encoding.upper(), at,
        )  # fmt: skip
    return text


def _first_words(text: str) -> str:
    line = " ".join(text.strip()[: 4 * TITLE_LENGTH].splitlines()[0].split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"
