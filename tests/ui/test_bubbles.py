import pytest

from ui.bubbles import answer_bubble, confidence_words, error_bubble, question_bubble
from ui.chat import EXAMPLES


@pytest.mark.parametrize(
    ("confidence", "words"), [(1.0, "very sure"), (0.9, "very sure"), (0.8, "fairly sure"), (0.0, "not sure")]
)
def test_confidence_in_words(confidence, words):
    assert confidence_words(confidence) == words


def test_every_text_is_escaped(bot):
    assert "<b>" not in question_bubble("<b>?")
    assert "<b>" not in error_bubble("<b>")


def test_the_answer_is_marked_where_it_stands_in_its_sentence(bot):
    bubble = answer_bubble(bot.answer("Where was Carlos Ghosn arrested?"))
    assert "who was arrested in <mark>Japan</mark> in 2018" in bubble


def test_what_was_understood_is_escaped_with_a_button_to_undo_it(bot):
    chat = bot.dialogue()
    chat.ask("Who was arrested?")
    bubble = answer_bubble(chat.ask("and when <b>?"))
    assert "<b>" not in bubble
    assert "Understood as: When &lt;b&gt; (Carlos Ghosn)?" in bubble
    assert 'data-astyped="and when &lt;b&gt;?"' in bubble


def test_the_examples_work(bot):
    """All have an answer but the last, which shows what an abstention looks like."""
    assert [bot.answer(question).answered for question in EXAMPLES] == [True] * (len(EXAMPLES) - 1) + [False]
