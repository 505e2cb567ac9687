import numpy as np
import pytest

from index import InputError
from qa.reader import OnnxReader, load_reader
from qa.transformers_reader import length_sorted_batches, padded


@pytest.mark.parametrize("size", [0, 1, 16, 17, 100])
def test_batches_hold_every_row_once(size):
    lengths = np.random.default_rng(size).integers(1, 50, size).tolist()
    batches = list(length_sorted_batches(lengths, 16))
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(size))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    assert all(1 <= len(batch) <= 16 for batch in batches)


def test_padded():
    tokenizer = OnnxReader()._tokenizer
    encodings = tokenizer.encode_batch([("a question", "its passage"), ("short", "one")])
    ids, types, mask = padded(encodings, pad_id=9)
    long, short = (len(encoding.ids) for encoding in encodings)
    assert ids.shape == types.shape == mask.shape == (2, max(long, short))
    for row, encoding in enumerate(encodings):
        size = len(encoding.ids)
        assert ids[row, :size].tolist() == encoding.ids
        assert types[row, :size].tolist() == encoding.type_ids
        assert (ids[row, size:] == 9).all()
        assert mask[row].tolist() == [1] * size + [0] * (mask.shape[1] - size)
    assert {ids.dtype, types.dtype, mask.dtype} == {np.dtype(np.int64)}


def test_a_device_that_is_not_here_is_refused(toy_readers):
    with pytest.raises(InputError, match="There is no device 'cuda:77' here: name another, or cpu"):
        load_reader(str(toy_readers("bert")), "cuda:77")


def test_the_bundled_reader_runs_on_the_cpu_only():
    with pytest.raises(InputError, match="The bundled reader runs on the CPU: name another model for 'cuda'"):
        load_reader(None, "cuda")
    load_reader(None, "cpu")


def test_a_device_by_name_reads_as_the_default(toy_readers):
    question, text = "Who is it?", "the old green bridge and Clara then."
    by_name, default = (load_reader(str(toy_readers("bert")), device) for device in ("cpu", None))
    assert by_name.read(question, [text])[0][0].start == default.read(question, [text])[0][0].start
