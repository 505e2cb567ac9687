import json
import logging
import types
from dataclasses import asdict, replace

import pytest

import qa
from index import Document, InputError
from qa import ArticleQA
from qa.evaluation import ask, distinct, evaluate, load_questions, of_paragraph, predict
from qa.gold import read_gold
from seeds import ARTICLE, GOLD

FIRST = "Acme Robotics was founded in 1987 by Ada Brook in Leeds. It makes robots for hospitals."
SECOND = "In 2019 the company moved to Porto. Its chief engineer is Miguel Costa."
TEXT = f"{FIRST}\n\n{SECOND}"
QUESTIONS = [
    ("a", "Who founded Acme Robotics?", "Ada Brook", FIRST),
    ("b", "When was Acme Robotics founded?", "1987", FIRST),
    ("c", "Where did the company move in 2019?", "Porto", SECOND),
    ("d", "Who is the chief engineer?", "Miguel Costa", SECOND),
    ("e", "How many people died in the flood in Lima?", None, SECOND),
]
READ = ArticleQA._spans
TIMES = ("latency_p50_ms", "latency_p95_ms", "questions_per_second")


def plain():
    return [
        {"id": identity, "question": question, "answers": [answer] if answer else []}
        for identity, question, answer, _ in QUESTIONS
    ]


def with_contexts():
    return [
        row | {"article": "acme.txt", "context": context, "answers": located(row["answers"], context)}
        for row, (_, _, _, context) in zip(plain(), QUESTIONS, strict=True)
    ]


def located(answers, context):
    return [{"text": answer, "answer_start": context.index(answer)} for answer in answers]


def squad():
    paragraphs = [
        {
            "context": context,
            "qas": [
                {name: row[name] for name in ("id", "question", "answers")}
                | {"is_impossible": not row["answers"]}
                for row in with_contexts()
                if row["context"] == context
            ],
        }
        for context in (FIRST, SECOND)
    ]
    return {"version": "v2.0", "data": [{"title": "acme.txt", "paragraphs": paragraphs}]}


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    """The same content in all formats."""
    folder = tmp_path_factory.mktemp("gold")
    rows = {
        "plain": plain(),
        "contexts": with_contexts(),
        "document": [{"id": "1", "title": "acme.txt", "text": TEXT, "qas": plain(), "dialogue": []}],
        "squad": [squad()],
    }
    for name, content in rows.items():
        (folder / name).write_text("\n".join(json.dumps(row) for row in content))
    (folder / "acme.txt").write_text(TEXT)
    return folder


def outcome(formats, name, task):
    """All that does not depend on the clock."""
    result = evaluate(formats / name, task=task, files=[str(formats / "acme.txt")])
    metrics = {key: value for key, value in result.metrics.items() if key not in TIMES}
    return metrics, [asdict(prediction) | {"seconds": 0} for prediction in result.predictions]


@pytest.fixture(scope="module")
def in_article(formats):
    return outcome(formats, "plain", "article")


@pytest.mark.parametrize("name", ["contexts", "document", "squad"])
def test_formats_agree(formats, in_article, name):
    assert outcome(formats, name, "article") == in_article


def test_formats_agree_on_paragraphs(formats):
    metrics, predictions = outcome(formats, "contexts", "paragraph")
    assert outcome(formats, "squad", "paragraph") == (metrics, predictions)
    assert outcome(formats, "document", "paragraph") == outcome(formats, "plain", "paragraph")
    assert [p["passage"] for p in predictions[:4]] == [FIRST, FIRST, SECOND, SECOND]
    assert not {"mrr", "recall@1"} & metrics.keys()
    assert metrics["em"] == 100


def test_the_easy_set_is_answered(in_article):
    metrics, predictions = in_article
    assert metrics["em"] == 100
    assert metrics["recall@10"] == 100
    assert [p["text"] for p in predictions] == [answer or "" for _, _, answer, _ in QUESTIONS]
    assert {p["article"] for p in predictions} == {"acme.txt"}


@pytest.fixture(scope="module")
def over_seeds():
    return evaluate(GOLD)


def test_predictions_point_into_the_document(over_seeds):
    text = ARTICLE.read_text(encoding="utf-8")
    assert over_seeds.title == "gold.jsonl, article task"
    assert len(over_seeds.predictions) == 48
    for p in over_seeds.predictions:
        assert text.startswith(p.best, p.best_start)
        assert text.startswith(p.passage, p.passage_start)
        assert p.passage.startswith(p.best, p.best_start - p.passage_start)
        assert p.best == p.candidates[0]
        assert p.gold_passage in text
        assert p.answerable == (p.gold_start >= 0)
        assert any(p.gold_passage.startswith(answer, p.gold_start) for answer in p.answers or [""])


def test_the_score_decides(over_seeds):
    assert all(p.answered == (p.score > 0) for p in over_seeds.predictions)
    assert all(p.text in ("", p.best) for p in over_seeds.predictions)
    assert 5 < sum(p.answered for p in over_seeds.predictions) < 43


def test_answers_are_those_that_people_get(over_seeds):
    for p in over_seeds.predictions[::8]:
        answer = qa.answer(p.question)
        assert (answer.text, answer.confidence) == (p.text, p.confidence)


def test_a_long_paragraph_is_read_whole(tmp_path):
    filler = "The committee met again in the afternoon and talked about the weather at some length. " * 60
    context = f"{filler}The treasurer of the club is Wilma Okafor. {filler}"
    row = {
        "id": 1,
        "context": context,
        "question": "Who is the treasurer of the club?",
        "answers": located(["Wilma Okafor"], context),
    }
    (tmp_path / "gold.jsonl").write_text(json.dumps(row))
    (prediction,) = evaluate(tmp_path / "gold.jsonl", task="paragraph").predictions
    assert prediction.best == "Wilma Okafor"
    assert prediction.passage == context
    assert prediction.gold_rank == 1


def test_several_files_are_asked_together(tmp_path):
    first = "Ada Brook founded Acme in Leeds."
    second = "Berta Lind founded Bolt in Graz. Bolt has a branch in Leeds."
    rows = [
        {"id": "a", "question": "Who founded Bolt?", "answers": ["Berta Lind"]},
        {"id": "b", "question": "Where does Bolt have a branch?", "answers": ["Leeds"]},
    ]
    (tmp_path / "gold.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for name, text in (("first", first), ("second", second)):
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / "first"), str(tmp_path / "second")]
    predictions = evaluate(tmp_path / "gold.jsonl", files=files).predictions
    assert [p.best for p in predictions] == ["Berta Lind", "Leeds"]
    assert [p.gold_rank for p in predictions] == [1, 1]
    assert predictions[1].gold_passage == second
    assert {p.article for p in predictions} == {"first, second"}
    with pytest.raises(InputError, match="Several files"):
        evaluate(tmp_path / "gold.jsonl", files=files, task="paragraph")


@pytest.mark.parametrize("kind", ["plain", "with contexts"])
def test_an_index_is_asked_as_a_whole(tmp_path, kind):
    engine = ArticleQA.open(tmp_path / "shelf", create=True)
    engine.put(Document.from_text(TEXT, "acme"))
    engine.put(Document.from_text("Bolt & Co was founded in 1911 by Max Rain in Bonn.", "bolt"))
    gold = tmp_path / "gold.jsonl"
    rows = plain() if kind == "plain" else with_contexts()
    gold.write_text("\n".join(map(json.dumps, rows)))
    result = evaluate(gold, index=tmp_path / "shelf")
    assert (result.metrics["em"], result.metrics["recall@5"]) == (100.0, 100.0)
    assert {len(prediction.candidates) > 0 for prediction in result.predictions} == {True}
    with pytest.raises(InputError, match="An index is no paragraph"):
        evaluate(gold, index=tmp_path / "shelf", task="paragraph")


def test_only_passages_of_the_article_are_gold_where_it_is_there(tmp_path):
    choir = "Who founded Acme Robotics? Ada Brook founded Acme Robotics, they say, and a choir."
    (question,) = (q for q in read_gold(_written(tmp_path, with_contexts())) if q.id == "a")
    both = ArticleQA.from_documents([question.document, Document.from_text(choir)])
    assert ask(both, question).gold_rank == 2
    assert ask(ArticleQA.from_text(choir), question).gold_rank == 1


def _written(folder, rows):
    path = folder / "gold.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_gold_that_no_passage_holds(tmp_path):
    sentences = " ".join(f"Sentence number {i} of the story says nothing of note." for i in range(40))
    gold = sentences[300:1500]
    (tmp_path / "story.txt").write_text(sentences)
    (tmp_path / "gold.jsonl").write_text(json.dumps({"id": 1, "question": "Which story?", "answers": [gold]}))
    (prediction,) = evaluate(tmp_path / "gold.jsonl", files=[str(tmp_path / "story.txt")]).predictions
    assert prediction.gold_rank is None
    assert prediction.gold_passage.startswith(gold, prediction.gold_start)


def test_of_paragraph(formats):
    (question,) = (q for q in read_gold(formats / "contexts") if q.id == "c")
    moved = of_paragraph(question)
    assert moved.document.text == SECOND
    assert moved.document.title == "acme.txt"
    assert [SECOND[start:end] for start, end in moved.spans] == ["Porto"]


def test_answers_that_do_not_stand_there_are_counted(tmp_path, caplog):
    rows = [row | {"answers": [*row["answers"], "Atlantis", "Utopia"]} for row in plain()[:2]]
    (tmp_path / "gold.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows, *plain()[2:]]))
    load_questions(tmp_path / "gold.jsonl", [Document.from_text(TEXT)])
    ((_, level, message),) = caplog.record_tuples
    assert level == logging.WARNING
    assert message.startswith("4 gold answers of 2 questions do not stand in the text")
    assert "'Atlantis' of question a" in message


def test_ids_are_distinct(formats, caplog):
    questions = read_gold(formats / "contexts")
    with pytest.raises(InputError, match="2 questions have an id that came before, the first being 'a'"):
        distinct([*questions, questions[0], questions[1]])
    with pytest.raises(InputError, match="came before"):
        evaluate([*questions, questions[0]])
    assert distinct([*questions, questions[0]], skip_repeated=True) == questions
    assert "1 questions are left out" in caplog.text
    with pytest.raises(InputError, match="no question"):
        evaluate([])


def test_bad_arguments(formats):
    with pytest.raises(InputError, match="'sentence' is no task: name one of article, paragraph"):
        evaluate(formats / "contexts", task="sentence")
    with pytest.raises(InputError, match="nowhere"):
        evaluate(formats / "contexts", reader="/nowhere")


def test_predictions_come_one_by_one(formats):
    assert isinstance(predict(read_gold(formats / "contexts"), "article"), types.GeneratorType)


def test_public_name_is_the_function():
    assert qa.evaluate is evaluate  # no submodule has taken its name


def test_words_that_were_asked_before_are_read_again(monkeypatch):
    reads = []
    monkeypatch.setattr(ArticleQA, "_spans", lambda self, asked: reads.extend(asked) or READ(self, asked))
    (question,) = load_questions(GOLD, [Document.from_text(ARTICLE.read_text())])[:1]
    asked = list(predict([question, replace(question, id="again")], "article"))
    assert len(reads) == len(asked) == 2
    assert asked[0].text == asked[1].text
