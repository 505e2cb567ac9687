"""Word documents: paragraphs, tables and notes, in order.

By walking the XML. python-docx, which is made to edit documents, passes over content controls, text boxes,
accepted insertions and tables in tables, and repeats a merged cell once for each that it covers.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from lxml import etree

from index.errors import Unreadable

MOST = 500 << 20  # bytes of all parts together, unpacked
_PARTS = re.compile(r"word/(document\d*|footnotes|endnotes)\.xml")
_LEFT_OUT = {"del", "moveFrom", "Fallback", "pPr", "tblPr", "sdtPr"}  # Fallback repeats what Choice holds
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def read(data: bytes) -> tuple[str, list[int]]:
    """(text, no pages: a Word document has them only once it is laid out); a table row is a line."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(part.file_size for part in archive.infolist()) > MOST:
            raise Unreadable(f"unpacks to more than {MOST >> 20} MB: save it as text")
        names = sorted(filter(_PARTS.fullmatch, archive.namelist()))  # the document before its notes
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        blocks = [block for name in names for block in _blocks(etree.fromstring(archive.read(name), parser))]
    if not blocks:
        raise Unreadable("holds no text: name a document with at least one word")
    return "\n\n".join(blocks), []


def _blocks(node: Any) -> Iterator[str]:
    """Paragraphs and tables below a node that hold text."""
    for child in node:
        match _name(child):
            case "p":
                text = "".join(_text(child)).strip()
                yield from [text] if text else []
                for box in _below(child, "txbxContent"):
                    yield from _blocks(box)
            case "tbl":
                rows = [row for row in map(_row, _below(child, "tr")) if row]
                yield from ["\n".join(rows)] if rows else []
            case name if name not in _LEFT_OUT:
                yield from _blocks(child)


def _row(row: Any) -> str:
    cells = (" ".join(" ".join(_blocks(cell)).split()) for cell in _below(row, "tc") if not _continued(cell))
    texts = list(cells)
    return " | ".join(texts) if any(texts) else ""


def _continued(cell: Any) -> bool:
    """Whether a cell is the lower part of a merged one."""
    merges = cell.iterfind("{*}tcPr/{*}vMerge")
    return any(value == "continue" for node in merges for value in node.attrib.values() or ["continue"])


def _below(node: Any, name: str) -> Iterator[Any]:
    """The nearest nodes of a name below a node."""
    for child in node:
        if _name(child) == name:
            yield child
        elif _name(child) not in _LEFT_OUT:
            yield from _below(child, name)


def _text(node: Any) -> Iterator[str]:
    for child in node:
        match _name(child):
            case "t":
                yield child.text or ""
            case name if name in _SIGNS:
                yield _SIGNS[name]
            case name if name not in _LEFT_OUT and name != "txbxContent":
                yield from _text(child)


def _name(node: Any) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else "Fallback"  # a comment
