"""Web pages by trafilatura: the main content, without navigation, scripts and footers."""

from __future__ import annotations

import re

import trafilatura

from index.errors import Unreadable

_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_LOOK = 4096  # bytes in which a page declares its encoding


def read(data: bytes) -> tuple[str, list[int]]:
    """(text, no pages)."""
    page = _decoded(data)
    # Precision leaves navigation out of short pages too; where it leaves nothing, all the text is better.
    text = trafilatura.extract(
        page, favor_precision=True, include_comments=False, include_tables=True
    ) or trafilatura.html2txt(page)
    if not text.strip():
        raise Unreadable("is a web page without text: save it as PDF from a browser")
    return text, []


def _decoded(data: bytes) -> str:
    declared = _DECLARED.search(data[:_LOOK])
    for encoding in ("utf-8-sig", declared[1].decode() if declared else "cp1252", "cp1252"):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("utf-8", errors="replace")
