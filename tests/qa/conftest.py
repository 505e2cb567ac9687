import dataclasses
import json
import random

import pytest
import torch
from transformers import BertModel

from qa import train
from qa.predictions import Prediction
from qa.train import AS_WRITTEN, Recipe
from tests.qa.toy import config_of, example, tokenizer_of, train_reader

TOY_PARAGRAPHS = 2600

RIGHT = Prediction(
    id="1",
    article="cities",
    question="What is the capital of Italy?",
    answers=("Rome",),
    text="Rome",
    best="Rome",
    score=1.0,
    confidence=0.9,
    candidates=("Rome", "Milan"),
    gold_rank=1,
    read=5,
    passage="Italy's capital is Rome, not Milan.",
    passage_start=100,
    best_start=119,
    gold_passage="Italy's capital is Rome, not Milan.",
    gold_start=19,
    seconds=0.02,
)


@pytest.fixture(scope="session")
def predict():
    """A prediction, right unless fields given say otherwise."""

    def predict(identity="1", **fields):
        if "best" not in fields and fields.get("text"):
            fields["best"] = fields["text"]
        return dataclasses.replace(RIGHT, id=str(identity), **fields)

    return predict


@pytest.fixture(scope="session")
def toy_readers(tmp_path_factory):
    """Folder of a tiny trained reader of one of the families of `tests.qa.toy`, trained once."""
    folders = {}

    def folder(family):
        if family not in folders:
            folders[family] = train_reader(family, tmp_path_factory.mktemp("readers") / family)
        return folders[family]

    return folder


@pytest.fixture(scope="session")
def toy_base(tmp_path_factory):
    """An untrained encoder with its tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    tokenizer = tokenizer_of("bert")
    BertModel(config_of("bert", tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def toy_gold(tmp_path_factory):
    """A gold set in the toy language."""
    rng = random.Random(11)
    path = tmp_path_factory.mktemp("data") / "toy.jsonl"
    with path.open("w") as file:
        for number in range(TOY_PARAGRAPHS):
            question, context, answer = example(rng, answerable=number % 2 > 0)
            answers = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
            row = {"id": str(number), "article": str(number), "question": question, "context": context}
            file.write(json.dumps(row | {"answers": answers}) + "\n")
    return path


@pytest.fixture(scope="session")
def toy_recipe(toy_gold):
    """One pass over the toy gold set, its questions as they are."""
    return Recipe({str(toy_gold): 1.0}, learning_rate=3e-3, shares=AS_WRITTEN)


@pytest.fixture(scope="session")
def toy_run(toy_recipe, toy_base, tmp_path_factory):
    """A finished run: its folder and losses."""
    out = tmp_path_factory.mktemp("run")
    return out, train.train(toy_recipe, toy_base, out, progress=lambda line: None)
