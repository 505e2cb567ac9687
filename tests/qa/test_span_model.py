import numpy as np
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, BertForQuestionAnswering

from index import InputError
from qa.examples import Features
from qa.span_model import _round_input, load_base, logits, span_loss
from tests.qa.toy import config_of, tokenizer_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader")
    torch.manual_seed(0)
    tokenizer = tokenizer_of("bert")
    BertForQuestionAnswering(config_of("bert", tokenizer)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def window(*ids):
    types = [0, 0, *[1] * (len(ids) - 2)]
    return Features(np.array(ids, np.int32), np.array(types, np.int8), ((0, 0),))


def test_the_attention_is_that_of_transformers_but_for_rounding(folder):
    _, ours = load_base(str(folder))
    theirs = AutoModelForQuestionAnswering.from_pretrained(folder, attn_implementation="sdpa").eval()
    batch = [window(5, 6, 7, 8, 9, 10), window(11, 12, 13)]
    with torch.no_grad():
        for found, expected in zip(logits(ours.eval(), batch), logits(theirs, batch), strict=True):
            torch.testing.assert_close(found, expected, atol=2e-2, rtol=2e-2)


def test_padding_changes_nothing_and_is_never_chosen(folder):
    _, model = load_base(str(folder))
    short, long = window(11, 12, 13), window(*range(5, 45))
    with torch.no_grad():
        alone, padded = logits(model.eval(), [short])[0], logits(model, [short, long])[0]
    torch.testing.assert_close(alone[0], padded[0, :3], atol=2e-2, rtol=2e-2)
    assert (padded[0, 3:] < -1000).all()


def test_gradients_reach_every_weight(folder):
    _, model = load_base(str(folder))
    start, end = logits(model.train(), [window(5, 6, 7, 8)])
    span_loss(start, end, [((2, 3),)]).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert without == []


def test_each_layer_is_given_no_more_than_256_values(folder):
    _, model = load_base(str(folder))
    seen = []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.no_grad():
        logits(model.eval(), [window(*range(5, 45)), window(11, 12, 13)])
    assert len(seen) == 6 * model.config.num_hidden_layers + 1
    assert all(len(values.unique()) <= 256 for inputs in seen for values in inputs)


def test_rounding_lets_the_gradient_through(folder):
    values = torch.linspace(-1.0, 3.0, 24).reshape(1, 4, 6).requires_grad_()
    rounded = _round_input(torch.nn.Identity(), (values,))[0]
    step = 4 / 255
    assert 0 < (rounded - values).abs().max() <= step / 2 + 1e-6
    torch.testing.assert_close(rounded / step, (rounded / step).round(), atol=1e-4, rtol=0)
    (rounded * 2).sum().backward()
    torch.testing.assert_close(values.grad, torch.full_like(values, 2.0))


def test_span_loss_counts_every_acceptable_answer():
    start, end = torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    p, q = start.softmax(-1)[0], end.softmax(-1)[0]
    expected = -torch.log(p[1] * q[2] + p[2] * q[2])
    torch.testing.assert_close(span_loss(start, end, [((1, 2), (2, 2))]), expected)
    torch.testing.assert_close(span_loss(start, end, [((0, 0),)]), -torch.log(p[0] * q[0]))


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="not a model to start from"):
        load_base("./nowhere")
