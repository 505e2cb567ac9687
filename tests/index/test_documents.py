import io
import random

import pytest

from index import Document, InputError, read_file, read_stream
from index.documents import whole_path

SENTENCE = "Ghosn was arrested in Japan."
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
)


@pytest.fixture
def write(tmp_path):
    """A file of given bytes, read."""

    def write(data, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def refused(path):
    """The message with which a path is refused: one sentence that names it."""
    with pytest.raises(InputError) as caught:
        read_file(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    assert ". " not in message.replace(str(path), "")
    assert caught.value.__cause__ is None
    return message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings(write, encoding):
    assert read_file(write("Zoë 日本 👍🏽".encode(encoding))).text == "Zoë 日本 👍🏽"


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("width", ["16", "32"])
def test_both_byte_orders(write, width, order):
    codec = f"utf-{width}-{order}"
    assert read_file(write(("\ufeff" + SENTENCE).encode(codec))).text == SENTENCE


def test_only_the_first_mark_is_dropped(write):
    assert read_file(write(b"\xef\xbb\xbf" * 2 + b"text")).text == "\ufefftext"


def test_invalid_bytes_are_replaced_with_a_warning(write, caplog):
    path = write("A café in Zürich serves breakfast.".encode("latin-1"))
    assert read_file(path).text == "A caf\ufffd in Z\ufffdrich serves breakfast."
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert str(path) in record.getMessage()
    assert "byte 5" in record.getMessage()


def test_the_warning_counts_the_byte_order_mark(write, caplog):
    read_file(write(b"\xef\xbb\xbf" + b"a long enough text \xff"))
    assert "byte 22" in caplog.text


def test_valid_text_gives_no_warning(write, caplog):
    read_file(write("A replacement character, \ufffd, is valid.".encode()))
    assert not caplog.records


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\u2028"])
def test_line_ends_are_kept(write, end):
    text = end.join(["One.", "", "Two.", ""])
    assert read_file(write(text.encode())).text == text


def test_lone_surrogates_become_replacement_characters():
    text = "\udcff left \ud83d right"
    document = Document.from_text(text)
    assert document.text == "\ufffd left \ufffd right"
    assert len(document.text) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "שלום עולם. مرحبا بالعالم؟",
        "\u200fright\u200e left",
        "👩‍🚀 👨‍👩‍👧‍👦 🇫🇷 👍🏽",
        "e\u0301 o\u0308\u0323 é",
        "\x00 null",
        " kept blanks \n",
    ],
)
def test_other_characters_are_kept(text):
    assert Document.from_text(text).text == text


def test_missing(tmp_path):
    assert "does not exist" in refused(tmp_path / "missing.txt")


def test_folder(tmp_path):
    assert "is a folder" in refused(tmp_path)


def test_path_through_a_file(write):
    assert "Not a directory" in refused(write(b"text") / "x")


def test_name_too_long(tmp_path):
    assert "too long" in refused(tmp_path / ("n" * 300))


@pytest.mark.parametrize("path", ["a\x00b", "a\ud800b"])
def test_impossible_path(path):
    refused(path)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PNG, id="png"),
        pytest.param(b"MZ\x90\x00\x03", id="executable"),
        pytest.param(SENTENCE.encode("utf-16-le"), id="utf-16-without-mark"),
        pytest.param(b"\xff\xfea\x00\x00\x00b\x00", id="nul-in-utf-16"),
        pytest.param("Привет, мир".encode("cp1251"), id="legacy-encoding"),
        *(pytest.param(random.Random(seed).randbytes(2000), id=f"random-{seed}") for seed in range(5)),
        pytest.param(random.Random(0).randbytes(2000).replace(b"\x00", b""), id="random-without-nul"),
    ],
)
def test_binary(write, data):
    assert "is not a text file" in refused(write(data))


@pytest.mark.parametrize(
    "data", [b"", b" \r\n\t\x0c\n", "\u00a0\u3000\u2028".encode(), b"\xef\xbb\xbf", b"\xff\xfe"]
)
def test_empty_or_blank(write, data):
    assert "is empty" in refused(write(data))


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_empty_or_blank_text(text):
    with pytest.raises(InputError, match=r"^The text is empty: "):
        Document.from_text(text)


def test_file_names_its_document(write):
    path = write(SENTENCE.encode(), "réport 1.md")
    document = read_file(str(path))
    assert (document.title, document.source, document.text) == ("réport 1.md", str(path), SENTENCE)
    assert document.page_starts == ()


def test_file_name_that_is_no_unicode(write):
    document = read_file(write(SENTENCE.encode(), "caf\udce9.txt"))
    assert document.title == "caf\ufffd.txt"


def test_stream():
    document = read_stream(io.BytesIO(b"\xef\xbb\xbf" + SENTENCE.encode() + b"\r\n"))
    assert (document.text, document.source, document.title) == (SENTENCE + "\r\n", "-", SENTENCE)


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "is empty"), (b" \n", "is empty"), (PNG, "not a text file")]
)
def test_stream_that_is_no_text(data, reason):
    with pytest.raises(InputError, match=rf"^Standard input .*{reason}"):
        read_stream(io.BytesIO(data))


def test_identity_is_of_the_text_alone(write):
    texts = [
        Document.from_text(SENTENCE),
        Document.from_text(SENTENCE, title="Other", source="elsewhere"),
        read_file(write(SENTENCE.encode())),
        read_file(write(SENTENCE.encode("utf-16"), "other.txt")),
        read_stream(io.BytesIO(SENTENCE.encode())),
    ]
    assert len({document.id for document in texts}) == 1
    assert Document.from_text(SENTENCE + " ").id != texts[0].id


def test_title_given_wins():
    assert Document.from_text(SENTENCE, title="Arrest").title == "Arrest"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  One\ttwo \u00a0 three  \nfour", "One two three"),
        ("\n\r\nHeading\r\nText", "Heading"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("word " * 30, "word " * 10 + "word…"),
        ("日" * 300, "日" * 59 + "…"),
    ],
)
def test_title_is_the_first_words(text, title):
    assert Document.from_text(text).title == title


def test_a_file_is_known_by_one_path(tmp_path, monkeypatch):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    monkeypatch.chdir(tmp_path / "deep")
    assert whole_path("a.txt") == whole_path("./er/../a.txt") == tmp_path / "deep" / "a.txt"
    assert whole_path("../a.txt") == tmp_path / "a.txt"
    assert whole_path("../link/../a.txt") == tmp_path / "deep" / "a.txt"  # which the system opens
    assert whole_path(tmp_path / "link" / "a.txt") == tmp_path / "link" / "a.txt"
    (tmp_path / "link" / "sub").mkdir()
    assert whole_path(tmp_path / "link" / "sub" / ".." / "a.txt") == tmp_path / "link" / "a.txt"
    assert whole_path("/../a.txt") == whole_path("/a.txt")
