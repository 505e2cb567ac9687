import contextlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from index import Document, InputError
from index.milvus import MilvusIndex
from index.milvus_server import Address
from index.opening import open_catalogue, open_index
from index.shelf import Shelf
from index.store import Index, MemoryIndex, Store

ADA = Document.from_text("Acme is led by Ada Berg.", "acme.txt", "/a/acme.txt")
BEN = Document.from_text("Acme is led by Ben Holm.", "acme.txt", "/a/acme.txt")


@pytest.mark.parametrize(("name", "kind"), [("{}/shelf", Shelf), ("milvus:{}/lite", MilvusIndex)])
def test_a_name_says_what_kind_of_index_it_is(name, kind, tmp_path, embedder):
    name = name.format(tmp_path)
    with pytest.raises(InputError, match=r"holds no index: make one with `article-qa index add .* FILE`\.$"):
        open_index(name, embedder)
    store = open_index(name, embedder, create=True)
    assert isinstance(store, kind)
    assert isinstance(store, Store)
    assert not isinstance(store.view(), Store)
    store.put(ADA)
    assert store.size() == (1, 1)
    store.close()
    catalogue = open_catalogue(name)
    assert [entry.title for entry in catalogue.entries()] == ["acme.txt"]
    assert catalogue.find("/a/acme.txt") == ADA.id == catalogue.find(ADA.id)
    assert catalogue.info()["passages"] == 1
    assert catalogue.delete([ADA.id]) == 1
    assert catalogue.size() == (0, 0)
    catalogue.close()


@pytest.mark.parametrize("name", ["{}/shelf", "milvus:{}/lite"])
def test_a_file_of_an_earlier_version_is_found_by_the_name_it_is_listed_by(name, tmp_path, embedder):
    with contextlib.closing(open_index(name.format(tmp_path), embedder, create=True)) as store:
        old = replace(ADA, source="/a/b/../acme.txt")
        store.put(old)
        store.put(BEN)
        assert store.database.find(old.source) == ADA.id
        assert store.database.find("/a/acme.txt") == BEN.id == store.database.find("/a/c/../acme.txt")


def test_an_index_in_memory_is_no_store(embedder):
    memory: Index = MemoryIndex(embedder)
    assert not isinstance(memory, Store)


def test_addresses_are_understood():
    address = Address.parse("milvus+https://in01.example.org:19530/papers")
    assert (address.uri, address.collection, address.folder) == (
        "https://in01.example.org:19530",
        "papers",
        None,
    )
    assert Address.parse("milvus+http://[::1]:19530/papers").uri == "http://[::1]:19530"
    assert Address.parse("milvus+http://milvus-1.local/papers").uri == "http://milvus-1.local"
    assert Address.parse("milvus:a b.db").folder.name == "a b.db"


@pytest.mark.parametrize(
    "name",
    [
        "milvus:",
        "milvus+http://localhost:19530",
        "milvus+http://localhost:19530/",
        "milvus+http://localhost:19530/a-b",
        "milvus+http://localhost:19530/a/b",
        "milvus+http://localhost:abc/papers",
        "milvus+http://localhost:0/papers",
        "milvus+http://localhost:99999/papers",
        "milvus+http://[::1/papers",
        "milvus+http://[:::::]:1/papers",
        "milvus+ftp://localhost/a",
    ],
)
def test_other_names_are_one_sentence(name, embedder):
    with pytest.raises(InputError, match=r"names no index: write milvus:PATH or milvus\+http://"):
        open_index(name, embedder)
    with pytest.raises(InputError, match="names no index"):
        open_catalogue(name)


@pytest.mark.parametrize(
    "name",
    [
        "milvus+https://root:SECRET@localhost:19530/papers",
        "milvus+http://localhost:1?token=SECRET/papers",
    ],
)
def test_a_secret_in_an_address_is_not_said_again(name, embedder):
    with pytest.raises(InputError, match=r"^This address names no index: .* a token in") as caught:
        open_index(name, embedder)
    assert "SECRET" not in str(caught.value)


def test_a_folder_that_no_system_takes_is_one_sentence(embedder):
    with pytest.raises(InputError, match=r"cannot be opened \(File name too long\): name another folder\.$"):
        open_index(f"milvus:{'x' * 300}", embedder, create=True)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_the_extra_it_is_said_how_to_install_it():
    code = """
import sys
sys.modules["pymilvus"] = None  # as if it were not there
from qa.cli import main
sys.exit(main(["ask", "Who?", "--index", "milvus:nowhere"]))
"""
    done = run(code)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == (
        "article-qa: An index over Milvus needs pymilvus, which is not installed: "
        'pip install ".[scale]" brings it.'
    )


def test_nothing_of_milvus_is_imported_for_other_indexes(tmp_path):
    code = f"""
import sys
from qa import ArticleQA
ArticleQA.open({str(tmp_path / "shelf")!r}, create=True)
print([name for name in sys.modules if "milvus" in name or name == "grpc"])
"""
    assert run(code).stdout == "[]\n"


LOOK = """
import os, sys

class Look:
    def find_spec(self, name, *_):
        if name == "grpc":
            print(os.environ.get("GRPC_VERBOSITY"))

sys.meta_path.insert(0, Look())
from index.{module} import {name} as opened
opened("milvus:nowhere")
"""


@pytest.mark.parametrize(
    ("module", "name"), [("opening", "open_catalogue"), ("milvus_database", "MilvusDatabase")]
)
def test_grpc_is_told_to_be_quiet_before_it_is_imported(module, name, tmp_path):
    code = LOOK.replace("{module}", module).replace("{name}", name)
    env = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert "milvus:nowhere holds no index" in done.stderr
    assert done.stdout == "NONE\n"
