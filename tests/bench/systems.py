"""The question-answering systems that `tests.bench.speed` compares, each alone in a process.

All get the same texts, the same embedder (all-MiniLM-L6-v2) and the weights of the bundled reader; everything
else is as each comes. A process answers one JSON command a line:

    python -m tests.bench.systems NAME READER EMBEDDER   # folders of models of transformers
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

os.environ |= {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False", "TQDM_DISABLE": "1"}

Article = tuple[str, str]  # title, text
WORDS = 120  # of a passage, where a system is told
TOP = 5  # passages read


class System(Protocol):
    """What is compared."""

    def add(self, articles: list[Article]) -> int:
        """Make articles findable; returns how many passages they are."""

    def ask(self, question: str) -> str:
        """The answer, or "" for none."""

    def ask_all(self, questions: list[str]) -> list[str]:
        """The answers of a batch."""


class ArticleQa:
    """This project, with an index on disk."""

    def __init__(self, reader: str, embedder: str) -> None:
        del reader, embedder  # it has the bundled ones
        from qa import ArticleQA

        self._folder = tempfile.TemporaryDirectory()
        self.engine = ArticleQA.open(Path(self._folder.name) / "index", create=True)

    def add(self, articles: list[Article]) -> int:
        from index import Document

        for title, text in articles:
            self.engine.put(Document.from_text(text, title))
        return len(self.engine.index.passages)

    def ask(self, question: str) -> str:
        return self.engine.answer(question).text

    def ask_all(self, questions: list[str]) -> list[str]:
        return [answer.text for answer in self.engine.answer_batch(questions)]


class Haystack:
    """Haystack: splitter, embedder, in-memory store and retriever, extractive reader."""

    def __init__(self, reader: str, embedder: str) -> None:
        from haystack.components.preprocessors import DocumentSplitter
        from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
            SentenceTransformersTextEmbedder,
        )
        from haystack_integrations.components.readers.transformers import TransformersExtractiveReader

        self._splitter = DocumentSplitter(split_by="word", split_length=WORDS)
        self._documents = SentenceTransformersDocumentEmbedder(model=embedder, progress_bar=False)
        self._question = SentenceTransformersTextEmbedder(model=embedder, progress_bar=False)
        self._store = InMemoryDocumentStore()
        self._retriever = InMemoryEmbeddingRetriever(self._store, top_k=TOP)
        self._reader = TransformersExtractiveReader(model=reader)
        for part in (self._splitter, self._documents, self._question, self._reader):
            if hasattr(part, "warm_up"):
                part.warm_up()

    def add(self, articles: list[Article]) -> int:
        from haystack import Document

        whole = [Document(content=text, meta={"title": title}) for title, text in articles]
        passages = self._splitter.run(documents=whole)["documents"]
        self._store.write_documents(self._documents.run(documents=passages)["documents"])
        return len(passages)

    def ask(self, question: str) -> str:
        vector = self._question.run(text=question)["embedding"]
        found = self._retriever.run(query_embedding=vector)["documents"]
        answers = self._reader.run(query=question, documents=found)["answers"]
        return (answers[0].data or "") if answers else ""

    def ask_all(self, questions: list[str]) -> list[str]:
        return [self.ask(question) for question in questions]


class Txtai:
    """txtai: embeddings database and its pipeline with a question-answering model."""

    def __init__(self, reader: str, embedder: str) -> None:
        from txtai import Embeddings
        from txtai.pipeline import RAG

        self._embeddings = Embeddings(path=embedder, content=True)
        self._rag = RAG(self._embeddings, reader, task="question-answering", context=TOP, output="flatten")

    def add(self, articles: list[Article]) -> int:
        passages = [
            " ".join(words[begin : begin + WORDS])
            for words in (text.split() for _, text in articles)
            for begin in range(0, len(words), WORDS)
        ]
        self._embeddings.index(passages)
        return len(passages)

    def ask(self, question: str) -> str:
        try:
            return self._rag([question])[0] or ""
        except TypeError:  # its fault where the reader points at [CLS], "no answer here" (9.14)
            return ""

    def ask_all(self, questions: list[str]) -> list[str]:
        return [self.ask(question) for question in questions]  # the fault would take the batch with it


SYSTEMS: dict[str, type[ArticleQa] | type[Haystack] | type[Txtai]] = {
    "article-qa": ArticleQa,
    "Haystack": Haystack,
    "txtai": Txtai,
}


def perform(system: System, command: dict[str, Any]) -> Any:
    """The result of one command."""
    if "add" in command:
        return system.add([tuple(article) for article in command["add"]])
    if "ask" in command:
        return system.ask(command["ask"])
    if "ask_all" in command:
        return system.ask_all(command["ask_all"])
    if "floor" in command and isinstance(system, ArticleQa):
        from tests.bench.floor import measure

        return measure(system.engine, command["floor"])
    return peak()


def peak() -> float:
    """Resident MiB of this process at their most; `ru_maxrss` would begin with those of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Answer commands until standard input ends."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print
    system = SYSTEMS[sys.argv[1]](*sys.argv[2:])
    for line in sys.stdin:
        command = json.loads(line)
        began = time.perf_counter()
        result = perform(system, command)
        out.write(json.dumps({"result": result, "seconds": time.perf_counter() - began}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
