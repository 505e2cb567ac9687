import pytest

from index.errors import InputError, reason


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("no such file."), "no such file"),
        (ValueError("\nfirst line:\nsecond line"), "first line"),
        (KeyError(), "KeyError"),
        (RuntimeError(" \n"), "RuntimeError"),
    ],
)
def test_reason_is_one_line(error, expected):
    assert reason(error) == expected


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)
