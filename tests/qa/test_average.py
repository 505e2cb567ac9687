import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from index import InputError
from qa.average import average
from qa.cli import main
from qa.train import AS_WRITTEN, RECORD, Recipe, train
from qa.train_command import card
from qa.transformers_reader import TransformersReader


@pytest.fixture
def moved(toy_run, tmp_path):
    """A run that ended elsewhere: the toy run's weights, each a little larger."""
    folder = tmp_path / "moved"
    shutil.copytree(toy_run[0], folder)
    weights = load_file(folder / "model.safetensors")
    larger = {name: weight + 0.02 for name, weight in weights.items()}
    save_file(larger, folder / "model.safetensors", metadata={"format": "pt"})
    record = json.loads((folder / RECORD).read_text())
    record["recipe"]["seed"] = 9
    (folder / RECORD).write_text(json.dumps(record))
    return folder


def test_the_average_lies_in_the_middle(toy_run, moved, tmp_path):
    average([toy_run[0], moved, moved], tmp_path / "out")
    found, start = (load_file(folder / "model.safetensors") for folder in (tmp_path / "out", toy_run[0]))
    assert found.keys() == start.keys()
    for name, weight in found.items():
        torch.testing.assert_close(weight, start[name] + 0.04 / 3, atol=1e-5, rtol=1e-4)


def test_the_average_is_a_reader(toy_run, toy_readers, tmp_path):
    learned = tmp_path / "learned"
    shutil.copytree(toy_readers("bert"), learned)
    shutil.copy(toy_run[0] / RECORD, learned)
    average([learned, learned], tmp_path / "out")
    (spans,) = TransformersReader(str(tmp_path / "out")).read(
        "Who is it?", ["the old bridge and Clara then."]
    )
    assert (spans[0].start, spans[0].end) == (19, 24)


def test_the_average_tells_of_its_runs(toy_run, moved, tmp_path):
    average([toy_run[0], moved], tmp_path / "out")
    text = card(json.loads((tmp_path / "out" / RECORD).read_text()))
    assert "the average of those after stages 1, 2" in text
    assert text.count("## Training, stage") == 2


def test_a_run_that_goes_on_from_an_average_has_a_card(toy_run, moved, toy_gold, tmp_path):
    average([toy_run[0], moved], tmp_path / "mean")
    recipe = Recipe({str(toy_gold): 0.05}, shares=AS_WRITTEN)
    train(recipe, str(tmp_path / "mean"), tmp_path / "out", progress=lambda line: None)
    text = card(json.loads((tmp_path / "out" / RECORD).read_text()))
    assert text.count("## Training, stage") == 3
    assert "From the average of those after stages 1, 2: " in text


def test_the_command_averages_exports_and_calibrates(toy_run, moved, toy_gold, tmp_path):
    out = tmp_path / "out"
    runs = ["--run", str(toy_run[0]), "--run", str(moved)]
    assert main(["average", str(out), *runs, "--data", str(toy_gold)]) == 0
    assert {"model.onnx", "calibration.json", "README.md"} <= {p.name for p in (out / "shipped").iterdir()}


def test_what_cannot_be_averaged_is_refused(toy_run, toy_readers, moved, tmp_path):
    run = toy_run[0]
    with pytest.raises(InputError, match="There is 1 run to average"):
        average([run], tmp_path / "out")
    with pytest.raises(InputError, match="holds no run"):
        average([run, tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(InputError, match="is not empty"):
        average([run, run], moved)
    other = tmp_path / "other"
    shutil.copytree(toy_readers("distilbert"), other)
    shutil.copy(run / RECORD, other)
    with pytest.raises(InputError, match="hold different models"):
        average([run, other], tmp_path / "out")
    record = json.loads((moved / RECORD).read_text())
    del record["steps"]
    (moved / RECORD).write_text(json.dumps(record))
    with pytest.raises(InputError, match="is not finished"):
        average([run, moved], tmp_path / "out")
    assert not (tmp_path / "out").exists()
