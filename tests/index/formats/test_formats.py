import os
import zipfile

import pytest

from index import InputError, read_file
from index.formats import extract
from index.formats.recognition import DOCX, HTML, PDF, TEXT, recognise
from tests.index.formats.files import ARTICLE, bomb, page, pdf, scanned, word


@pytest.fixture
def read(tmp_path):
    """A file of given bytes and name, read."""

    def read(data, name):
        (tmp_path / name).write_bytes(data)
        return read_file(tmp_path / name)

    return read


@pytest.fixture
def refused(tmp_path, read):
    """The sentence a file is refused with; it names the file."""

    def refused(data, name="file.bin"):
        with pytest.raises(InputError) as caught:
            read(data, name)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / name} ")
        assert message.endswith(".")
        return message

    return refused


def test_a_pdf_has_its_pages(read):
    document = read(pdf(["The first page.", "", f"The third\n{ARTICLE}"]), "a.pdf")
    assert document.title == "a.pdf"
    starts = document.page_starts
    pages = [document.text[s:e] for s, e in zip(starts, (*starts[1:], len(document.text)), strict=True)]
    assert [each.strip() for each in pages] == ["The first page.", "", f"The third\n{ARTICLE}"]


def test_a_word_divided_at_the_end_of_a_line_is_whole(read):
    assert "the second survey of" in read(pdf(["Who paid for the second sur-\nvey of it?"]), "a.pdf").text


def test_a_word_document_has_its_paragraphs_and_tables_in_order(read):
    text = read(word([ARTICLE, " "], [["Year", "Ships"], ["1931", "212"]]), "a.docx").text
    assert text == f"The harbour\n\n{ARTICLE}\n\nYear | Ships\n1931 | 212\n\nAfter the table."


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252"])
def test_a_web_page_is_its_article(read, encoding):
    text = read(page("<ul><li>One basin</li></ul>", encoding), "a.html").text
    assert ARTICLE in text
    assert "One basin" in text
    assert not any(word in text for word in ("Home", "Shop", "track", "Cookies", "<"))


def test_a_page_of_hardly_any_text_is_still_read(read):
    assert "Closed today" in read(b"<html><body><div>Closed today</div></body></html>", "a.html").text


@pytest.mark.parametrize("make", [lambda: pdf([ARTICLE]), lambda: word([ARTICLE]), page])
def test_the_same_bytes_give_the_same_text_whatever_the_name(read, make):
    first, second = read(make(), "a.txt"), read(make(), "b")
    assert first.text == second.text
    assert first.id == second.id
    assert first.page_starts == second.page_starts
    assert ARTICLE in first.text


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"plain", TEXT),
        (b"", TEXT),
        (b"# Title\n\n<div>Markdown</div>", TEXT),
        (b"<htmlish>", TEXT),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><!-- a --> <HTML lang=en>", HTML),
        (b"<!doctype  html>", HTML),
        (b"  %PDF-1.7", PDF),
        (b"PK\x03\x04 damaged, but word/document.xml", DOCX),
    ],
)
def test_what_a_file_is_shows_in_its_bytes(data, kind):
    assert recognise(data, "it") == kind


def test_files_with_a_password_or_without_text_are_refused(refused):
    assert "has a password" in refused(pdf([ARTICLE], password="secret"))
    assert "has pictures of pages but no text" in refused(scanned())
    assert "without text" in refused(b"<html><body><img src=x></body></html>")
    empty = word([]).replace(b"The harbour", b"")
    assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + empty).count("without a password") == 1


def test_other_archives_are_refused(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "words")
    assert "no Word document" in refused((tmp_path / "a.zip").read_bytes())


def test_damaged_files_are_refused(refused):
    assert "is a damaged PDF" in refused(b"%PDF-1.7 and no more")
    assert "is damaged" in refused(word([ARTICLE])[:-200])


def test_a_zip_bomb_is_refused(refused):
    assert "unpacks to more than 500 MB" in refused(bomb())


def test_a_file_that_takes_too_long_is_given_up():
    with pytest.raises(InputError, match=r"^slow\.pdf took more than 0\.001 s to read: split it"):
        extract(PDF, pdf([ARTICLE]), "slow.pdf", seconds=0.001)


def test_a_parser_that_dies_is_an_error_of_the_file(monkeypatch):
    monkeypatch.setattr("index.formats.extraction._ROOT", "nowhere")
    monkeypatch.setitem(os.environ, "PYTHONPATH", "")
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(InputError, match="is damaged or too large to read"):
        extract(PDF, pdf([ARTICLE]), "a.pdf")


def test_libraries_in_the_working_folder_are_not_run(read, tmp_path, monkeypatch):
    (tmp_path / "docx.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert ARTICLE in read(word([ARTICLE]), "a.docx").text
