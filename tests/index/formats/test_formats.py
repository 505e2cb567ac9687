import zipfile

import pytest

from index import InputError, read_file
from index.formats import extract
from index.formats.extraction import _START
from index.formats.recognition import DOCX, HTML, PDF, TEXT, recognise
from tests.index.formats.files import ARTICLE, bomb, page, pdf, scanned, word, word_of


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


def paragraph(text):
    """Of a Word document, in XML."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_narrow_columns_are_sentences(read):
    column = (
        "The town of Zoe said on Tuesday\nthat Lowe and Sons of the Port\nAnselm will pay for a second\n"
        "survey of the harbour, its second."
    )
    text = read(pdf([column]), "a.pdf").text
    assert text == column.replace("\n", " ") + "\n"


def test_lists_and_headings_of_a_pdf_keep_their_lines(read):
    lines = "Members of the harbour board\nAda Berg\nBen Holm\n- Clara Ek, of the northern line\n- Dora"
    assert read(pdf([lines]), "a.pdf").text == lines + "\n"


def test_a_hyphen_before_a_capital_stays(read):
    assert "Jean-Pierre" in read(pdf(["The survey was paid for by Jean-\nPierre Lowe."]), "a.pdf").text


def test_a_word_documents_controls_insertions_and_boxes_are_read(read):
    body = (
        f"<w:sdt><w:sdtContent>{paragraph('Control.')}</w:sdtContent></w:sdt>"
        "<w:p><w:r><w:t>Paid </w:t></w:r><w:ins><w:r><w:t>by Lowe</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>by Ek</w:delText></w:r></w:del>"
        "<w:r><w:tab/><w:t>1931</w:t><w:br/></w:r></w:p>"
        f"<w:p><w:r><w:pict><w:txbxContent>{paragraph('Box.')}</w:txbxContent></w:pict></w:r></w:p>"
    )
    assert read(word_of(body), "a.docx").text == "Control.\n\nPaid by Lowe\t1931\n\nBox."


def test_merged_cells_are_read_once_and_tables_in_tables_too(read):
    def cell(content, merge=""):
        return f"<w:tc><w:tcPr>{merge}</w:tcPr>{content}</w:tc>"

    inner = f"<w:tbl><w:tr>{cell(paragraph('1'))}{cell(paragraph('2'))}</w:tr></w:tbl>"
    rows = (
        cell(paragraph("Year"), '<w:vMerge w:val="restart"/>') + cell(inner),
        cell(paragraph(""), "<w:vMerge/>") + cell(paragraph("212")),
        cell(paragraph("")),
    )
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    assert read(word_of(f"<w:tbl>{table}</w:tbl>"), "a.docx").text == "Year | 1 | 2\n212"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (page("").replace("Zoë".encode(), "Zoë ".encode() + b"\xff"), "Zoë \ufffd"),
        (page("", "iso-8859-1").replace(b"had refused", b"said \x93no\x94, \x80 5"), "said “no”, € 5"),
        (
            b"<?xml version='1.0' encoding='iso-8859-2'?><html><p>\xb3\xf3d\xbc Anselm</p></html>",
            "łódź Anselm",
        ),
        ("<html><meta charset=gb2312><p>朱镕基在。</p></html>".encode("gbk"), "朱镕基在"),
        ("<html><meta charset=iso-2022-jp><p>港の調査。</p></html>".encode("iso-2022-jp"), "港の調査"),
        ("<html><meta charset=undefined><p>Closed é</p></html>".encode("cp1252"), "Closed é"),
        ("\ufeff<html><p>In sixteen bits</p></html>".encode("utf-16-le"), "In sixteen bits"),
    ],
)
def test_pages_are_decoded_as_browsers_do(read, data, expected):
    text = read(data, "a.html").text
    assert expected in text
    assert "<" not in text


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252"])
def test_a_web_page_is_its_article(read, encoding):
    text = read(page("<ul><li>One basin</li></ul>", encoding), "a.html").text
    assert ARTICLE in text
    assert "\n\n" in text[: text.index(ARTICLE)]  # a heading and a paragraph are two
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
        (b"<?xml version='1.0'?>\n<?xml-stylesheet href='a'?>\n<html>", HTML),
        ("\ufeff<html>".encode("utf-16-be"), HTML),
        (b"<head> and <body> are the two parts of a page.", TEXT),
        (b"<!---->" * 580 + b"<htm>", TEXT),
        (b"  %PDF-1.7", PDF),
        (b"junk\r\n%PDF-1.7", PDF),
        (b"A file that begins with %PDF-1.7 is a PDF.", TEXT),
        (b"PK\x03\x04 damaged, but word/document.xml", DOCX),
    ],
)
def test_what_a_file_is_shows_in_its_bytes(data, kind):
    assert recognise(data, "it") == kind


def test_a_part_of_a_page_is_told_by_its_name():
    assert recognise(b"<title>News</title><p>Rain.", "a.HTM") == HTML
    assert recognise(b"Rain.", "a.html") == TEXT


def test_files_with_a_password_or_without_text_are_refused(refused):
    assert "has a password" in refused(pdf([ARTICLE], password="secret"))
    assert "has no text on its pages: if it is scanned" in refused(scanned())
    assert "without text" in refused(b"<html><body><img src=x></body></html>")
    assert "holds no text" in refused(word_of(paragraph(" ")))
    assert "without a password" in refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 anything")


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


@pytest.fixture
def parser(tmp_path, monkeypatch):
    """The source of a parser, put in the place of those that are there; called with a file of its own."""

    def parser(source, **limits):
        (tmp_path / "sitecustomize.py").write_text(
            "import sys, types\nmodule = types.ModuleType('index.formats.odd')\n"
            f"exec({source!r}, module.__dict__)\nsys.modules[module.__name__] = module\n"
        )
        start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sitecustomize; sys.path.pop(0); "
        monkeypatch.setattr("index.formats.extraction._START", start + _START)
        return extract("odd", b"data", "a.odd", **limits)

    return parser


def test_a_parser_that_takes_all_memory_or_time_or_dies_is_an_error_of_the_file(parser):
    with pytest.raises(InputError, match=r"^a\.odd is damaged or too large to read"):
        parser("def read(data): return bytearray(3 << 30).decode(), []")
    with pytest.raises(InputError, match=r"^a\.odd took more than 2 s to read"):
        parser("def read(data):\n while True: pass", seconds=2)
    with pytest.raises(InputError, match=r"^a\.odd is damaged or too large to read"):
        parser("import os\ndef read(data): os.abort()")
    with pytest.raises(InputError, match=r"^a\.odd has more than 20,000,000 characters"):
        parser("def read(data): return 'x' * 20_000_001, []")


def test_a_parser_may_print_and_is_told_no_secrets(parser, monkeypatch):
    monkeypatch.setenv("ARTICLE_QA_AUTH", "user:secret")
    source = "import os\ndef read(data): print('noise'); return ' '.join(os.environ), []"
    assert "ARTICLE_QA_AUTH" not in parser(source).text


def test_no_process_to_read_in_is_a_sentence(monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(InputError, match=r"^a\.pdf cannot be read now"):
        extract(PDF, pdf([ARTICLE]), "a.pdf")


def test_libraries_in_the_working_folder_are_not_run(read, tmp_path, monkeypatch):
    (tmp_path / "docx.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert ARTICLE in read(word([ARTICLE]), "a.docx").text
