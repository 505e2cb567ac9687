import pytest
import torch

from index import InputError
from index.torch_device import precision, torch_device


def test_a_device_by_its_name():
    assert torch_device("cpu") == torch.device("cpu")
    assert torch_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:77", "no such thing"])
def test_a_device_that_is_not_here(name):
    with pytest.raises(InputError, match=f"There is no device '{name}' here: name another, or cpu"):
        torch_device(name)


def test_half_precision_on_a_gpu_only():
    assert precision(torch.device("cuda")) is torch.float16
    assert precision(torch.device("cpu")) is torch.float32
