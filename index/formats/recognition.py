"""What kind of file some bytes are."""

from __future__ import annotations

import io
import re
import zipfile

from index.errors import InputError

TEXT, HTML, PDF, DOCX = "text", "html", "pdf", "docx"

_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_LOOK = 4096  # bytes at the start that tell a web page
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def recognise(data: bytes, name: str) -> str:
    """The kind of a file: TEXT, HTML, PDF or DOCX; what is none of the others is TEXT.

    Args:
        data: of the file.
        name: what an error calls it.

    Raises:
        InputError: it is an archive or office file of a kind that is not read.
    """
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-"):
        return PDF
    if data.startswith(_OLE):  # so is a Word document with a password
        raise InputError(
            f"{name} is an old Office file or one with a password: save it as .docx without a password."
        )
    if data.startswith(_ZIP):
        if not _holds(data, "word/document.xml"):
            raise InputError(
                f"{name} is an archive but no Word document: unpack it, or save it as PDF or text."
            )
        return DOCX
    return HTML if _HTML.match(data[:_LOOK]) else TEXT


def _holds(data: bytes, part: str) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return part in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return part.encode() in data  # damaged; which the parser will say
