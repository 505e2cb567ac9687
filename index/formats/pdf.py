"""PDF by PDFium, the library of Chromium, through pypdfium2."""

from __future__ import annotations

import re

import pypdfium2

from index.errors import Unreadable

_DIVIDED = re.compile(
    "\ufffe(.?)"
)  # PDFium's mark of a hyphen at the end of a line, whose halves it has joined
_BULLETS = "-*•–▪◦·|"
NARROW = 25  # characters of a line, below which it is an item of a list rather than wrapped
FULL = 0.8  # of the usual length, from which a line is full
FEW = 3  # full lines on a page, below which they are not known to be wrapped


def read(data: bytes) -> tuple[str, list[int]]:
    """(text, offset of each page); a wrapped line ends in a blank, another in a newline, as does a page."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("has a password: save it without one") from None
        raise Unreadable("is a damaged PDF: save it anew, or as text") from None
    pages = [_page(document, number) for number in range(len(document))]
    if not any(character.isalnum() for page in pages for character in page):
        raise Unreadable("has no text on its pages: if it is scanned, run text recognition (OCR) on it first")
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page)
    return "".join(pages), starts


def _page(document: pypdfium2.PdfDocument, number: int) -> str:
    try:
        text = document[number].get_textpage().get_text_range()
    except pypdfium2.PdfiumError:
        return "\n"  # a damaged page among others
    text = text.replace("\x00", "").replace("\r\n", "\n").rstrip()
    return _unwrapped(_DIVIDED.sub(lambda match: _hyphen(match[1]) + match[1], text)) + "\n"


def _hyphen(following: str) -> str:
    """Jean-Pierre and 1990-95 keep theirs; what else was divided is one word in most cases."""
    return "-" if following.isupper() or following.isdigit() else ""


def _unwrapped(text: str) -> str:
    """The text with its wrapped lines joined: long ones without a full stop that no item follows."""
    lines = text.split("\n")
    usual = max(NARROW, sorted(map(len, lines))[int(0.9 * (len(lines) - 1))])
    many = sum(len(line) >= FULL * usual for line in lines) >= FEW
    parts = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        ends = not line.strip() or line.rstrip()[-1] in ".!?:"
        next_sign = following.lstrip()[:1]
        begins = not next_sign or next_sign in _BULLETS
        full = many and len(line) >= FULL * usual
        goes_on = len(line) >= NARROW and next_sign.islower()
        parts.append(line + (" " if (full or goes_on) and not ends and not begins else "\n"))
    return "".join(parts)[:-1]
