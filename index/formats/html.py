"""Web pages by trafilatura: the main content, without navigation, scripts and footers."""

from __future__ import annotations

import codecs
import re

import trafilatura

from index.errors import Unreadable

_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}encoding=["']([\w-]+)|<meta[^>]+charset\s*=\s*["']?([\w-]+)""", re.I
)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")
_BLOCK_END = re.compile(r"\n(?![-|])")  # but for list items and table rows
_LOOK = 4096  # bytes in which a page declares its encoding
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# What browsers take a label for (WHATWG, Encoding Standard), where Python takes it for less.
_MEANT = {
    "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252",
    "iso-8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932",
    "x-sjis": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "big5": "big5hkscs", "tis-620": "cp874",
}  # fmt: skip


def read(data: bytes) -> tuple[str, list[int]]:
    """(text, no pages)."""
    page = _DECLARATION.sub("", _decoded(data))  # whose encoding is not the string's
    # Precision leaves navigation out of short pages too; where it leaves nothing, all the text is better.
    text = trafilatura.extract(
        page, favor_precision=True, include_comments=False, include_tables=True
    ) or trafilatura.html2txt(page)
    if not text.strip():
        raise Unreadable("is a web page without text: save it as PDF from a browser")
    return _BLOCK_END.sub("\n\n", text), []


def _decoded(data: bytes) -> str:
    """As browsers do: by its mark, then as it declares; UTF-8 is believed before an 8-bit declaration."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    found = _DECLARED.search(data[:_LOOK])
    label = (found[1] or found[2]).decode().lower() if found else ""
    declared = _MEANT.get(label, label)
    try:
        codecs.lookup(declared)
        b"a".decode(declared)  # some codecs are no text encodings, or always fail
    except (LookupError, ValueError):
        declared = ""
    if declared.startswith("iso-2022"):  # 7 bits, and so UTF-8 as well
        return data.decode(declared, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(declared or "cp1252", "replace")
