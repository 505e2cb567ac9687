import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pymilvus import MilvusClient, MilvusException

from index import Document, InputError, split_passages
from index.documents import read_file
from index.milvus import MilvusIndex
from index.milvus_database import PIECE, MilvusDatabase, words_of
from index.milvus_rows import GENERATION, INDEX, LEASE
from index.milvus_schema import DOCUMENTS, PASSAGES, SCHEMA, TEXTS
from index.milvus_server import Server
from index.retriever import retrieve
from index.store import Gone, MemoryIndex
from qa import ArticleQA
from seeds import ARTICLE, GOLD
from tests.index.at_once import written_at_once
from tests.index.served import free_port, served

ADA = Document.from_text("Acme is led by Ada Berg.\n\nIt makes bolts in Oslo.", "acme.txt", "/a/acme.txt")
BEN = Document.from_text("Acme is led by Ben Holm.", "acme.txt", "/a/acme.txt")
RAIN = Document.from_text("Rain fell on the plain all day.", page_starts=(0, 10))


@pytest.fixture
def name(tmp_path):
    return f"milvus:{tmp_path / 'lite'}"


@pytest.fixture
def index(name, embedder):
    with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index:
        yield index


def rows(index, name):
    """All rows of a collection."""
    key = "key" if name == DOCUMENTS else "number"
    return list(index.database.rows.scan(name, [key, "version"]))


def kinds(index):
    """How many rows of documents, leases and so on there are."""
    return Counter(row["kind"] for row in index.database.rows.scan(DOCUMENTS, ["kind"]))


def change(held, key, **facts):
    """Change facts of a row behind the index's back."""
    row = held.database.rows.get(key)
    row["facts"] = json.dumps(json.loads(row["facts"]) | facts)
    held.database.rows.put([{**row, "kind": key.split("-")[0], "nothing": [0.0, 0.0]}])


def test_an_index_opens_again_with_all_it_had(index, name, embedder):
    for each in (ADA, RAIN):
        assert index.put(each)
    index.close()
    with contextlib.closing(MilvusIndex(name, embedder)) as again:
        assert list(again.view().documents.values()) == [ADA, RAIN]
        assert again.check() == []


def test_it_is_searched_as_an_index_in_memory(index, embedder, article):
    memory = MemoryIndex(embedder)
    for each in (ADA, article, RAIN):
        memory.add([each])
        index.put(each)
    for question in ("Where was Ghosn arrested?", "Who leads Acme?", "What fell?"):
        stored, held = (retrieve(view, question, 5) for view in (index.view(), memory))
        assert [hit.passage for hit in stored] == [hit.passage for hit in held]
        assert [hit.cosine for hit in stored] == pytest.approx([hit.cosine for hit in held], abs=1e-5)
        # Tantivy rounds the lengths of texts.
        assert [hit.bm25 for hit in stored] == pytest.approx([hit.bm25 for hit in held], rel=0.1)


def test_gold_questions_are_answered_as_from_memory(index):
    memory = ArticleQA.from_files([ARTICLE])
    index.put(read_file(ARTICLE))
    engine = ArticleQA(index, memory._reader, memory._calibration)
    questions = [json.loads(line)["question"] for line in GOLD.read_text().splitlines()]
    ours, theirs = engine.answer_batch(questions), memory.answer_batch(questions)
    assert len(ours) > 40
    assert [(a.text, a.start, a.end, a.answered) for a in ours] == [
        (a.text, a.start, a.end, a.answered) for a in theirs
    ]


def test_equal_texts_are_added_once_and_a_changed_file_replaces_what_it_was(index):
    assert index.put(ADA)
    assert not index.put(ADA)
    assert index.put(BEN)
    assert list(index.view().documents) == [BEN.id]
    assert len(rows(index, PASSAGES)) == len(rows(index, TEXTS)) == 1
    assert kinds(index) == {"document": 1, "index": 1, "generation": 1}


def test_texts_without_a_file_never_replace_each_other(index):
    for text in ("One.", "Two."):
        index.put(Document.from_text(text, source="-"))
    assert len(index.view().documents) == 2


def test_removing_passes_over_what_is_not_there(index):
    index.put(ADA)
    assert index.remove(["nothing", 'x"', ADA.id]) == 1
    assert not index.view().documents
    assert not rows(index, PASSAGES)
    assert not rows(index, TEXTS)


def test_a_text_stays_while_one_of_its_files_has_it(index, monkeypatch):
    copy = replace(ADA, source="/b/copy.txt")
    assert index.put(ADA)
    with monkeypatch.context() as patch:
        patch.setattr(index, "_embedder", None)  # its vectors are there already
        assert not index.put(copy)
    assert len(rows(index, PASSAGES)) == 2
    assert index.size() == (1, 1)
    assert [hit.passage.text for hit in retrieve(index.view(), "Who?", 5)] == [ADA.text]
    assert index.put(BEN)
    assert [entry.source for entry in index.database.entries()] == ["/b/copy.txt", "/a/acme.txt"]
    assert index.database.find("/b/copy.txt") == ADA.id
    assert index.remove([ADA.id]) == 1
    assert list(index.view().documents) == [BEN.id]
    assert index.check() == []


def test_vectors_that_are_damaged_are_not_copied(index):
    index.put(ADA)
    index.database.rows.call("delete", PASSAGES, ids=[index.database.records([ADA.id])[ADA.id].version])
    index.put(replace(ADA, source="/b/copy.txt"))
    assert len(rows(index, PASSAGES)) == 1


def test_a_file_that_takes_the_text_of_another_leaves_its_own(index):
    index.put(ADA)
    index.put(replace(BEN, source="/b/other.txt"))
    assert index.put(BEN)
    assert list(index.view().documents) == [BEN.id]
    assert not index.put(BEN)


def meanwhile(monkeypatch, held, act, method, name, kind="", nth=1):
    """Have something done right before the nth call of a method for a collection, with rows of a kind."""
    call, calls = held.database.rows.call, []

    def called(*arguments, **options):
        if arguments[:2] == (method, name) and (not kind or arguments[2][0]["kind"] == kind):
            calls.append(arguments)
            if len(calls) == nth:
                act()
        return call(*arguments, **options)

    monkeypatch.setattr(held.database.rows, "call", called)


@pytest.fixture
def other(index, name, embedder):
    """The same index, opened by another writer."""
    with contextlib.closing(MilvusIndex(name, embedder)) as other:
        yield other


@pytest.mark.parametrize("kind", ["document", "generation"])
def test_a_file_may_take_the_text_that_another_one_is_leaving(index, other, monkeypatch, kind):
    index.put(ADA)
    meanwhile(monkeypatch, index, lambda: other.put(BEN), "upsert", DOCUMENTS, kind)
    index.put(replace(ADA, source="/b/copy.txt"))
    assert {document.text for document in index.view().documents.values()} == {ADA.text, BEN.text}
    assert index.check() == []


def test_what_replaces_a_document_that_is_being_removed_stays(index, other, monkeypatch):
    index.put(ADA)
    index.database.rows.limit = 0.1  # as the removal goes on only when the replacement is done
    meanwhile(monkeypatch, other, lambda: index.put(BEN), "delete", DOCUMENTS)
    assert other.remove([ADA.id]) == 1
    assert list(index.view().documents.values()) == [BEN]
    assert index.check() == []


def test_a_replacement_waits_for_a_removal_that_may_meet_it(index, other):
    """It has looked which row it means, and deletes that when the row is already another one."""
    index.put(ADA)
    record = index.database.records([ADA.id])[ADA.id]
    put = threading.Thread(target=index.put, args=[BEN])
    with other.database._lease("deleting", [record.version]):
        put.start()
        until = time.monotonic() + 20
        while not other.database.records([BEN.id]):
            assert time.monotonic() < until
        time.sleep(0.2)
        other.database.rows.drop([record.key])
    put.join()
    assert list(index.view().documents.values()) == [BEN]
    assert index.check() == []


def test_what_a_removal_of_the_one_before_has_met_is_written_again(index, monkeypatch):
    """Milvus looks which rows a filter means, and deletes them: meanwhile they may have become others."""
    index.put(ADA)
    key = index.database.records([ADA.id])[ADA.id].key
    tell, told = index.database._tell, []

    def and_lose():
        tell()
        told.append(True)
        if len(told) == 2:
            index.database.rows.drop([key])

    monkeypatch.setattr(index.database, "_tell", and_lose)
    index.put(BEN)
    assert list(index.view().documents.values()) == [BEN]
    assert index.check() == []


def test_what_is_removed_as_soon_as_it_is_written_stays_removed(index, other, monkeypatch):
    tell, told = index.database._tell, []

    def and_remove():
        tell()
        told.append(True)
        if len(told) == 2:
            other.remove([ADA.id])

    monkeypatch.setattr(index.database, "_tell", and_remove)
    index.put(ADA)
    assert not index.view().documents
    assert index.check() == []


def test_the_newest_of_two_versions_that_were_written_at_once_stays(index, other, monkeypatch):
    meanwhile(monkeypatch, index, lambda: other.put(BEN), "upsert", DOCUMENTS, "document")
    index.put(ADA)
    assert len(index.view().documents) == 1
    assert index.check() == []
    assert len(rows(index, PASSAGES)) == len(rows(index, TEXTS)) == 1


@pytest.mark.parametrize("step", [("upsert", PASSAGES, "", 2), ("upsert", TEXTS), ("get", PASSAGES)])
def test_a_document_of_a_writer_that_rested_too_long_is_never_there_in_part(index, other, monkeypatch, step):
    text = " ".join(f"Hall {n} has the code X{n}Y." for n in range(99))
    long = Document.from_text(text, "a", "/a/acme.txt")
    monkeypatch.setattr("index.milvus_database.TOGETHER", 1)
    index.put(ADA)

    def clear():
        (lease,) = other.database.rows.of_kind(LEASE)
        other.database.clear(lease["version"])

    meanwhile(monkeypatch, index, clear, *step)
    with pytest.raises(InputError, match=r"a was not added to .* Add it again"):
        index.put(long)
    assert list(index.view().documents.values()) == [ADA]
    assert index.check() == []
    assert len(rows(index, PASSAGES)) == len(rows(index, TEXTS)) == 1
    assert index.put(long)


LONG = "".join(
    f"Zeile {n}: «Größe» 日本語のテキスト 👩\u200d🚀 e\u0301 \x00 ש\u05c1 was found in hall {n}.\n"
    for n in range(1450)
)


def test_a_long_text_of_any_characters_keeps_its_offsets(index, tmp_path):
    document = Document.from_text(
        LONG, "Ü 'b\"c\\", str(tmp_path / "caf\udce9.txt"), tuple(range(0, 99_000, 9))
    )
    assert len(LONG.encode()) > 2 * 65_535
    assert len(json.dumps(document.page_starts)) > 65_535
    assert index.put(document)
    assert not index.put(document)
    view = index.view()
    held = view.documents[document.id]
    assert (held.text, held.title, held.page_starts) == (LONG, document.title, document.page_starts)
    assert held.source.endswith("caf\\xe9.txt")
    assert len(rows(index, TEXTS)) > len(LONG) // PIECE
    assert list(view.passages.values()) == split_passages(document)
    assert index.database.find(document.source) == document.id
    (entry,) = view.entries()
    assert (entry.characters, entry.pages) == (len(LONG), len(document.page_starts))
    hit = retrieve(view, "What was found in hall 1077?", 1)[0]
    assert "hall 1077" in hit.passage.text
    assert hit.passage in split_passages(document)


def test_words_are_parted_as_they_were_meant(index):
    """Whatever a letter is to the server; and a passage may have no word to find it by."""
    index.put(Document.from_text("नमस्ते दुनिया।"))
    index.put(Document.from_text("Ærø, Œuvre co2 naïve_words."))
    index.put(Document.from_text("It is the."))
    assert words_of("Ærø was naïve") == "aero naiv"
    for word, found in (("दुनिया", 1), ("aero", 1), ("words", 1), ("the", 0), ("", 0)):
        assert len(index.view().search_words(word, 5)[0]) == found, word


def test_some_documents_go_into_memory_as_they_are(index, embedder):
    for each in (ADA, RAIN):
        index.put(each)
    part = index.view().only([RAIN.id, "nothing"])
    assert list(part.documents.values()) == [RAIN]
    assert retrieve(part, "What fell?", 1)[0].cosine == pytest.approx(
        retrieve(index.view(), "What fell?", 1)[0].cosine, abs=1e-5
    )
    memory = MemoryIndex(embedder)
    memory.add([BEN])
    assert list(index.view().joined(memory).documents) == [ADA.id, RAIN.id, BEN.id]
    assert not index.view().only([]).documents


def test_a_view_changes_with_every_write_and_only_then(index):
    index.put(ADA)
    before = index.view()
    assert index.view() is before
    assert index.view().state is before.state
    index.put(RAIN)
    assert index.view().state is not before.state
    index.remove([RAIN.id])
    assert list(index.view().documents) == [ADA.id]


def test_a_question_that_meets_a_removed_document_is_asked_again(index):
    index.put(ADA)
    views = []

    def ask(view):
        views.append(view)
        numbers = view.search_vectors("Who?", 5)[0]
        if len(views) == 1:
            index.put(BEN)
        return [view.passages[number].text for number in numbers.tolist()]

    assert index.steadily(ask) == [BEN.text]
    assert len(views) == 2


def test_a_file_is_never_seen_in_two_versions(index, name, embedder, monkeypatch):
    """Its writer was killed after it had replaced it and before it told so; a reader knows the old one."""
    index.put(ADA)
    index.put(RAIN)
    assert [hit.passage.text for hit in retrieve(index.view(), "Who leads?", 1)] == [ADA.text]
    with contextlib.closing(MilvusIndex(name, embedder)) as other:
        tell, told = other.database._tell, []

        def tell_once():
            told.append(tell() if not told else 1 / 0)

        monkeypatch.setattr(other.database, "_tell", tell_once)
        with contextlib.suppress(ZeroDivisionError):
            index.view()
            other.put(BEN)
    found = index.steadily(lambda view: [hit.passage.text for hit in retrieve(view, "Who leads Acme?", 9)])
    assert set(found) == {BEN.text, RAIN.text}
    assert len(index.check()) == len(index.repair()) == 2  # what was replaced, and the writer's lease
    assert index.check() == []


def test_what_is_written_and_not_committed_is_never_seen(index, embedder):
    """However much of it there is, and however near it is to the question."""
    index.put(ADA)
    for k in range(3):
        texts = [f"Who leads Acme, {n} or {k}?" for n in range(40)]
        passages = split_passages(Document.from_text(" ".join(texts), source=f"/{k}"))
        unseen = Document.from_text(" ".join(texts))
        with contextlib.suppress(ZeroDivisionError), index.database._lease("adding", [1000 * k + 1]):
            index.database._write(1000 * k + 1, unseen, passages, embedder.encode([p.text for p in passages]))
            raise ZeroDivisionError
    for count in (1, 5):
        assert [hit.passage.text for hit in retrieve(index.view(), "Who leads Acme?", count)] == [ADA.text]
    assert len(index.view().search_words("Who leads Acme?", 1)[0]) == 1
    assert len(index.view().passages) == 1
    with pytest.raises(KeyError):
        index.view().passages[1]
    assert len(index.check()) == 3
    assert len(index.repair()) == 3
    assert index.check() == []
    assert len(rows(index, PASSAGES)) == len(rows(index, TEXTS)) == 1


def test_a_replacement_is_seen_whole(index, embedder):
    """A reader asks without a pause while the two sentences of a file change together."""
    versions = [f"Hall {n} is painted blue. " * 30 + f"Its guard is number {n}." for n in range(12)]
    documents = [Document.from_text(text, "hall", "/hall.txt") for text in versions]
    by_id = {document.id: len(split_passages(document)) for document in documents}
    index.put(documents[0])
    done, seen = threading.Event(), []

    def look(view):
        found = retrieve(view, "Who is the guard of the hall?", 50)
        words = view.search_words("Who is the guard of the hall?", 50)[0]
        ids = {hit.passage.document_id for hit in found}
        assert len(ids) == 1, ids
        (identity,) = ids
        assert len(found) == by_id[identity]
        assert len(words) == by_id[identity]
        assert view.documents[identity].text[found[0].passage.start :].startswith(found[0].passage.text)
        return identity

    def read():
        while not done.is_set():
            seen.append(index.steadily(look))

    failures = []
    threading.excepthook, hook = lambda args: failures.append(args.exc_value), threading.excepthook
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for document in documents[1:]:
            index.put(document)
            assert index.steadily(look) == document.id
    finally:
        done.set()
        for reader in readers:
            reader.join()
        threading.excepthook = hook
    assert not failures
    assert len(set(seen)) > 2
    assert index.check() == []


def test_a_document_without_end_of_changes_is_one_sentence(name, embedder):
    with contextlib.closing(MilvusIndex(name, embedder, create=True, limit=0.3)) as index:

        def ask(view):
            index.put(Document.from_text(f"{time.time_ns()}", source="/a"))
            raise Gone

        with pytest.raises(InputError, match=r"changed faster than it can be read for 0\.3 s: ask again"):
            index.steadily(ask)
        with pytest.raises(KeyError):
            index.steadily(lambda view: view.documents["nothing"])


def test_what_is_damaged_is_told_and_mended(index, embedder):
    documents = {
        what: Document.from_text(f"{what} is wrong here.", what, f"/{what}")
        for what in ("a piece", "a passage", "a vector", "nothing")
    }
    for document in documents.values():
        index.put(document)
    records = {what: index.database.records([d.id])[d.id] for what, d in documents.items()}
    index.database.rows.call("delete", TEXTS, ids=[records["a piece"].version])
    index.database.rows.call("delete", PASSAGES, ids=[records["a passage"].version])
    index.database.rows.call(
        "upsert",
        PASSAGES,
        [
            {
                "number": (version := records["a vector"].version),
                "document": documents["a vector"].id,
                "version": version,
                "start": 0,
                "end": len(documents["a vector"].text),
                "vector": np.roll(embedder.encode(["x"])[0], 7).tolist(),
                "words": "x",
            }
        ],
    )
    with pytest.raises(InputError, match=r"holds a damaged document, a piece: run `article-qa index check"):
        list(index.view().documents.values())
    assert len(index.check()) == 3
    done = index.repair()
    assert sum("was lost" in sentence for sentence in done) == 1
    assert index.check() == []
    assert len(rows(index, PASSAGES)) == 3
    assert {d.title for d in index.view().documents.values()} == {"a passage", "a vector", "nothing"}
    assert retrieve(index.view(), "Is a vector wrong?", 1)[0].passage.text == documents["a vector"].text


def test_a_document_that_lost_passages_is_told_where_it_is_taken_out(index, embedder):
    index.put(ADA)
    index.put(RAIN)
    index.database.rows.call("delete", PASSAGES, ids=[index.database.first(ADA.id)])
    with pytest.raises(InputError, match=r"holds a damaged document, acme.txt: run `article-qa index check"):
        index.steadily(lambda view: view.only([ADA.id, RAIN.id]))
    assert list(index.steadily(lambda view: view.only([RAIN.id])).documents) == [RAIN.id]


def test_milvus_lite_works_where_the_temporary_folder_has_a_long_name(name, embedder, tmp_path, monkeypatch):
    place = tmp_path / ("long" * 20)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index:
        assert index.put(ADA)


def test_milvus_lite_that_has_no_place_for_its_socket_says_so(
    name, embedder, tmp_path, tmp_path_factory, monkeypatch
):
    # Of few characters, but of many bytes, which are what counts.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("é" * 30)))
    monkeypatch.setattr("index.milvus_server.SHORT_PLACE", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no place for a socket .*: set TMPDIR to a folder with a shorter"):
        MilvusIndex(name, embedder, create=True)


def test_repairing_does_not_bring_back_what_was_removed_meanwhile(index, embedder):
    index.put(ADA)
    version = index.database.records([ADA.id])[ADA.id].version
    index.remove([ADA.id])
    index.database.mend(version, split_passages(ADA), embedder.encode([ADA.text]))
    assert index.size() == (0, 0)
    assert not rows(index, PASSAGES)


@pytest.mark.parametrize("step", [("upsert", TEXTS), ("upsert", DOCUMENTS, "generation")])
def test_repairing_does_not_put_an_old_text_over_a_new_one(index, other, embedder, monkeypatch, step):
    index.put(ADA)
    version = index.database.records([ADA.id])[ADA.id].version
    meanwhile(monkeypatch, other, lambda: index.put(BEN), *step)
    other.database.mend(version, split_passages(ADA), embedder.encode([ADA.text]))
    assert list(index.view().documents.values()) == [BEN]
    assert index.check() == []


def test_an_index_of_another_maker_is_refused(index, name, embedder):
    for schema, words in ((SCHEMA + 1, "newer version"), (SCHEMA - 1, "earlier version")):
        change(index, INDEX, schema=schema)
        with pytest.raises(InputError, match=words):
            MilvusIndex(name, embedder)
    change(index, INDEX, schema=SCHEMA)

    class Other:
        dimension = embedder.dimension

        def encode(self, texts):
            return np.roll(embedder.encode(texts), 1, axis=1)

    for create in (True, False):
        with pytest.raises(InputError, match="was made with another embedder: name that one with --embedder"):
            MilvusIndex(name, Other(), create=create)
    change(index, GENERATION, index="another")
    with pytest.raises(InputError, match="was replaced by another index"):
        index.view()


def test_an_index_that_was_made_in_part_is_made_whole(tmp_path, embedder, monkeypatch):
    call = Server.call
    for most in range(1, 40, 3):
        name, calls = f"milvus:{tmp_path / str(most)}", []

        def some(self, *arguments, most=most, calls=calls, **options):
            calls.append(arguments)
            if len(calls) > most:
                raise InterruptedError
            return call(self, *arguments, **options)

        monkeypatch.setattr(Server, "call", some)
        with contextlib.suppress(InterruptedError):
            MilvusIndex(name, embedder, create=True).close()
        monkeypatch.setattr(Server, "call", call)
        with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index:
            assert index.put(ADA)
            assert [hit.passage.text for hit in retrieve(index.view(), "Who?", 5)] == [ADA.text]
        if len(calls) <= most:
            break
    assert 10 < len(calls) <= most


@pytest.mark.parametrize("method", ["create_collection", "create_index", "upsert"])
def test_an_index_may_be_made_by_two_at_once(name, embedder, monkeypatch, method):
    call, others = Server.call, []

    def called(self, *arguments, **options):
        if arguments[0] == method and not others:
            others.append(None)
            others[0] = MilvusIndex(name, embedder, create=True)
            others[0].put(ADA)
        return call(self, *arguments, **options)

    monkeypatch.setattr(Server, "call", called)
    with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index, contextlib.closing(others[0]):
        assert index.put(RAIN)
        assert others[0].put(BEN)
        for each in (index, others[0]):
            assert list(each.view().documents) == [RAIN.id, BEN.id]
            assert each.check() == []


def test_an_index_that_another_embedder_has_made_at_once_is_not_written_to(name, embedder, monkeypatch):
    class Other:
        dimension = embedder.dimension

        def encode(self, texts):
            return np.roll(embedder.encode(texts), 1, axis=1)

    call, others = Server.call, []

    def called(self, *arguments, **options):
        if arguments[0] == "upsert" and not others:
            others.append(None)
            others[0] = MilvusIndex(name, Other(), create=True)
        return call(self, *arguments, **options)

    monkeypatch.setattr(Server, "call", called)
    with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index, contextlib.closing(others[0]):
        with pytest.raises(InputError, match="was replaced by another index"):
            others[0].put(ADA)
        assert index.put(RAIN)
        with contextlib.closing(MilvusIndex(name, embedder)) as again:
            assert list(again.view().documents) == [RAIN.id]


def test_files_and_folders_of_other_things_are_refused(tmp_path, embedder):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    for create in (True, False):
        with pytest.raises(InputError, match="file is a file: name a folder for Milvus Lite"):
            MilvusIndex(f"milvus:{tmp_path / 'file'}", embedder, create=create)
    with pytest.raises(InputError, match="is a folder of other things"):
        MilvusIndex(f"milvus:{tmp_path / 'folder'}", embedder, create=True)
    with pytest.raises(InputError, match="holds no index"):
        MilvusIndex(f"milvus:{tmp_path / 'folder'}", embedder)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(InputError, match="holds no index"):
        MilvusDatabase(f"milvus:{tmp_path / 'nowhere'}")
    assert not (tmp_path / "nowhere").exists()
    folder = tmp_path / "photos" / "collections" / "summer"
    folder.mkdir(parents=True)
    for make in (False, True):
        with pytest.raises(InputError, match=r"holds no index|is a folder of other things"):
            MilvusIndex(f"milvus:{tmp_path / 'photos'}", embedder, create=make)
    assert sorted(tmp_path.glob("photos/**/*")) == [folder.parent, folder]


def test_a_folder_whose_making_was_interrupted_is_made_again(name, tmp_path, embedder):
    (tmp_path / "lite" / "collections").mkdir(parents=True)  # before the file LOCK
    with pytest.raises(InputError, match="holds no index"):
        MilvusIndex(name, embedder)
    with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index:
        assert index.put(ADA)


WRITER = """
import os, signal, sys
from index import Document
from index.embedder import load_embedder
from index.milvus import MilvusIndex
from index.milvus_server import Server

name, kill_at, text = sys.argv[1], int(sys.argv[2]), sys.argv[3]
index = MilvusIndex(name, load_embedder())
calls, call = 0, Server.call

def counted(self, method, *arguments, **options):
    global calls
    if method in ("upsert", "delete"):
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    return call(self, method, *arguments, **options)

Server.call = counted
index.put(Document.from_text(text, "acme.txt", "/a/acme.txt"))
print("done", calls, flush=True)
index.close()
"""


def test_a_writer_killed_at_any_point_leaves_one_version_whole(name, embedder):
    """A replacement is there or not, and what else it left can be told and taken away."""
    index = MilvusIndex(name, embedder, create=True)
    index.put(ADA)
    index.close()
    held = ADA.text
    # With a part of the version written, before the commit, after it; with the old version there, and half.
    for kill_at, replaced in ((4, False), (7, False), (8, True), (10, True), (12, True), (99, True)):
        text = f"Acme is led by number {kill_at}."
        command = [sys.executable, "-c", WRITER, name, str(kill_at), text]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == (0 if kill_at == 99 else -9)
        assert done.stderr == ""
        held = text if replaced else held
        with contextlib.closing(MilvusIndex(name, embedder)) as index:
            assert [document.text for document in index.view().documents.values()] == [held]
            assert [hit.passage.text for hit in retrieve(index.view(), "Who leads Acme?", 5)] == [held]
            problems = index.check()
            assert bool(problems) == (kill_at != 99)
            assert len(index.repair()) == len(problems)
            assert index.check() == []
            assert len(rows(index, PASSAGES)) == len(rows(index, TEXTS)) == 1
            assert kinds(index) == {"document": 1, "index": 1, "generation": 1}


def test_a_server_that_is_away_is_one_sentence_in_time(embedder):
    name = f"milvus+http://127.0.0.1:{free_port()}/papers"
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        MilvusIndex(name, embedder, create=True, limit=1)
    assert time.monotonic() - began < 20
    assert str(caught.value) == (
        f"{name} has not answered for 1 s (it cannot be reached): start the server or correct its address, "
        "then try again; nothing that was there is lost."
    )


def test_a_server_that_accepts_and_never_answers_is_one_sentence_in_time(embedder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name = f"milvus+http://127.0.0.1:{listener.getsockname()[1]}/papers"
        began = time.monotonic()
        with pytest.raises(InputError, match="has not answered for 1 s"):
            MilvusIndex(name, embedder, limit=1)
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("load_collection", MilvusException(message="wait for loading collection timeout, collection: x")),
        ("search", MilvusException(code=101, message="collection not loaded")),
    ],
)
def test_a_collection_that_is_still_being_loaded_is_waited_for(name, embedder, monkeypatch, method, error):
    with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index:
        index.put(ADA)
    call, left = getattr(MilvusClient, method), [3]

    def called(*arguments, **options):
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return call(*arguments, **options)

    def search(limit):
        with contextlib.closing(MilvusIndex(name, embedder, limit=limit)) as index:
            return len(index.view().search_vectors("Who?", 5)[0])

    monkeypatch.setattr(MilvusClient, method, called)
    assert search(limit=20) == 1
    assert left[0] < 0
    left[0] = 1000
    with pytest.raises(InputError) as caught:
        search(limit=0.3)
    assert str(caught.value) == (
        f"{name} is still being loaded after 0.3 s: try again later, or set ARTICLE_QA_MILVUS_LIMIT to more "
        "seconds."
    )


def test_how_long_a_server_is_waited_for_may_be_set(name, embedder, monkeypatch):
    for words, limit in (("90", 90), ("", 30), ("0.5", 0.5)):
        monkeypatch.setenv("ARTICLE_QA_MILVUS_LIMIT", words)
        with contextlib.closing(MilvusIndex(name, embedder, create=True)) as index:
            assert index.database.rows.limit == limit
    for words in ("soon", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("ARTICLE_QA_MILVUS_LIMIT", words)
        with pytest.raises(InputError, match=r"ARTICLE_QA_MILVUS_LIMIT is '.*': set it to a number of"):
            MilvusIndex(name, embedder)


def test_two_processes_share_a_server_which_may_go_and_come_back(tmp_path, embedder):
    port = free_port()
    name = f"milvus+http://127.0.0.1:{port}/papers"
    with served(tmp_path / "data", port):
        index = MilvusIndex(name, embedder, create=True)
        index.put(ADA)
        code = (
            "import sys; from index import Document; from index.embedder import load_embedder; "
            "from index.opening import open_index; "
            "open_index(sys.argv[1], load_embedder()).put("
            "Document.from_text('Acme is led by Ben Holm.', 'acme.txt', '/a/acme.txt'))"
        )
        done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert list(index.view().documents.values()) == [BEN]
        (score,) = index.view().search_words("Who leads Acme?", 5)[1]
        assert score > 0
        # Leases of other processes are respected while they are fresh.
        index.database.rows.put(
            [
                {
                    "key": f"{LEASE}-7", "kind": LEASE, "document": "", "version": 7, "nothing": [0.0, 0.0],
                    "facts": json.dumps({"why": "adding", "document": "", "time": time.time()}),
                }
            ]
        )  # fmt: skip
        assert index.check() == []
        change(index, f"{LEASE}-7", time=0)
    index.database.rows._server.limit = 1.5
    for use in (index.view, lambda: index.put(RAIN)):
        began = time.monotonic()
        with pytest.raises(InputError, match=r"has not answered for 1\.5 s"):
            use()
        assert time.monotonic() - began < 20
    index.database.rows._server.limit = 30.0
    with served(tmp_path / "data", port):
        assert index.steadily(lambda view: [h.passage.text for h in retrieve(view, "Who?", 5)]) == [BEN.text]
        assert index.put(RAIN)
        assert list(index.view().documents) == [BEN.id, RAIN.id]
        assert len(index.check()) == len(index.repair()) == 1  # the lease is old now
        index.close()


def test_two_processes_write_the_same_files_at_the_same_time(tmp_path):
    """They add, replace and remove; in the end each add that was not removed later is there, and no rest."""
    port = free_port()
    with served(tmp_path / "data", port):
        problems = written_at_once(f"milvus+http://127.0.0.1:{port}/papers", rounds=25)
    assert problems == []


def test_a_second_process_is_told_that_milvus_lite_serves_one(index, name):
    code = f"import sys; from qa.cli import main; sys.exit(main(['ask', 'Who?', '--index', {name!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "is open in another process, and Milvus Lite serves one at a time: close that one" in line


def test_two_indexes_of_one_process_share_a_folder(index, name, embedder):
    index.put(ADA)
    with contextlib.closing(MilvusIndex(name, embedder)) as other:
        other.put(BEN)
        assert list(index.view().documents) == [BEN.id]
        with other.database._lease("adding", [7]):
            assert index.check() == []  # it is under way
    assert list(index.view().documents) == [BEN.id]


def test_a_folder_that_is_damaged_is_one_sentence(index, name, embedder, tmp_path):
    index.put(ADA)
    index.close()
    for path in (tmp_path / "lite" / "collections").glob("*/schema.json"):
        path.write_text("{")
    with pytest.raises(InputError, match=r"cannot be (used|opened) \("):
        MilvusIndex(name, embedder, limit=1)
    shutil.rmtree(tmp_path / "lite")


def test_calls_after_an_answer_was_lost_change_nothing(index, monkeypatch):
    """Each write is made twice, as where the first answer did not arrive."""
    call = Server.call

    def twice(self, method, *arguments, **options):
        if method in ("upsert", "delete"):
            call(self, method, *arguments, **options)
        return call(self, method, *arguments, **options)

    monkeypatch.setattr(Server, "call", twice)
    for each in (ADA, RAIN, BEN):
        assert index.put(each)
    assert list(index.view().documents.values()) == [RAIN, BEN]
    assert len(rows(index, PASSAGES)) == len(rows(index, TEXTS)) == 2
    assert index.check() == []
