"""Adding on a real Ray cluster of two nodes: what killed processes leave, and what the plain way makes."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from ray.cluster_utils import Cluster

from index import InputError, bulk, read_file, split_passages
from index.database import Database
from index.milvus import MilvusIndex
from index.shelf import Shelf
from qa.cli import main
from seeds import ARTICLE
from tests.index.formats.files import pdf

CLIENT_PORTS = range(9_001, 10_001)  # Ray gives workers the ports from 10,002 on
PATIENCE = 120  # seconds for what another process does, on a busy machine


def is_free(port):
    with socket.socket() as listener, contextlib.suppress(OSError):
        listener.bind(("127.0.0.1", port))
        return True
    return False


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each."""
    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 200 << 20}
    head["ray_client_server_port"] = next(filter(is_free, CLIENT_PORTS))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        running = Cluster(initialize_head=True, head_node_args=head)
        running.add_node(num_cpus=1, object_store_memory=200 << 20)
        running.client_port = head["ray_client_server_port"]
        yield running
    running.shutdown()


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A folder of sixty texts of a few passages, two of which are the same, a PDF and a damaged one."""
    folder = tmp_path_factory.mktemp("papers")
    words = ARTICLE.read_text().split()
    for number in range(60):
        text = " ".join(random.Random(number % 59).sample(words, 350))
        (folder / f"{number:02}.txt").write_text(text)
    (folder / "harbour.pdf").write_bytes(pdf(["Lowe & Sons paid for the harbour.", "The end."]))
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.7")
    (folder / "latin.txt").write_bytes("Le café est ouvert.".encode("latin-1") + b" It is open." * 20)
    return folder


@pytest.fixture(scope="module")
def plain(papers, embedder, tmp_path_factory):
    """A shelf with the papers, one added after the other."""
    folder = tmp_path_factory.mktemp("plain") / "shelf"
    assert main(["index", "add", str(folder), str(papers)]) == 2
    return Shelf(folder, embedder)


def rows(shelf):
    """What a shelf holds: source -> (document, passages, vectors)."""
    held = {}
    for first, _ in shelf.database.ids():
        row = shelf.database.row(first)
        held[row.document.source] = row.document, row.passages(), shelf.database.vectors(first)
    return held


def assert_same(shelf, plain):
    """Two shelves hold the same, and all is well with the first."""
    ours, theirs = rows(shelf), rows(plain)
    twins = {source for source in ours if source.endswith(("/00.txt", "/59.txt"))}  # of one text: either's
    assert len(twins) == 1
    assert {document.id for document, _, _ in ours.values()} == {d.id for d, _, _ in theirs.values()}
    for source in ours.keys() - twins:
        assert ours[source][:2] == theirs[source][:2]
        np.testing.assert_allclose(ours[source][2], theirs[source][2], atol=1e-3)
    assert shelf.check(sample=1000) == []


def workers(cluster):
    """The processes that read, split and embed, by their names."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in raylets and b"MapWorker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def files(folder):
    return sorted(folder.iterdir())


def test_it_makes_what_the_plain_way_makes(cluster, papers, plain, tmp_path, capfd):
    command = ["index", "add", str(tmp_path / "shelf"), str(papers), "--ray", cluster.address]
    assert main(command) == 2
    out, err = capfd.readouterr()
    assert out == "61 added, 1 there already, 1 refused; 61 documents, 278 passages\n"
    assert sorted(line.partition(" is ")[2] for line in err.splitlines()) == [
        "a damaged PDF: save it anew, or as text.",
        "not valid UTF-8 (first at byte 6): unreadable characters are shown as \ufffd.",
    ]
    with contextlib.closing(Shelf(tmp_path / "shelf", plain._embedder)) as shelf:
        assert_same(shelf, plain)


def test_a_process_outside_the_cluster_adds_as_well(cluster, papers, plain, embedder, tmp_path):
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    address = f"ray://{cluster.head_node.node_ip_address}:{cluster.client_port}"
    outcomes = list(bulk.add(files(papers), bulk.StoreTarget(shelf), address=address))
    assert sorted(outcome.path for outcome in outcomes) == files(papers)
    assert_same(shelf, plain)


def test_a_worker_that_is_killed_loses_nothing(cluster, papers, plain, embedder, tmp_path):
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    outcomes = []
    with contextlib.closing(
        bulk.add(files(papers), bulk.StoreTarget(shelf), address=cluster.address)
    ) as made:
        for outcome in made:
            outcomes.append(outcome)
            if len(outcomes) == 1:
                victim = workers(cluster)[0]
                os.kill(victim, signal.SIGKILL)
    assert sorted(outcome.path for outcome in outcomes) == files(papers)
    assert_same(shelf, plain)


def readers(cluster, path):
    """The workers that have a file open."""
    for pid in workers(cluster):
        with contextlib.suppress(OSError):  # it has just ended, or closed it
            if any(link.readlink() == path for link in Path(f"/proc/{pid}/fd").iterdir()):
                yield pid


def kill_readers(cluster, pipe, killed, done):
    """Kill the workers that read a pipe, to which nothing is ever written; a few, so that the test ends."""
    with pipe.open("r+b", buffering=0):
        while not done.is_set() and len(killed) < 5:
            for pid in readers(cluster, pipe):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.02)
    pipe.unlink()


@pytest.mark.parametrize("client", [False, True])
def test_a_file_that_kills_each_worker_is_refused_and_all_others_are_added(
    client, cluster, papers, embedder, tmp_path
):
    pipe = tmp_path / "deadly.txt"
    os.mkfifo(pipe)
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    killed, done = set(), threading.Event()
    killing = threading.Thread(target=kill_readers, args=(cluster, pipe, killed, done))
    killing.start()
    address = f"ray://{cluster.head_node.node_ip_address}:{cluster.client_port}"
    paths = [*files(papers)[:20], pipe, *files(papers)[20:40]]
    try:
        outcomes = list(
            bulk.add(paths, bulk.StoreTarget(shelf), address=address if client else cluster.address)
        )
    finally:
        done.set()
        killing.join()
    assert len(killed) == 3
    assert sorted(outcome.path for outcome in outcomes) == sorted(paths)
    refused = {outcome.path: outcome.refusal for outcome in outcomes if outcome.refusal}
    assert refused == {
        pipe: f"{pipe} was not added, as its workers died, 3 of them: add it alone to see more."
    }
    assert len(shelf.view().documents) == len(paths) - 1


def test_a_driver_that_is_killed_goes_on_when_run_again(cluster, papers, plain, embedder, tmp_path):
    folder = tmp_path / "shelf"
    command = ["index", "add", str(folder), str(papers), "--ray", cluster.address]
    driver = subprocess.Popen([sys.executable, "-m", "qa.cli", *command], start_new_session=True)
    end = time.monotonic() + PATIENCE
    while held(folder) < 1:
        assert time.monotonic() < end
        time.sleep(0.001)
    driver.kill()
    driver.wait()
    before = held(folder)  # all 61 where writing was faster than killing
    shelf = Shelf(folder, embedder)
    outcomes = list(bulk.add(files(papers), bulk.StoreTarget(shelf), address=cluster.address))
    assert sum(outcome.changed for outcome in outcomes) == 61 - before
    assert_same(shelf, plain)


def held(folder):
    """How many documents an index that is being made holds."""
    try:
        return len(Database(folder).ids())
    except InputError:
        return 0


class Noted(bulk.StoreTarget):
    """A shelf that notes the vectors of what is put in."""

    def __init__(self, shelf):
        super().__init__(shelf)
        self.put = []

    def insert(self, document, passages, vectors):
        self.put.append((document.source, vectors))
        return super().insert(document, passages, vectors)


def test_a_text_that_is_there_is_not_embedded_again(cluster, embedder, tmp_path, monkeypatch):
    """What stands in the index is found again to the bit where the file has another name, here a mark."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    (tmp_path / "old.txt").write_text("Hall 1 is painted blue.")
    document = read_file(tmp_path / "old.txt")
    passages = split_passages(document)
    mark = np.eye(1, embedder.dimension, dtype=np.float32)
    shelf.database.insert(document, passages, mark)
    (tmp_path / "old.txt").rename(tmp_path / "new.txt")
    target = Noted(shelf)
    (outcome,) = bulk.add([tmp_path / "new.txt"], target, address=cluster.address)
    assert (outcome.changed, outcome.refusal) == (False, "")
    ((source, vectors),) = target.put
    assert source == str(tmp_path / "new.txt")
    np.testing.assert_array_equal(vectors, mark)
    (outcome,) = bulk.add([tmp_path / "new.txt"], target, address="auto")
    assert not outcome.changed
    assert len(target.put) == 1


def test_texts_that_move_to_other_files_are_all_there(cluster, embedder, tmp_path):
    """Each file takes the text of the one before it, which is written over first."""
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    texts = [f"Hall {number} is painted blue." for number in range(12)]
    paths = [tmp_path / f"{number:02}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
        shelf.put(read_file(path))
    moved = ["Hall 99 is painted red.", *texts[:-1]]
    for path, text in zip(paths, moved, strict=True):
        path.write_text(text)
    outcomes = list(bulk.add(paths, bulk.StoreTarget(shelf), address=cluster.address))
    assert [outcome.refusal for outcome in outcomes] == [""] * len(paths)
    assert sorted(document.text for document in shelf.view().documents.values()) == sorted(moved)
    assert shelf.check(sample=1000) == []


def test_an_embedder_that_workers_lack_is_one_sentence(cluster, papers, embedder, tmp_path):
    shelf = Shelf(tmp_path / "shelf", embedder, create=True)
    with pytest.raises(InputError, match=r"gave up \(nowhere/model cannot be loaded") as caught:
        list(bulk.add(files(papers), bulk.StoreTarget(shelf), "nowhere/model", cluster.address))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_one_sentence(address, papers, tmp_path, capsys):
    assert main(["index", "add", "--ray", address, str(tmp_path / "shelf"), str(papers)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"article-qa: There is no Ray cluster at {address} (Connection refused): start")


def test_an_address_is_an_address(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["index", "add", "--ray=there", str(tmp_path / "shelf"), str(tmp_path)])
    assert "an address is auto, HOST:PORT or ray://HOST:PORT" in capsys.readouterr().err


def test_an_index_over_milvus_is_added_to_as_well(cluster, papers, plain, embedder, tmp_path):
    with contextlib.closing(MilvusIndex(f"milvus:{tmp_path}/lite", embedder, create=True)) as index:
        outcomes = list(bulk.add(files(papers), bulk.StoreTarget(index), address=cluster.address))
        assert sum(outcome.changed for outcome in outcomes) == 61
        again = list(bulk.add(files(papers), bulk.StoreTarget(index), address=cluster.address))
        assert not any(outcome.changed for outcome in again)
        assert set(index.view().documents) == set(plain.view().documents)
        assert index.check() == []
