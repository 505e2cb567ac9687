"""Files of every format that is read, made by the libraries that people make theirs with."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import docx
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

ARTICLE = "Lowe & Sons paid for the second survey of the harbour, after the town of Zoë had refused."


def pdf(pages: Sequence[str], password: str = "") -> bytes:
    """A page for each text, a line for each line of it."""
    file = io.BytesIO()
    canvas = Canvas(file, encrypt=StandardEncryption(password) if password else None, invariant=True)
    for page in pages:
        for number, line in enumerate(page.splitlines()):
            canvas.drawString(72, 760 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def scanned() -> bytes:
    """A PDF of a picture, as a scanner makes it."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=True)
    canvas.rect(72, 72, 300, 500, fill=1)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def word(paragraphs: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> bytes:
    """A Word document: a heading, paragraphs, a table, and a last paragraph."""
    document = docx.Document()
    document.add_heading("The harbour")
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if rows:
        table = document.add_table(len(rows), len(rows[0]))
        for cells, row in zip((row.cells for row in table.rows), rows, strict=True):
            for cell, text in zip(cells, row, strict=True):
                cell.text = text
        document.add_paragraph("After the table.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def word_of(body: str) -> bytes:
    """A Word document of XML, in which w: is its namespace."""
    file = io.BytesIO()
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        xml = f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>'
        archive.writestr("word/document2.xml", xml)  # as Office 365 may name it
    return file.getvalue()


def bomb() -> bytes:
    """A Word document of some hundred kilobytes that unpacks to 600 MB."""
    file = io.BytesIO()
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("word/document.xml", "w") as part:
        for _ in range(600):
            part.write(b" " * (1 << 20))
    return file.getvalue()


def page(body: str = "", encoding: str = "utf-8") -> bytes:
    """A web page with navigation, an article and a footer."""
    return f"""<!DOCTYPE html><html><head><meta charset="{encoding}"><title>News</title></head><body>
<nav><a href="/">Home</a> <a href="/shop">Shop</a></nav><script>track("reader")</script>
<main><h1>The harbour</h1><p>{ARTICLE.replace("&", "&amp;")}</p>{body}</main>
<footer>Cookies and privacy</footer></body></html>""".encode(encoding)
