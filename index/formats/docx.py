"""Word documents by python-docx: paragraphs and tables, in order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from docx import Document
from docx.table import Table

from index.errors import Unreadable

MOST = 500 << 20  # bytes of all parts together, unpacked


def read(data: bytes) -> tuple[str, list[int]]:
    """(text, no pages: a Word document has them only once it is laid out); a table row is a line."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(part.file_size for part in archive.infolist()) > MOST:
            raise Unreadable(f"unpacks to more than {MOST >> 20} MB: save it as text")
    text = "\n\n".join(_blocks(Document(io.BytesIO(data))))
    if not text.strip():
        raise Unreadable("holds no text: name a document with at least one word")
    return text, []


def _blocks(container: Any) -> Iterator[str]:
    for block in container.iter_inner_content():
        if isinstance(block, Table):
            rows = (" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows)
            yield "\n".join(rows)
        elif block.text.strip():
            yield block.text
