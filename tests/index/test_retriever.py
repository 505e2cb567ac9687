import subprocess
import sys

import pytest

from index import Document
from index.retriever import DEPTH, WORDS_WEIGHT, retrieve
from index.store import MemoryIndex
from seeds import ARTICLE

HEAVY = {
    "faiss",
    "numpy",
    "onnxruntime",
    "tantivy",
    "tokenizers",
    "torch",
    "transformers",
    "sentence_transformers",
}


@pytest.fixture(scope="module")
def article(embedder):
    index = MemoryIndex(embedder)
    index.add([Document.from_text(ARTICLE.read_text())])
    return index


@pytest.fixture(scope="module")
def many(embedder):
    """More passages than either side is asked for."""
    index = MemoryIndex(embedder)
    index.add(
        Document.from_text(f"Ship number {number} carries {number % 7} tons of {cargo}.")
        for number in range(40)
        for cargo in ("tea", "coal", "fish")
    )
    return index


def by_hand(index, question):
    """Scores by number of passage, best first: cosine + weight * BM25."""
    cosines = dict(zip(*(array.tolist() for array in index.search_vectors(question, DEPTH)), strict=True))
    words = dict(zip(*(array.tolist() for array in index.search_words(question, DEPTH)), strict=True))
    scores = {
        number: cosines.get(number, min(cosines.values())) + WORDS_WEIGHT * words.get(number, 0)
        for number in cosines.keys() | words.keys()
    }
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


@pytest.mark.parametrize(
    "question", ["Where was Ghosn arrested?", "what is renault putting its money into", "zxqv?"]
)
def test_order_is_by_the_sum(article, question):
    hits = retrieve(article, question, 100)
    scores = by_hand(article, question)
    assert [hit.score for hit in hits] == pytest.approx(list(scores.values()))
    assert [hit.passage for hit in hits] == [article.passages[number] for number in scores]
    assert all(hit.score == pytest.approx(hit.cosine + WORDS_WEIGHT * hit.bm25) for hit in hits)


def test_a_passage_found_by_words_alone_counts_as_near_as_the_last(many):
    question = "Which ships have fish aboard, number 5, 17, 23 or 38?"
    hits = retrieve(many, question, 1000)
    nearest, cosines = many.search_vectors(question, DEPTH)
    near = {many.passages[number].text for number in nearest.tolist()}
    alone = [hit for hit in hits if hit.passage.text not in near]
    assert len(nearest) == DEPTH < len(many.passages)
    assert alone
    assert all(hit.bm25 > 0 and hit.cosine == pytest.approx(cosines.min()) for hit in alone)
    assert [hit.score for hit in hits] == pytest.approx(list(by_hand(many, question).values()))
    assert len({hit.passage for hit in hits}) == len(hits)


def test_fewer_are_the_first_of_more(many):
    everything = retrieve(many, "tons of coal", 1000)
    for count in (0, 1, 5, 60):
        assert retrieve(many, "tons of coal", count) == everything[:count]


def test_words_unknown_leave_the_cosine(article):
    hits = retrieve(article, "qqxyz vvkj", 5)
    assert len(hits) == 5
    assert all(hit.bm25 == 0 and hit.score == hit.cosine for hit in hits)


@pytest.mark.parametrize("question", ["?", "the", "\x00", "日本 👍🏽", 'AND ( " : *', "x" * 2000])
def test_odd_questions_find_something(article, question):
    assert len(retrieve(article, question, 5)) == 5


def test_count_larger_than_the_index(article):
    assert len(retrieve(article, "Ghosn", 1000)) == len(article.passages)


def test_the_answer_is_found(article):
    assert "arrested in Japan" in retrieve(article, "Where was Ghosn arrested?", 1)[0].passage.text


def modules_after(code):
    """The names of the top-level modules that a fresh interpreter has loaded after some code."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light():
    assert not modules_after("import index") & HEAVY


def test_bundled_models_never_import_torch():
    loaded = modules_after(
        "from index import Document\n"
        "from index.embedder import load_embedder\n"
        "from index.retriever import retrieve\n"
        "from index.store import MemoryIndex\n"
        "index = MemoryIndex(load_embedder())\n"
        "index.add([Document.from_text('Fish live in the sea.')])\n"
        "assert retrieve(index, 'What lives in the sea?', 1)[0].bm25 > 0"
    )
    assert {"faiss", "onnxruntime", "tantivy"} <= loaded
    assert not loaded & {"torch", "transformers", "sentence_transformers"}
