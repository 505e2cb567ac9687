import random

import pytest
from tokenizers import Tokenizer

from index import Document
from index.embedder import BUNDLED
from qa.examples import LONG, Example, as_typed, make_examples, make_features
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


@pytest.fixture(scope="module")
def tokenizer():
    result = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
    result.no_padding()
    return result


def test_an_answerable_question_comes_with_its_paragraph_and_spans():
    questions = [gold("Who founded Acme?", "Ada Berg", "Ada"), *(gold("?", number=n) for n in (1, 2))]
    example = next(iter(make_examples(questions, 0.0, random.Random(0))))
    assert example.context == PARAGRAPHS[0]
    assert {example.context[start:end] for start, end in example.spans} == {"Ada Berg", "Ada"}


def test_negatives_are_passages_of_the_article_that_lack_the_answer():
    questions = [gold("Who founded the firm?", "Ada Berg"), *(gold("Rain?", number=n) for n in (1, 2))]
    examples = list(make_examples(questions, 1.0, random.Random(0)))
    assert [(e.context, e.spans) for e in examples if e.question == "Who founded the firm?"][1:] == [
        (PARAGRAPHS[1], ())
    ]


def test_an_unanswerable_question_comes_without_spans():
    (example,) = make_examples([gold("Who bought Acme?")], 1.0, random.Random(0))
    assert (example.context, example.spans) == (PARAGRAPHS[0], ())


def test_a_long_text_is_read_as_passages():
    text = " ".join(f"Sentence number {n} tells of thing {n}." for n in range(200)) + " Ada Berg owns it."
    assert len(text) > LONG
    (example,) = make_examples([gold("Who owns it?", "Ada Berg", text=text)], 0.0, random.Random(0))
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


def test_a_share_of_the_questions_loses_its_question_mark():
    rng = random.Random(0)
    marked = [as_typed(Example("Where is it?", "x", ()), 0.25, rng).question for _ in range(400)]
    assert 60 < marked.count("Where is it") < 140
    assert as_typed(Example("?", "x", ()), 1.0, rng).question == "?"
