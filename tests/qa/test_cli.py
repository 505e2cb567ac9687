"""The command as a person runs it."""

import json
import subprocess
import sys

import pytest

from qa.cli import main


@pytest.fixture
def article_qa():
    """Run `article-qa` with arguments in a process of its own; returns it finished."""

    def run(*arguments, stdin=b"", **options):
        command = [sys.executable, "-m", "qa.cli", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False, **options)

    return run


def test_ask(article_qa):
    done = article_qa("ask", "Where was Carlos Ghosn arrested?")
    assert done.returncode == 0
    out = done.stdout.decode()
    assert out.startswith("Japan  (")
    assert "who was arrested in Japan in 2018" in out
    assert "article.txt, characters 1721-1726" in out
    assert done.stderr == b""


def test_ask_for_what_is_not_there(article_qa):
    done = article_qa("ask", "What is the capital of France?")
    assert done.returncode == 0
    assert done.stdout.decode().startswith("The text doesn't say.")


def test_json_is_the_answer(article_qa):
    done = article_qa("ask", "--json", "What is Renault investing in?")
    result = json.loads(done.stdout)
    assert (result["text"], result["answered"]) == ("electric vehicles", True)
    assert {"confidence", "start", "end", "sentence", "alternatives", "passages", "seconds"} <= set(result)


def test_files_and_standard_input(article_qa, tmp_path):
    path = tmp_path / "acme.txt"
    path.write_text("Acme is led by Ada Berg. It makes anvils.")
    arguments = ("--file", str(path), "--file", "-", "--json")
    stdin = b"Globex is led by Boris Ivanov. It makes rockets."
    for question, expected in (("Who leads Acme?", "Ada Berg"), ("Who leads Globex?", "Boris Ivanov")):
        assert json.loads(article_qa("ask", question, *arguments, stdin=stdin).stdout)["text"] == expected


def test_invalid_utf8_is_read_with_a_warning(article_qa, tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(
        "Ada Berg lives in Orléans. She makes anvils and sells them to the town.".encode("latin-1")
    )
    done = article_qa("ask", "Who lives there?", "--file", str(path))
    assert done.returncode == 0
    assert b"not valid UTF-8" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.fixture
def bad_files(tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "blank.txt").write_bytes(b" \n\t\n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", ], "question is empty"),
        (["  "], "question is empty"),
        (["?" * 2001], "2,001 characters"),
        (["Who?", "--file", "missing.txt"], "missing.txt does not exist"),
        (["Who?", "--file", "."], "is a folder"),
        (["Who?", "--file", "empty.txt/x"], "cannot be read"),
        (["Who?", "--file", "image.png"], "image.png is not a text file"),
        (["Who?", "--file", "empty.txt"], "empty.txt is empty"),
        (["Who?", "--file", "blank.txt"], "blank.txt is empty"),
        (["Who?", "--file", "-"], "Standard input is empty"),
        (["Who?", "--reader", "./nowhere"], "nowhere is not a folder"),
        (["Who?", "--embedder", "./nowhere"], "nowhere is not a folder"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_status_2(bad_files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(bad_files)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    assert main(["ask", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("article-qa: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_errors_of_a_process_have_no_traceback(article_qa):
    done = article_qa("ask", "Who?", "--file", "missing.txt")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_wrong_options_are_status_2(article_qa):
    assert article_qa("ask").returncode == 2
    assert article_qa("chat", "--port", "99999").returncode == 2
    assert article_qa("dance").returncode == 2


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from qa.cli import parser; parser().format_help();"
        "heavy = 'numpy', 'onnxruntime', 'faiss', 'tantivy', 'gradio', 'torch';"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_output_cut_short_is_no_error(tmp_path):
    command = f"{sys.executable} -m qa.cli ask 'Who was arrested?' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["train", "x", "--data", "y"], ["average", "x", "--run", "y", "--data", "z"]]
)
def test_training_without_its_extra_says_what_to_install(arguments):
    program = f"import sys; sys.modules['onnx'] = None; from qa.cli import main; sys.exit(main({arguments}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("article-qa: onnx is not installed: ")
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr
