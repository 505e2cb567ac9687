import numpy as np
import pytest

from index import Document
from index.passages import whole_text
from index.retriever import retrieve
from index.store import MemoryIndex
from seeds import ARTICLE

GHOSN = Document.from_text("Carlos Ghosn was arrested in Japan.", title="ghosn")
FISH = Document.from_text("Fish live in the sea.", title="fish")
ARTICLE_TEXT = Document.from_text(ARTICLE.read_text())


class EnoughError(Exception):
    pass


@pytest.fixture
def index(embedder):
    return MemoryIndex(embedder)


def texts(index, hits):
    return [index.passages[number].text for number in hits[0].tolist()]


def test_add(index):
    index.add([GHOSN, ARTICLE_TEXT])
    assert list(index.documents.values()) == [GHOSN, ARTICLE_TEXT]
    assert list(index.passages) == list(range(len(index.passages)))
    for passage in index.passages.values():
        assert index.documents[passage.document_id].text[passage.start : passage.end] == passage.text


def test_add_again_changes_nothing(index):
    index.add([GHOSN, GHOSN])
    index.add([Document.from_text(GHOSN.text, title="another"), FISH])
    assert [document.title for document in index.documents.values()] == ["ghosn", "fish"]
    assert len(index.passages) == 2
    assert len(index.search_vectors("Ghosn", 10)[0]) == 2
    assert len(index.search_words("Ghosn", 10)[0]) == 1


def test_split_given(embedder):
    index = MemoryIndex(embedder, whole_text)
    index.add([ARTICLE_TEXT])
    assert [passage.text for passage in index.passages.values()] == [ARTICLE_TEXT.text]


def test_add_takes_any_iterable(index):
    index.add(document for document in (GHOSN, FISH))
    index.add([])
    assert len(index.documents) == 2


def test_views_cannot_be_written(index):
    with pytest.raises(TypeError):
        index.documents["x"] = GHOSN
    with pytest.raises(TypeError):
        index.passages[0] = None


def test_search(index):
    index.add([FISH, GHOSN, ARTICLE_TEXT])
    assert texts(index, index.search_vectors("What lives in the sea?", 1)) == [FISH.text]
    assert texts(index, index.search_words("fishes of the seas", 5)) == [FISH.text]
    numbers, scores = index.search_vectors("Who was arrested?", 3)
    assert texts(index, (numbers, scores))[0] == GHOSN.text
    assert (numbers.dtype, scores.dtype) == (np.int64, np.float32)
    assert list(scores) == sorted(scores, reverse=True)
    assert (np.abs(scores) <= 1.001).all()


def test_scores_are_cosines(index, embedder):
    index.add([FISH])
    question, text = embedder.encode(["What lives in the sea?"])[0], embedder.encode([FISH.text])[0]
    assert index.search_vectors("What lives in the sea?", 1)[1] == pytest.approx([question @ text], abs=1e-5)


def test_remove(index):
    index.add([GHOSN, FISH])
    index.remove([GHOSN.id, "unknown"])
    assert list(index.documents) == [FISH.id]
    assert texts(index, index.search_vectors("Ghosn", 10)) == [FISH.text]
    assert texts(index, index.search_words("Ghosn arrested", 10)) == []
    assert [hit.passage.text for hit in retrieve(index, "Was Ghosn arrested?", 10)] == [FISH.text]


def test_remove_nothing(index):
    index.add([GHOSN])
    index.remove([])
    index.remove(["unknown"])
    assert list(index.documents) == [GHOSN.id]


def test_numbers_are_never_used_twice(index):
    index.add([GHOSN, FISH])
    index.remove([FISH.id])
    index.add([FISH])
    assert list(index.passages) == [0, 2]
    index.remove([GHOSN.id, FISH.id])
    index.add([GHOSN])
    assert list(index.passages) == [3]
    assert [hit.passage for hit in retrieve(index, "Ghosn", 5)] == [index.passages[3]]


def test_an_empty_index_finds_nothing(index):
    for _ in range(2):
        for numbers, scores in (index.search_vectors("Ghosn", 5), index.search_words("Ghosn", 5)):
            assert (numbers.shape, scores.shape) == ((0,), (0,))
            assert (numbers.dtype, scores.dtype) == (np.int64, np.float32)
        assert retrieve(index, "Ghosn", 5) == []
        index.add([GHOSN])
        index.remove(identity for identity in [GHOSN.id])


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_count(index, count):
    index.add([GHOSN, FISH])
    assert len(index.search_vectors("Ghosn", count)[0]) == min(count, 2)
    assert len(index.search_words("Ghosn fish", count)[0]) == min(count, 2)


def test_only_some_documents(index):
    index.add([GHOSN, FISH, ARTICLE_TEXT])
    part = index.only([ARTICLE_TEXT.id, FISH.id, "unknown"])
    assert list(part.documents) == [ARTICLE_TEXT.id, FISH.id]
    assert {passage.document_id for passage in part.passages.values()} == {ARTICLE_TEXT.id, FISH.id}
    for search in ("search_vectors", "search_words"):
        question = "What lives in the sea?"
        numbers, scores = getattr(part, search)(question, 1)
        assert part.passages[int(numbers[0])].text == FISH.text
        if search == "search_vectors":
            assert scores == pytest.approx(getattr(index, search)(question, 1)[1], abs=1e-6)
    part.remove([FISH.id])
    part.add([GHOSN])
    assert list(index.documents) == [GHOSN.id, FISH.id, ARTICLE_TEXT.id]
    assert texts(index, index.search_words("fish", 5)) == [FISH.text]


def test_only_no_document(index):
    index.add([GHOSN])
    assert retrieve(index.only([]), "Ghosn", 5) == []


def test_progress_is_told_and_may_end_it(index):
    long = Document.from_text(
        "".join(f"Hall {number} holds {number} fishes of one kind. " for number in range(4000))
    )
    steps = []
    index.add([long], lambda done, of: steps.append((done, of)))
    count = len(index.passages)
    assert steps[0] == (0, count)
    assert steps[-1] == (count, count)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})

    def stop(done, of):
        if done:
            raise EnoughError

    other = Document.from_text(long.text + "The end.")
    with pytest.raises(EnoughError):
        index.add([other], stop)
    assert list(index.documents) == [long.id]
    assert len(index.passages) == count
    assert len(index.search_vectors("fishes", 10_000)[0]) == count


def test_joined_with_another(index, embedder):
    index.add([GHOSN, FISH])
    other = MemoryIndex(embedder)
    other.add([FISH, ARTICLE_TEXT])
    both = index.joined(other)
    assert list(both.documents) == [GHOSN.id, FISH.id, ARTICLE_TEXT.id]
    assert list(both.passages) == list(range(len(both.passages)))
    assert texts(both, both.search_words("fishes of the seas", 5)) == [FISH.text]
    assert len(both.search_vectors("Ghosn", 1000)[0]) == len(both.passages)
    assert list(index.documents) == [GHOSN.id, FISH.id]
    assert list(MemoryIndex(embedder).joined(MemoryIndex(embedder)).documents) == []


def file(name, text):
    return Document.from_text(text, title=name, source=f"/papers/{name}")


def test_a_new_version_of_a_file_takes_the_place_of_the_old_one(index):
    assert index.put(file("a", "Fish live in the sea."))
    assert index.put(file("a", "Fish live in rivers."))
    assert not index.put(file("a", "Fish live in rivers."))
    assert [document.text for document in index.documents.values()] == ["Fish live in rivers."]


def test_a_text_of_two_files_stays_while_one_of_them_holds_it(index, embedder):
    assert index.put(file("a", FISH.text))
    assert not index.put(file("b", FISH.text))
    whole = MemoryIndex(embedder).joined(index.only(index.documents))
    for each in (index, whole):
        assert each.put(file("a", GHOSN.text))
        assert list(each.documents) == [FISH.id, GHOSN.id]
        assert each.put(file("b", GHOSN.text))
        assert list(each.documents) == [GHOSN.id]


def test_the_old_version_stays_when_adding_the_new_one_is_stopped(index):
    index.put(file("a", FISH.text))

    def stop(done, of):
        raise EnoughError

    with pytest.raises(EnoughError):
        index.put(file("a", GHOSN.text), stop)
    assert list(index.documents) == [FISH.id]
