import random

import pytest
from tokenizers import Tokenizer

from index import Document
from index.embedder import BUNDLED, load_embedder
from qa.examples import LONG, Example, Shares, make_articles, make_examples, make_features, varied
from qa.gold import GoldQuestion, occurrences

PARAGRAPHS = [
    "Ada Berg founded Acme in Oslo. The firm makes anvils.",
    "The founder of the rival firm Globex, Boris, lives in Lima and makes rockets.",
    "Rain fell on the plain all day.",
]
TEXT = "\n\n".join(PARAGRAPHS)


def gold(question, *answers, number=0, text=TEXT):
    start = text.index(PARAGRAPHS[number]) if text is TEXT else 0
    end = start + (len(PARAGRAPHS[number]) if text is TEXT else len(text))
    spans = tuple(span for a in answers for span in occurrences(text, a) if start <= span[0] < end)
    return GoldQuestion(question, question, answers, Document.from_text(text), (start, end), spans)


def shares(**given):
    """Shares that are 0 but for those given."""
    return Shares(**(dict.fromkeys(Shares.__slots__, 0.0) | given))


def examples(questions, of_those, seed=0):
    """The examples of gold questions."""
    articles, rng = make_articles(questions, load_embedder()), random.Random(seed)
    return [e for q in questions for e in make_examples(q, articles, of_those, rng)]


@pytest.fixture(scope="module")
def tokenizer():
    result = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
    result.no_padding()
    return result


def test_an_answerable_question_comes_with_its_paragraph_and_spans():
    questions = [gold("Who founded Acme?", "Ada Berg", "Ada"), *(gold("?", number=n) for n in (1, 2))]
    example = examples(questions, shares())[0]
    assert example.context == PARAGRAPHS[0]
    assert {example.context[start:end] for start, end in example.spans} == {"Ada Berg", "Ada"}


def test_negatives_are_passages_of_the_article_that_lack_the_answer():
    questions = [gold("Who founded the firm?", "Ada Berg"), *(gold("Rain?", number=n) for n in (1, 2))]
    made = examples(questions, shares(negatives=1.0))
    assert [(e.context, e.spans) for e in made if e.question == "Who founded the firm?"][1:] == [
        (PARAGRAPHS[1], ())
    ]


def test_foreign_contexts_are_of_another_article():
    questions = [gold("Who founded Acme?", "Ada Berg"), gold("Who won?", "Ines", text="Ines won the race.")]
    made = [e for seed in range(9) for e in examples(questions, shares(foreign=1.0), seed)]
    foreign = {(e.question, e.context) for e in made if not e.spans}
    assert ("Who founded Acme?", "Ines won the race.") in foreign
    assert {context for question, context in foreign if question == "Who won?"} == set(PARAGRAPHS[:1])


def test_an_unanswerable_question_comes_without_spans():
    (example,) = examples([gold("Who bought Acme?")], shares(negatives=1.0, adversarial=1.0))
    assert (example.context, example.spans) == (PARAGRAPHS[0], ())


def test_a_long_text_is_read_as_passages():
    text = " ".join(f"Sentence number {n} tells of thing {n}." for n in range(200)) + " Ada Berg owns it."
    assert len(text) > LONG
    (example,) = examples([gold("Who owns it?", "Ada Berg", text=text)], shares())
    assert len(example.context) < LONG
    ((start, end),) = example.spans
    assert example.context[start:end] == "Ada Berg"


def test_features_point_at_the_tokens_of_the_answer(tokenizer):
    tokenizer.no_truncation()
    start = PARAGRAPHS[0].index("Oslo")
    (features,) = make_features(Example("Where?", PARAGRAPHS[0], ((start, start + 4),)), tokenizer)
    first, last = features.targets[0]
    assert tokenizer.decode(features.ids[first : last + 1].tolist()) == "oslo"


def test_no_span_is_the_null_token(tokenizer):
    tokenizer.no_truncation()
    (features,) = make_features(Example("Where?", PARAGRAPHS[0], ()), tokenizer)
    assert features.targets == ((0, 0),)
    assert tokenizer.id_to_token(int(features.ids[0])) == "[CLS]"


def test_windows_without_the_whole_answer_have_none(tokenizer):
    tokenizer.enable_truncation(24, stride=4, strategy="only_second")
    text = " ".join(["word"] * 60) + " Oslo"
    windows = list(make_features(Example("Where?", text, ((len(text) - 4, len(text)),)), tokenizer))
    assert len(windows) > 2
    assert [window.targets == ((0, 0),) for window in windows] == [True] * (len(windows) - 1) + [False]


def test_an_adversarial_question_has_the_context_of_the_one_it_was_made_from():
    questions = [gold("Who founded Acme?", "Ada Berg"), gold("Who makes rockets?", "Boris", number=1)]
    (_, changed, *_) = examples(questions, shares(adversarial=1.0))
    assert changed.question.startswith("Who founded ")
    assert not changed.question.startswith("Who founded Acme")
    assert (changed.context, changed.spans) == (PARAGRAPHS[0], ())


def test_a_share_of_the_questions_loses_its_question_mark():
    rng, some = random.Random(0), shares(unmarked=0.25)
    marked = [varied(Example("Where is it?", "x", ()), some, rng).question for _ in range(400)]
    assert 60 < marked.count("Where is it") < 140
    assert varied(Example("?", "x", ()), shares(unmarked=1.0), rng).question == "?"


def test_a_mistyped_question_has_two_letters_in_the_wrong_order():
    rng, always = random.Random(0), shares(mistyped=1.0)
    question = varied(Example("Who founded it?", "x", ()), always, rng).question
    assert question != "Who founded it?"
    assert sorted(question) == sorted("Who founded it?")
    assert varied(Example("Who?", "x", ()), always, rng).question == "Who?"


def test_a_cropped_context_keeps_its_answers():
    context = " ".join(PARAGRAPHS)
    start = context.index("Boris")
    whole = Example("Who?", context, ((start, start + 5),))
    contexts = set()
    for seed in range(60):
        cropped = varied(whole, shares(cropped=1.0), random.Random(seed))
        ((first, last),) = cropped.spans
        assert cropped.context[first:last] == "Boris"
        assert cropped.context in context
        contexts.add(cropped.context)
    assert len(contexts) > 3
    assert PARAGRAPHS[1] in contexts


def test_a_cropped_context_without_answer_is_some_of_its_sentences():
    context = " ".join(PARAGRAPHS)
    crops = {
        varied(Example("Who?", context, ()), shares(cropped=1.0), random.Random(seed)).context
        for seed in range(60)
    }
    assert len(crops) > 3
    assert all(crop and crop in context for crop in crops)
