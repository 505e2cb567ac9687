import threading

import pytest

from index import Document, InputError
from index.embedder import load_embedder
from index.milvus import MilvusIndex
from qa import ArticleQA
from qa.confidence import Calibration
from qa.reader import BUNDLED, load_reader
from tests.index.served import free_port, served
from ui.session import MAX_DOCUMENTS, Session, Stopped, read_upload

ACME = Document.from_text("Acme is led by Ada Berg.", "acme")
BOLT = Document.from_text("Bolt is led by Carl Dahl.", "bolt")


def quiet(done, of):
    pass


def asked(session, *arguments):
    session.ask(*arguments)
    return session.turns[-1]


@pytest.fixture
def session(bot):
    return Session(bot)


def test_it_begins_with_the_documents_of_the_chat(session, bot):
    assert dict(session.documents) == dict(bot.index.documents)
    assert asked(session, "Where was Carlos Ghosn arrested?").answer.text == "Japan"


def test_documents_are_the_visitors_own(session, bot):
    other = Session(bot)
    session.add(ACME, quiet)
    assert asked(session, "Who leads Acme?").answer.text == "Ada Berg"
    assert list(other.documents) == list(bot.index.documents)
    assert not asked(other, "Who leads Acme?").answer.answered
    session.remove(next(iter(bot.index.documents)))
    assert list(session.documents) == [ACME.id]
    assert len(bot.index.documents) == 1


def test_one_document_is_asked(session):
    session.add(ACME, quiet)
    session.add(BOLT, quiet)
    for document, leader in ((ACME, "Ada Berg"), (BOLT, "Carl Dahl")):
        answer = asked(session, "Who is it led by?", document.id).answer
        assert answer.text == leader
        assert {passage.document for passage in answer.passages} == {document.id}
    session.remove(ACME.id)
    session.add(ACME, quiet)
    assert asked(session, "Who is it led by?", ACME.id).answer.text == "Ada Berg"
    session.remove(BOLT.id)
    assert (
        asked(session, "Who is it led by?", BOLT.id).answer.text != "Carl Dahl"
    )  # chosen on a page behind the times


def test_the_conversation(session):
    session.ask("Where was Carlos Ghosn arrested?")
    session.ask(" ")
    answered, failed = session.turns
    assert answered.document.text[answered.answer.start : answered.answer.end] == "Japan"
    assert (failed.answer, failed.error) == (None, "The question is empty: ask something.")


def test_no_document_is_a_sentence(session):
    for identity in list(session.documents):
        session.remove(identity)
    assert asked(session, "Who?").error == "There is no document: add one to ask."


def test_the_same_document_again_changes_nothing(session):
    session.add(ACME, quiet)
    session.add(ACME, quiet)
    assert len(session.documents) == 2


def test_there_may_be_so_many_documents(session):
    for number in range(MAX_DOCUMENTS - 1):
        session.add(Document.from_text(f"Hall {number} is closed."), quiet)
    session.add(Document.from_text("Hall 0 is closed."), quiet)
    with pytest.raises(InputError, match="There are 50 documents already"):
        session.add(ACME, quiet)
    assert len(session.documents) == MAX_DOCUMENTS


@pytest.fixture
def long():
    return Document.from_text("".join(f"Hall {number} holds {number} fishes. " for number in range(9000)))


def test_there_may_be_so_many_characters(session, long, monkeypatch):
    monkeypatch.setattr("ui.session.MAX_CHARACTERS", len(long.text))
    with pytest.raises(InputError, match=r"With Hall 0 .* there would be \d{3},\d{3} characters of at most"):
        session.add(long, quiet)
    assert long.id not in session.documents


def test_reading_is_stopped_from_another_thread(session, long):
    started = threading.Event()

    def progress(done, of):
        started.set()
        stopper.join()

    stopper = threading.Thread(target=lambda: (started.wait(60), session.stop()))
    stopper.start()
    with pytest.raises(Stopped):
        session.add(long, progress)
    assert long.id not in session.documents
    with pytest.raises(Stopped):  # the next one of the same selection
        session.add(ACME, quiet)
    session.begin_reading()
    session.add(ACME, quiet)
    assert ACME.id in session.documents


def test_documents_are_asked_and_removed_while_another_is_read(session, long):
    session.add(ACME, quiet)
    steps = []

    def progress(done, of):
        steps.append(done)
        if done == 256:
            assert asked(session, "Who leads Acme?").answer.text == "Ada Berg"
            session.remove(ACME.id)
            session.add(BOLT, quiet)

    session.add(long, progress)
    assert 256 in steps
    assert list(session.documents)[1:] == [BOLT.id, long.id]
    assert asked(session, "Who leads Bolt?").answer.text == "Carl Dahl"
    assert asked(session, "How many fishes does Hall 77 hold?").document == long


def test_an_upload_is_read_and_deleted(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text(ACME.text)
    assert read_upload(str(path)) == Document.from_text(ACME.text, "note.txt", str(path))
    assert not path.exists()
    with pytest.raises(InputError, match=r"note\.txt was not read: choose it again"):
        read_upload(str(path))


def test_a_bad_upload_is_named_without_its_folder_and_deleted(tmp_path):
    path = tmp_path / "note.txt"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(InputError) as error:
        read_upload(str(path))
    assert str(error.value) == "note.txt is not a text file: save it as UTF-8 text, PDF or .docx first."
    assert not path.exists()


@pytest.fixture
def shelf(tmp_path):
    """An engine over an index on disk of two documents."""
    engine = ArticleQA.open(tmp_path / "shelf", create=True)
    for text in ("Acme is led by Ada Berg.", "The harbour was paid for by Lowe & Sons."):
        engine.put(Document.from_text(text, text[:8]))
    return engine


def test_an_index_on_disk_is_asked_as_it_is_now(shelf):
    session = Session(shelf)
    first, second = session.documents
    session.ask("Who leads Acme?")
    session.ask("Who paid?", second)
    shelf.remove([first])
    session.ask("Who paid?")
    assert [turn.answer.text for turn in session.turns] == ["Ada Berg", "Lowe & Sons", "Lowe & Sons"]
    assert [entry.id for entry in session.entries()] == [second]


def test_what_a_visitor_changes_of_an_index_on_disk_is_theirs_alone(shelf):
    session, other = Session(shelf), Session(shelf)
    session.add(Document.from_text("Rain fell on the plain."), lambda done, of: None)
    session.remove(next(iter(session.documents)))
    assert [entry.title for entry in session.entries()] == ["The harb", "Rain fell on the plain."]
    assert len(other.entries()) == 2


def test_an_index_on_disk_may_be_too_large_to_be_changed_for_a_visitor(shelf, monkeypatch):
    monkeypatch.setattr("ui.session.MAX_DOCUMENTS", 1)
    session = Session(shelf)
    for change in (
        lambda: session.remove(next(iter(session.documents))),
        lambda: session.add(Document.from_text("Rain."), lambda done, of: None),
    ):
        with pytest.raises(InputError, match="over an index of 2 documents, too many to be changed for one"):
            change()
    session.ask("Who leads Acme?")
    assert session.turns[-1].answer.text == "Ada Berg"


def test_a_server_that_goes_away_is_a_turn_of_the_conversation(tmp_path):
    port = free_port()
    name = f"milvus+http://127.0.0.1:{port}/papers"
    with served(tmp_path / "data", port):
        index = MilvusIndex(name, load_embedder(), create=True)
        index.put(ACME)
        session = Session(ArticleQA(index, load_reader(), Calibration.load(BUNDLED)))
        assert asked(session, "Who leads Acme?").answer.text == "Ada Berg"
    index.database.rows._server.limit = 1.5
    assert "has not answered for 1.5 s (it cannot be reached)" in asked(session, "Who leads Acme?").error
    index.database.rows._server.limit = 30.0
    with served(tmp_path / "data", port):
        assert asked(session, "Who leads Acme?").answer.text == "Ada Berg"
        index.close()


def test_follow_ups_lean_on_what_was_asked_before(session):
    session.ask("Who was arrested?")
    session.ask("when?")
    assert session.turns[-1].answer.understood_as == "When (Carlos Ghosn)?"
    session.ask("when?", as_typed=True)
    assert [turn.question for turn in session.turns] == ["Who was arrested?", "when?"]
    assert session.turns[-1].answer.understood_as == ""
    session.take_back()
    session.ask("when?")
    assert session.turns[-1].answer.understood_as == "When (Carlos Ghosn)?"
    session.ask("where?")
    session.ask("when?", as_typed=True)  # by the button of an earlier turn
    assert [turn.question for turn in session.turns] == ["Who was arrested?", "when?", "where?", "when?"]
    assert session.turns[-1].answer.understood_as == ""
    session.clear()
    session.take_back()
    session.ask("when?")
    assert session.turns[-1].answer.understood_as == ""
