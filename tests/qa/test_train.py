"""A real training, in small: the toy language, a tiny encoder, a hundred steps."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertModel

from index import Document, InputError
from qa import ArticleQA, train
from qa.cli import main
from qa.gold import read_gold
from qa.train import CHECKPOINT, RECORD, Recipe, is_held_out, span_loss
from tests.qa.toy import config_of, example, tokenizer_of

PARAGRAPHS = 2600


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """An untrained encoder with its tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    tokenizer = tokenizer_of("bert")
    BertModel(config_of("bert", tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A gold set in the toy language."""
    rng = random.Random(11)
    path = tmp_path_factory.mktemp("data") / "toy.jsonl"
    with path.open("w") as file:
        for number in range(PARAGRAPHS):
            question, context, answer = example(rng, answerable=number % 2 > 0)
            answers = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
            row = {"id": str(number), "article": str(number), "question": question, "context": context}
            file.write(json.dumps(row | {"answers": answers}) + "\n")
    return path


@pytest.fixture(scope="module")
def recipe(data):
    return Recipe({str(data): 1.0}, learning_rate=3e-3, negatives=0.0)


@pytest.fixture(scope="module")
def finished(recipe, base, tmp_path_factory):
    """A finished run: its folder and losses."""
    out = tmp_path_factory.mktemp("run")
    return out, train.train(recipe, base, out, progress=lambda line: None)


def test_the_loss_falls(finished):
    _, losses = finished
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_an_interrupted_run_goes_on_to_the_same_end(recipe, base, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 10)
    monkeypatch.setattr(train, "REPORT_EVERY", 25)

    def interrupt(line):
        if line.startswith("step 25/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(recipe, base, tmp_path, progress=interrupt)
    assert (tmp_path / CHECKPOINT).exists()
    out, losses = finished
    rest = train.train(recipe, base, tmp_path, progress=lambda line: None)
    assert len(rest) == len(losses) - 20
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path, out))
    for name, weights in theirs.items():
        torch.testing.assert_close(ours[name], weights, atol=2e-3, rtol=1e-2)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_finished_run_is_not_done_again(recipe, base, finished):
    assert train.train(recipe, base, finished[0]) == []


def test_a_folder_with_another_run_is_refused(recipe, data, base, finished):
    with pytest.raises(InputError, match="holds a run with other settings"):
        train.train(Recipe({str(data): 2.0}), base, finished[0])


def test_the_record_names_settings_and_data_but_no_paths(finished, data):
    text = (finished[0] / RECORD).read_text()
    record = json.loads(text)
    assert record["recipe"]["data"] == {"toy.jsonl": 1.0}
    assert len(record["data_sha256"]["toy.jsonl"]) == 64
    assert str(data.parent) not in text


def test_held_out_paragraphs_are_never_trained_on(recipe, data, base, tmp_path, monkeypatch):
    seen = []
    make = train.make_examples
    monkeypatch.setattr(
        train, "make_examples", lambda questions, *rest: make(seen.extend(questions) or questions, *rest)
    )
    monkeypatch.setattr(train, "_batches", lambda *rest: iter(()))
    train.train(recipe, base, tmp_path, progress=lambda line: None)
    held_out = {question.id for question in read_gold(data) if is_held_out(question)}
    assert 0.02 * PARAGRAPHS < len(held_out) < 0.1 * PARAGRAPHS
    assert {question.id for question in seen}.isdisjoint(held_out)


def test_span_loss_counts_every_acceptable_answer():
    start, end = torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    p, q = start.softmax(-1)[0], end.softmax(-1)[0]
    expected = -torch.log(p[1] * q[2] + p[2] * q[2])
    torch.testing.assert_close(span_loss(start, end, [((1, 2), (2, 2))]), expected)
    torch.testing.assert_close(span_loss(start, end, [((0, 0),)]), -torch.log(p[0] * q[0]))


def test_the_command_trains_exports_calibrates_and_describes(data, toy_readers, tmp_path):
    arguments = ["train", str(tmp_path), "--data", f"{data}=1", "--base", str(toy_readers("bert"))]
    assert main(arguments) == 0
    shipped = tmp_path / "shipped"
    assert {path.name for path in shipped.iterdir()} == {
        "model.onnx", "tokenizer.json", "calibration.json", "README.md"
    }  # fmt: skip
    assert "| toy.jsonl | 1 |" in (shipped / "README.md").read_text()
    engine = ArticleQA.from_documents(
        [Document.from_text("the old green bridge and Clara then.")], str(shipped)
    )
    assert engine.answer("Who is it?").text == "Clara"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.jsonl", "--base", "x"], "missing.jsonl cannot be read"),
        (["--data", "broken.jsonl", "--base", "BASE"], "broken.jsonl, line 2"),
        (["--data", "empty.jsonl", "--base", "BASE"], "holds no question"),
        (["--data", "broken.jsonl=0", "--base", "BASE"], "must be above 0"),
        (["--data", "DATA", "--base", "./nowhere"], "is not a model to start from"),
    ],
)
def test_wrong_data_or_base_is_one_sentence(arguments, message, base, data, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty.jsonl").write_text("")
    good = data.read_text().splitlines()[0]
    (tmp_path / "broken.jsonl").write_text(f"{good}\n{good[:40]}\n")
    monkeypatch.chdir(tmp_path)
    named = {"BASE": base, "DATA": str(data)}
    assert main(["train", "run", *(named.get(argument, argument) for argument in arguments)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("article-qa: ")
    assert message in error
