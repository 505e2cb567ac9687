import random

import pytest

from index.embedder import load_embedder
from qa.adversarial import Vocabulary, make_unanswerable

CONTEXT = "In 1851 the painter Ada Berg opened the largest school of Norway in Oslo, paid for by Acme."
ELSEWHERE = [
    "Its rival in Bergen, the school of Boris Lund, closed in 1858.",
    "In Stockholm the firm Globex paid for another, and in Oslo too.",
]
ANSWERS = ["Ada Berg"]


@pytest.fixture(scope="module")
def article():
    return Vocabulary([CONTEXT, *ELSEWHERE], load_embedder())


def changed(question, article, times=40):
    """What the rules make of a question, however they are drawn."""
    return {
        make_unanswerable(question, CONTEXT, ANSWERS, article, random.Random(seed)) for seed in range(times)
    }


def test_names_and_numbers_of_an_article_are_found(article):
    assert {"Ada Berg", "Norway", "Oslo", "Acme", "Bergen", "Boris Lund", "Stockholm"} <= set(article.names)
    assert "In" not in article.names  # a capital at the start of a sentence says nothing
    assert article.numbers == ["1851", "1858"]


def test_a_town_is_like_a_town(article):
    order = list(article.names_like("Oslo"))
    assert order[0] == "Oslo"
    assert order.index("Stockholm") < order.index("Globex")


def test_a_name_gives_way_to_one_that_the_context_does_not_hold(article):
    questions = changed("Who opened a school in Oslo?", article)
    assert "Who opened a school in Stockholm?" in questions
    assert not any("Ada" in question or "Berg" in question for question in questions - {None})
    assert "Who opened a school in Norway?" not in questions


def test_a_number_gives_way_to_another(article):
    questions = changed("Who opened it in 1851?", article)
    assert "Who opened it in 1858?" in questions
    assert "Who opened it in 1851?" not in questions


def test_a_word_gives_way_to_its_opposite(article):
    assert "Who opened the smallest school?" in changed("Who opened the largest school?", article)
    assert "Who closed it?" in changed("Who opened it?", article)


def test_an_opposite_that_the_context_holds_is_left_alone(article):
    context = "The school opened in May and closed in June."
    for seed in range(20):
        assert make_unanswerable("When was it opened?", context, ["May"], article, random.Random(seed)) in (
            None,
            "When wasn't it opened?",
            "When was it not opened?",
        )


def test_a_question_typed_in_lower_case_stays_so(article):
    questions = changed("who opened a school in oslo", article)
    assert "who opened a school in stockholm" in questions
    assert all(question.islower() for question in questions - {None})


def test_a_question_without_anything_to_change_stays(article):
    assert changed("Why so?", article) == {None}


def test_a_question_is_negated_in_both_ways_and_never_twice(article):
    questions = [
        make_unanswerable("When was it painted?", CONTEXT, [], article, random.Random(seed))
        for seed in range(300)
    ]
    contracted, apart = (
        questions.count("When wasn't it painted?"),
        questions.count("When was it not painted?"),
    )
    assert min(contracted, apart) > 40
    assert contracted + apart < 200
    assert changed("Wasn't it ready?", article) == {None}
