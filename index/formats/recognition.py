"""What kind of file some bytes are."""

from __future__ import annotations

import re

from index.errors import InputError

TEXT, HTML, PDF, DOCX = "text", "html", "pdf", "docx"
HTML_SUFFIXES = (".html", ".htm", ".xhtml")

# After declarations and comments; possessive, since a file may be nothing but comments.
_HTML = re.compile(
    r"\ufeff?\s*+(?:<\?[^>]*+>\s*+|<!--.*?-->\s*+)*+<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_PDF = re.compile(rb"(?:^|[\r\n])\s*%PDF-\d")
_LOOK = 4096  # bytes at the start that tell a web page
_LOOK_PDF = 1024  # in which PDF readers look for its mark
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_WORD = b"word/document"  # the name of the main part, which is not compressed
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def recognise(data: bytes, name: str) -> str:
    """The kind of a file: TEXT, HTML, PDF or DOCX; what is none of the others is TEXT.

    Args:
        data: of the file.
        name: of the file; an error says it, and where a page begins in the middle it tells HTML from text.

    Raises:
        InputError: it is an archive or office file of a kind that is not read.
    """
    if _PDF.search(data[:_LOOK_PDF]):
        return PDF
    if data.startswith(_OLE):  # so is a Word document with a password
        raise InputError(
            f"{name} is an old Office file or one with a password: save it as .docx without a password."
        )
    if data.startswith(_ZIP):
        if _WORD not in data:
            raise InputError(
                f"{name} is an archive but no Word document: unpack it, or save it as PDF or text."
            )
        return DOCX
    start = data[:_LOOK].decode(
        "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1", "replace"
    )
    start = start.removeprefix("\xef\xbb\xbf")
    named_so = name.lower().endswith(HTML_SUFFIXES) and start.lstrip().startswith("<")
    return HTML if named_so or _HTML.match(start) else TEXT
