"""A real training, in small: the toy language, a tiny encoder, a hundred steps."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from index import Document, InputError
from qa import ArticleQA, train
from qa.cli import main
from qa.gold import read_gold
from qa.train import AS_WRITTEN, CHECKPOINT, RECORD, Recipe, is_held_out
from qa.train_command import card
from qa.transformers_reader import TransformersReader
from tests.qa.conftest import TOY_PARAGRAPHS
from tests.qa.toy import tokenizer_of


def test_the_loss_falls(toy_run):
    _, losses = toy_run
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_an_interrupted_run_goes_on_to_the_same_end(toy_recipe, toy_base, toy_run, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 10)
    monkeypatch.setattr(train, "REPORT_EVERY", 25)

    def interrupt(line):
        if line.startswith("step 25/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(toy_recipe, toy_base, tmp_path, progress=interrupt)
    assert (tmp_path / CHECKPOINT).exists()
    out, losses = toy_run
    rest = train.train(toy_recipe, toy_base, tmp_path, progress=lambda line: None)
    assert len(rest) == len(losses) - 20
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path, out))
    for name, weights in theirs.items():
        torch.testing.assert_close(ours[name], weights, atol=2e-3, rtol=1e-2)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_finished_run_is_not_done_again(toy_recipe, toy_base, toy_run):
    assert train.train(toy_recipe, toy_base, toy_run[0]) == []


def test_a_folder_with_another_run_is_refused(toy_recipe, toy_gold, toy_base, toy_run):
    with pytest.raises(InputError, match="holds a run with other settings"):
        train.train(Recipe({str(toy_gold): 2.0}), toy_base, toy_run[0])


def test_the_record_names_settings_and_data_but_no_paths(toy_run, toy_gold):
    text = (toy_run[0] / RECORD).read_text()
    record = json.loads(text)
    assert record["recipe"]["data"] == {"toy.jsonl": 1.0}
    assert len(record["data_sha256"]["toy.jsonl"]) == 64
    assert str(toy_gold.parent) not in text


def test_the_record_says_how_it_did_on_what_was_held_out(toy_run):
    (scores,) = json.loads((toy_run[0] / RECORD).read_text())["held_out"]
    assert scores["loss"] < np.mean(toy_run[1][:10])
    assert set(scores) == {"loss", "exact", "separation"}


def test_held_out_paragraphs_are_never_trained_on(toy_recipe, toy_gold, monkeypatch):
    seen, make = [], train.make_examples
    monkeypatch.setattr(
        train, "make_examples", lambda question, *rest: make(seen.append(question) or question, *rest)
    )
    mixture = train._Mixture(toy_recipe, tokenizer_of("bert").backend_tokenizer)
    held_out = {question.id for question in read_gold(toy_gold) if is_held_out(question)}
    assert 0.02 * TOY_PARAGRAPHS < len(held_out) < 0.1 * TOY_PARAGRAPHS
    mixture.epoch(0)
    assert len(seen) == TOY_PARAGRAPHS - len(held_out)
    assert {question.id for question in seen}.isdisjoint(held_out)
    seen.clear()
    mixture.held_out()
    assert {question.id for question in seen} == held_out


def test_each_epoch_is_drawn_anew_and_the_same_in_every_run(toy_gold):
    recipe = Recipe({str(toy_gold): 0.1}, shares=replace(AS_WRITTEN, unmarked=0.5))
    tokenizer = tokenizer_of("bert").backend_tokenizer
    first, second = train._Mixture(recipe, tokenizer), train._Mixture(recipe, tokenizer)
    ids = [[window.ids.tolist() for window in mixture.epoch(0)] for mixture in (first, second)]
    assert ids[0] == ids[1]
    assert ids[0] != [window.ids.tolist() for window in first.epoch(1)]
    assert len(ids[0]) == pytest.approx(0.1 * TOY_PARAGRAPHS, rel=0.1)


def test_the_command_trains_exports_calibrates_and_describes(toy_gold, toy_readers, tmp_path):
    arguments = ["train", str(tmp_path), "--data", f"{toy_gold}=1", "--base", str(toy_readers("bert"))]
    assert main(arguments) == 0
    shipped = tmp_path / "shipped"
    assert {path.name for path in shipped.iterdir()} == {
        "model.onnx", "tokenizer.json", "calibration.json", "README.md",
        "model.safetensors", "config.json", "tokenizer_config.json",
    }  # fmt: skip
    assert "| toy.jsonl | 1 |" in (shipped / "README.md").read_text()
    engine = ArticleQA.from_documents(
        [Document.from_text("the old green bridge and Clara then.")], str(shipped)
    )
    assert engine.answer("Who is it?").text == "Clara"
    half = TransformersReader(str(shipped))
    (spans,) = half.read("Who is it?", ["the old green bridge and Clara then."])
    assert (spans[0].start, spans[0].end) == (25, 30)


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
def test_wrong_data_or_base_is_one_sentence(
    arguments, message, toy_base, toy_gold, tmp_path, monkeypatch, capsys
):
    (tmp_path / "empty.jsonl").write_text("")
    good = toy_gold.read_text().splitlines()[0]
    (tmp_path / "broken.jsonl").write_text(f"{good}\n{good[:40]}\n")
    monkeypatch.chdir(tmp_path)
    named = {"BASE": toy_base, "DATA": str(toy_gold)}
    assert main(["train", "run", *(named.get(argument, argument) for argument in arguments)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("article-qa: ")
    assert message in error


def test_a_run_tells_what_its_base_was_trained_on(toy_run, toy_gold, tmp_path):
    recipe = Recipe({str(toy_gold): 0.05}, learning_rate=1e-3, shares=AS_WRITTEN)
    train.train(recipe, str(toy_run[0]), tmp_path, progress=lambda line: None)
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["base_run"] == json.loads((toy_run[0] / RECORD).read_text())


def test_a_disk_without_room_is_told_before_the_first_step(toy_recipe, toy_base, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(train.shutil, "disk_usage", lambda path: usage)
    steps = []
    with pytest.raises(InputError, match=r"has 0.0 GB left .* free some space"):
        train.train(toy_recipe, toy_base, tmp_path, progress=steps.append)
    assert steps == []


def test_a_card_tells_of_every_stage(toy_run):
    record = json.loads((toy_run[0] / RECORD).read_text())
    text = card(record | {"base_run": record})
    assert text.count("## Training, stage") == 2
    assert "From stage 1: " in text
    assert "adversarial 0.0" in text
    assert f"exact {record['held_out'][0]['exact']}" in text
