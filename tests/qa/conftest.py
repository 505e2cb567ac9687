import dataclasses

import pytest

from qa.predictions import Prediction
from tests.qa.toy import train_reader

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
