import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios

import pytest

from qa.cli import main
from qa.evaluate_command import Bar
from qa.predictions import read_predictions, write_predictions

TEXT = "Acme Robotics was founded in 1987 by Ada Brook in Leeds. It makes robots for hospitals."
ROWS = [
    {"id": "a", "question": "Who founded Acme Robotics?", "answers": ["Ada Brook"]},
    {"id": "b", "question": "When was Acme Robotics founded?", "answers": ["1987"]},
    {"id": "c", "question": "How many people died in the flood in Lima?", "answers": []},
]
WRONG = {"id": "d", "question": "Where was Acme Robotics founded?", "answers": ["Atlantis"]}


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on rows; returns the exit status, standard output and standard error."""
    (tmp_path / "acme.txt").write_text(TEXT)

    def run(*options, rows=ROWS):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "gold.jsonl").write_text("\n".join(lines))
        files = ["--file", str(tmp_path / "acme.txt")]
        status = main(["evaluate", str(tmp_path / "gold.jsonl"), *files, *map(str, options)])
        return status, *capsys.readouterr()

    return run


def test_table(run):
    status, out, err = run()
    assert (status, err) == (0, "")  # no progress bar either: standard error is no terminal
    assert out.startswith("gold.jsonl, article task\nQuestions: 3, answerable: 2, answered: 2, articles: 1\n")
    assert "\n  Exact match                             100.0%  100.0 to 100.0\n" in out
    assert "\n  Recall@5                                100.0%\n" in out
    assert out.endswith("\n  Missed abstention                            0\n")


def test_json_is_alone_on_standard_output(run, tmp_path):
    status, out, err = run("--json", "--report", tmp_path / "report", "--task", "paragraph")
    assert (status, err) == (0, "")
    metrics = json.loads(out)
    assert (metrics["questions"], metrics["em"]) == (3, 100.0)
    assert json.loads((tmp_path / "report/results.json").read_text())["metrics"] == metrics


def test_report(run, tmp_path):
    status, out, _ = run("--report", tmp_path / "new" / "report")
    assert status == 0
    assert out.endswith(f"\nReport: {tmp_path / 'new' / 'report' / 'report.html'}\n")
    names = {path.name for path in (tmp_path / "new/report").iterdir()}
    assert names == {"report.html", "results.json", "predictions.jsonl"}
    predictions = read_predictions(tmp_path / "new/report/predictions.jsonl")
    assert [p.text for p in predictions] == ["Ada Brook", "1987", ""]


def test_progress_bar_on_a_terminal(run, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run()[0] == 0
    assert "3/3" in terminal.getvalue()


@pytest.mark.parametrize(
    ("bars", "status", "complaint"),
    [
        (["em=100", "ece=1"], 0, ""),
        (["em=70"], 1, "article-qa: em is 66.6667, below the bar of 70.\n"),
        (["latency_p50_ms=0.5"], 1, ", above the bar of 0.5.\n"),
        (["em=60", "f1=99", "brier=0"], 1, "\narticle-qa: brier is "),
    ],
)
def test_bars(run, bars, status, complaint):
    rows = ROWS if status == 0 else [*ROWS[:2], WRONG | {"answers": []}]
    found, out, err = run(*(f"--fail-under={bar}" for bar in bars), rows=rows)
    assert found == status
    assert complaint in err
    assert out.startswith("gold.jsonl")


@pytest.mark.parametrize(
    ("bar", "measured", "passes"),
    [
        (Bar("f1", 70.0), 70.0, True),
        (Bar("f1", 70.0), 69.99, False),
        (Bar("ece", 0.06), 0.06, True),
        (Bar("ece", 0.06), 0.061, False),
    ],
)
def test_bar_is_passed_where_it_is_met(bar, measured, passes):
    assert (bar.complaint({bar.metric: measured}) is None) == passes


def test_bar_on_what_is_not_defined(run):
    status, _, err = run("--fail-under", "abstention_f1=1", rows=ROWS[:2])
    assert status == 1
    assert "abstention_f1 is not defined for these questions: the bar of 1 is missed." in err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--fail-under", "f2=70"], "there is no metric 'f2'; name one of f1, em,"),
        (["--fail-under", "f1"], "'' is no number; write f1=VALUE"),
        (["--fail-under", "f1=nan"], "'nan' is no number"),
        (["--reader", "/nowhere"], "/nowhere"),
        (["--report", "/dev/null/report"], "cannot be written to"),
        (["--against", "/nowhere/results.json"], "is not a results.json that --report wrote"),
    ],
)
def test_bad_options(run, options, reason):
    status, out, err = run(*options)
    assert (status, out) == (2, "")
    assert err.startswith("article-qa: ")
    assert reason in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([*ROWS, "{"], "gold.jsonl, line 4: not JSON"),
        ([*ROWS, {"id": 1}], "gold.jsonl, line 4: there is no 'answers'"),
        ([*ROWS, ROWS[0]], "1 questions have an id that came before, the first being 'a'"),
        ([], "holds no question"),
    ],
)
def test_bad_gold(run, rows, reason):
    status, out, err = run(rows=rows)
    assert (status, out) == (2, "")
    assert reason in err


def test_bad_rows_are_left_out(run, caplog):
    status, out, _ = run("--skip-bad", rows=["{", *ROWS, ROWS[0], WRONG])
    assert status == 0
    assert "Questions: 4," in out
    assert [message.split(",")[0].split(":")[0] for message in caplog.messages] == [
        "1 malformed rows are left out",
        "1 questions are left out for their id came before.",
        "1 gold answers of 1 questions do not stand in the text",
    ]


def test_files_that_are_not_used(run, caplog):
    assert run(rows=[{"text": "Rome is the capital.", "qas": [ROWS[2]]}])[0] == 0
    ((_, _, message),) = caplog.record_tuples
    assert message.startswith("--file is not used")


@pytest.fixture
def earlier(run, tmp_path):
    """Results of a run whose first answer was another one, and whose second is wrong since."""
    folder = tmp_path / "earlier"
    run("--report", folder)
    first, second, third = read_predictions(folder / "predictions.jsonl")
    lost = type(first).from_dict(first.to_dict() | {"text": "Leeds", "best": "Leeds"})
    write_predictions([lost, second, third], folder / "predictions.jsonl")
    return folder / "results.json"


def test_against(run, earlier):
    rows = [ROWS[0], ROWS[1] | {"answers": ["1988"]}, ROWS[2]]
    status, out, _ = run("--against", earlier, rows=rows)
    assert status == 0
    comparison = out[out.index("\nAgainst gold.jsonl, article task\n") :].split("\n")
    assert comparison[3] == "  Exact match                              +0.00  p = 1.0000"
    assert "\n".join(comparison[5:8]) == (
        "1 now right\n  a  Who founded Acme Robotics?\n    gold: Ada Brook; was: Leeds; is: Ada Brook"
    )
    assert "\n".join(comparison[9:12]) == (
        "1 now wrong\n  b  When was Acme Robotics founded?\n    gold: 1988; was: 1987; is: 1987"
    )


def test_against_in_json(run, earlier):
    against = json.loads(run("--against", earlier, "--json")[1])["against"]
    assert (against["won"], against["lost"]) == (["a"], [])
    assert against["em"] == pytest.approx(100 / 3)
    assert 0 < against["em_p"] <= 1


def test_against_other_questions(run, earlier):
    status, out, err = run("--against", earlier, rows=[*ROWS[1:], WRONG])
    assert (status, out) == (2, "")
    assert "2 ids are only in one of the two sets, the first being 'a'" in err


def test_against_what_is_not_ours(run, earlier):
    for text in ("{", "[]", '{"title": ""}'):
        earlier.write_text(text)
        assert "is not a results.json that --report wrote" in run("--against", earlier)[2]
    earlier.write_text('{"title": "", "metrics": {"questions": 7}}')
    assert "does not belong to the predictions.jsonl beside it" in run("--against", earlier)[2]
    earlier.with_name("predictions.jsonl").unlink()
    assert "predictions.jsonl cannot be read" in run("--against", earlier)[2]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run of the command that gets a SIGINT once its bar has moved: status, output, complaints, report."""
    folder = tmp_path_factory.mktemp("interrupted")
    rows = [ROWS[0] | {"id": number} for number in range(800)]
    (folder / "gold.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "acme.txt").write_text(TEXT)
    command = [sys.executable, "-m", "qa.cli", "evaluate", "gold.jsonl", "--file=acme.txt", "--report=report"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        terminal = b""
        while not re.search(rb"[1-9]\d*/800", terminal):
            terminal += os.read(ours, 1000)
        process.send_signal(signal.SIGINT)
        out = process.stdout.read().decode()
        status = process.wait()
    try:
        while more := os.read(ours, 1000):
            terminal += more
    except OSError:
        pass  # the terminal is closed
    finally:
        os.close(ours)
    return status, out, terminal.decode(), folder / "report"


def test_interrupt_leaves_the_part(interrupted):
    status, out, terminal, report = interrupted
    predictions = read_predictions(report / "predictions.jsonl")
    assert status == 130
    assert 0 < len(predictions) < 800
    assert f"interrupted after {len(predictions):,} of 800 questions: this is of those." in terminal
    assert out.startswith(f"gold.jsonl, article task, the first {len(predictions):,} of 800 questions\n")
    assert f"Questions: {len(predictions):,}, " in out
    assert "the first" in (report / "report.html").read_text()


def test_interrupt_before_the_first_answer(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("qa.evaluate_command.predict", interrupted)
    assert run() == (130, "", "article-qa: interrupted\n")


def test_help_is_light():
    code = "import sys, qa.cli; qa.cli.parser(); print({'numpy', 'matplotlib', 'tqdm'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
