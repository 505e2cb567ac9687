import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from index import InputError
from index.database import Database
from qa import ArticleQA
from qa.cli import _with_address, main, parser
from qa.index_command import Bar
from tests.index.formats.files import pdf


@pytest.fixture
def papers(tmp_path):
    """A folder of three files that are read, one that is damaged and one of another kind."""
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "acme.txt").write_text("Acme is led by Ada Berg.")
    (folder / "deep" / "rain.md").write_text("Rain fell on the plain.")
    (folder / "deep" / "Harbour.PDF").write_bytes(pdf(["Lowe & Sons paid for the harbour.", "The end."]))
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.7")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def filled(name, papers, capsys):
    """An index of the papers that can be read."""
    assert main(["index", "add", name, str(papers)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "3 added, 0 there already, 1 refused; 3 documents, 3 passages\n"
    (line,) = captured.err.splitlines()
    assert "damaged.pdf is a damaged PDF: save it anew, or as text." in line
    return name


@pytest.fixture
def shelf(tmp_path, papers, capsys):
    """An index of the papers in a folder."""
    return filled(str(tmp_path / "shelf"), papers, capsys)


@pytest.fixture(params=["{}/shelf", "milvus:{}/lite"], ids=["shelf", "milvus"])
def index(request, tmp_path, papers, capsys):
    """An index of the papers, of each kind."""
    return filled(request.param.format(tmp_path), papers, capsys)


def test_the_index_answers_on_the_command_line_and_in_python(index, capsys):
    assert main(["ask", "Who paid for the harbour?", "--index", index, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["text"], answer["title"], answer["page"]) == ("Lowe & Sons", "Harbour.PDF", 1)
    assert ArticleQA.open(index).answer("Who leads Acme?").text == "Ada Berg"


def test_adding_again_adds_what_is_new_and_replaces_what_has_changed(index, papers, capsys):
    (papers / "damaged.pdf").unlink()
    (papers / "acme.txt").write_text("Acme is led by Ben Holm.")
    engine = ArticleQA.open(index)
    assert main(["index", "add", index, str(papers), str(papers / "acme.txt")]) == 0
    assert capsys.readouterr().out == "1 added, 2 there already, 0 refused; 3 documents, 3 passages\n"
    assert engine.answer("Who leads Acme?").text == "Ben Holm"


def test_a_file_is_the_same_by_another_way_to_it(index, papers, monkeypatch, capsys):
    (papers / "acme.txt").write_text("Acme is led by Ben Holm.")
    monkeypatch.chdir(papers / "deep")
    assert main(["index", "add", index, "../acme.txt"]) == 0
    assert capsys.readouterr().out == "1 added, 0 there already, 0 refused; 3 documents, 3 passages\n"
    assert ArticleQA.open(index).answer("Who leads Acme?").text == "Ben Holm"
    assert main(["index", "remove", index, "../acme.txt"]) == 0
    assert capsys.readouterr().out == "1 removed; 2 documents, 2 passages\n"
    assert not ArticleQA.open(index).answer("Who leads Acme?").answered


def test_documents_are_listed_and_removed_by_id_or_file(index, papers, capsys):
    assert main(["index", "list", index, "--json"]) == 0
    rows = {row["title"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["Harbour.PDF"]["pages"] == 2
    assert rows["acme.txt"]["source"] == str(papers / "acme.txt")
    assert main(["index", "remove", index, rows["Harbour.PDF"]["id"], str(papers / "acme.txt")]) == 0
    assert capsys.readouterr().out == "2 removed; 1 documents, 1 passages\n"
    assert main(["index", "list", index]) == 0
    assert "rain.md  (23 characters)" in capsys.readouterr().out
    assert main(["index", "remove", index, "acme.txt"]) == 2
    assert "acme.txt is no document of" in capsys.readouterr().err


def test_checking_says_that_all_is_well(index, capsys):
    assert main(["index", "check", index, "--repair"]) == 0
    assert capsys.readouterr().out == "0 problems; 3 documents, 3 passages\n"


def test_the_index_is_described(shelf, papers, capsys):
    assert main(["index", "info", shelf, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["documents"], facts["passages"], facts["writes"]) == (3, 3, 3)
    assert (facts["vectors"], facts["searchable"]) == ("compared one by one", "up to date")
    assert main(["index", "remove", shelf, str(papers / "acme.txt")]) == 0
    capsys.readouterr()
    assert main(["index", "info", shelf]) == 0
    out = capsys.readouterr().out
    assert "documents             2\n" in out
    assert "searchable            brought up to date at the next question\n" in out


def test_an_index_over_milvus_is_described(tmp_path, papers, capsys):
    name = filled(f"milvus:{tmp_path / 'lite'}", papers, capsys)
    assert main(["index", "info", name, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["index"] == name
    assert (facts["documents"], facts["passages"], facts["dimension_of_vectors"]) == (3, 3, 384)


def test_a_server_that_is_away_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("index.milvus_server.LIMIT", 0.2)
    with socket.socket() as listener:  # bound and not listening: nobody answers, and nobody else takes it
        listener.bind(("127.0.0.1", 0))
        name = f"milvus+http://127.0.0.1:{listener.getsockname()[1]}/papers"
        for arguments in (
            ["ask", "Who?", "--index", name],
            ["index", "list", name],
            ["index", "check", name],
        ):
            assert main(arguments) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"{name} has not answered for" in line


def test_the_index_is_evaluated(index, tmp_path, capsys):
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a", "question": "Who paid for the harbour?", "answers": ["Lowe & Sons"]}\n')
    assert main(["evaluate", str(gold), "--index", index, "--fail-under", "em=100"]) == 0
    assert capsys.readouterr().out.startswith(f"gold.jsonl, article task, over {index}\n")


def test_odd_files_are_told_and_the_rest_is_added(tmp_path, capsys):
    (tmp_path / "odd").mkdir()
    for name in (b"caf\xe9.txt", b"plain.txt", b"line\nbreak.txt", "Übung.md".encode()):
        (tmp_path / "odd" / os.fsdecode(name)).write_bytes(b"Rain fell on " + name)
    shelf = tmp_path / "odd" / "shelf"
    for _ in range(2):  # the second time the index is in the folder that is added
        assert main(["index", "add", str(shelf), str(tmp_path / "odd")]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("0 added, 4 there already, 0 refused")
    assert main(["index", "list", str(shelf)]) == 0
    assert "caf\\xe9.txt" in capsys.readouterr().out
    assert main(["index", "remove", str(shelf), str(tmp_path / "odd" / "caf\udce9.txt")]) == 0


def test_progress_goes_up_to_the_size_of_the_files(tmp_path):
    files = [tmp_path / "a", tmp_path / "b"]
    for path, size in zip(files, (1000, 100), strict=True):
        path.write_bytes(bytes(size))
    seen = []
    with Bar(files) as bar:
        for path in files:
            bar.begin(path)
            for done in (0, 1, 2):
                bar.step(path, done, 2)
                seen.append(bar.done)
            bar.end(path)
            seen.append(bar.done)
    assert seen == [0, 500, 1000, 1000, 1000, 1050, 1100, 1100]


def held(shelf):
    """How many documents an index that is being made holds."""
    try:
        return len(Database(shelf).entries())
    except InputError:
        return 0


def test_an_interrupted_add_keeps_what_is_done_and_goes_on(papers, tmp_path):
    """Ctrl-C after the first files; the same command again does the rest."""
    shelf = tmp_path / "shelf"
    for number in range(60):
        (papers / f"{number:03}.txt").write_text(f"Hall {number} is painted blue.")
    command = [sys.executable, "-m", "qa.cli", "index", "add", str(shelf), str(papers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        while not held(shelf):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out = process.communicate()[0]
    assert process.returncode == 130
    told = re.match(r"interrupted; (\d+) added, 0 there already, 0 refused so far: run the same", out)
    assert told, out
    done = int(told[1])
    again = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    counts = re.match(r"(\d+) added, (\d+) there already, 1 refused; 63 documents, 63 passages", again)
    assert counts, again
    assert int(counts[1]) == 63 - int(counts[2]) > 0
    assert done <= int(counts[2]) <= done + 1  # the last may have been stored and not yet counted


def test_ray_that_is_not_installed_is_one_sentence(papers, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "index.bulk", raising=False)
    monkeypatch.delattr("index.bulk", raising=False)
    assert main(["index", "add", "--ray", str(tmp_path / "shelf"), str(papers)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == 'article-qa: ray is not installed: pip install ".[scale]" brings what --ray needs.'


def test_an_index_over_milvus_is_no_address_of_a_cluster(papers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = parser().parse_args(_with_address(["index", "add", "--ray", "milvus:2024", str(papers)]))
    assert (options.ray, options.folder, options.paths) == ("local", "milvus:2024", [str(papers)])


def test_ray_is_not_imported_unasked(papers, tmp_path):
    command = ["index", "add", str(tmp_path / "shelf"), str(papers / "acme.txt")]
    code = f"import sys; from qa.cli import main; main({command}); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "list", "nowhere"], "nowhere holds no index"),
        (["index", "add", "new", "empty"], "empty holds no file to read"),
        (["ask", "Who?", "--index", "nowhere"], "nowhere holds no index"),
        (["ask", "Who?", "--index", "nowhere", "--file", "a.txt"], "are both named"),
        (["evaluate", "gold.jsonl", "--index", "nowhere"], "nowhere holds no index"),
        (["index", "info", "nowhere"], "nowhere holds no index"),
        (["index", "add", "new", "x" * 300], "cannot be read (File name too long)"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_files_are_added_and_removed_in_python(tmp_path):
    path = tmp_path / "acme.txt"
    path.write_text("Acme is led by Ada Berg.")
    for engine in (
        ArticleQA.open(tmp_path / "shelf", create=True),
        ArticleQA.from_text("Rain fell on the plain."),
    ):
        (added,) = engine.add([path])
        assert engine.add([path]) == []
        assert engine.answer("Who leads Acme?").text == "Ada Berg"
        engine.remove([added.id])
        assert added.id not in engine.index.documents


def test_an_empty_index_says_nothing(tmp_path):
    engine = ArticleQA.open(tmp_path / "shelf", create=True)
    assert not engine.answer("Who leads Acme?").answered
