"""PDF by PDFium, the library of Chromium, through pypdfium2."""

from __future__ import annotations

import pypdfium2

from index.errors import Unreadable

_HYPHEN = "\ufffe"  # PDFium's mark of a word divided at the end of a line, which it has joined


def read(data: bytes) -> tuple[str, list[int]]:
    """(text, offset of each page); lines end in a newline, pages follow each other on a new line."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("has a password: save it without one") from None
        raise Unreadable("is a damaged PDF: save it anew, or as text") from None
    pages = [_cleaned(document[number].get_textpage().get_text_range()) for number in range(len(document))]
    if not any(character.isalnum() for page in pages for character in page):
        raise Unreadable("has pictures of pages but no text: run text recognition (OCR) on it first")
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page)
    return "".join(pages), starts


def _cleaned(page: str) -> str:
    return page.replace(_HYPHEN, "").replace("\x00", "").replace("\r\n", "\n").rstrip() + "\n"
