"""Adding many files at once on a Ray cluster: its workers read, split and embed, this process writes.

Each worker is a process with one core, which loads the embedder once and is given a few files at a time. What
it made streams back and is written as it comes, and Ray Data holds the workers back where the writing is
slower. A worker that dies is started again with the files it had, less one that was begun three times and
never ended. Nothing is remembered between two runs but the index itself: texts that it holds are read, not
embedded.

The files and, if it is one's own, the embedder's folder must have the same paths on all machines.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import socket
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import ray
import ray.data
from ray._private import worker
from ray.exceptions import RayError

from index.database import Row
from index.documents import Document, read_file
from index.embedder import kept_embedder, load_embedder
from index.errors import InputError, reason
from index.onnx_model import THREADS, threads
from index.passages import Passage, split_passages
from index.shelf import BEHIND
from index.store import Store

LOCAL = "local"  # the address of a Ray of our own, on this machine
TOGETHER = 16  # files at most that are given to a worker, and done again if it dies
REACHED = 10.0  # seconds for a cluster to be
DEATHS = 3  # of workers that begin, one after the other, before there is thought to be a reason
ATTEMPTS = 3  # at a file whose worker dies
GROWTH = 0.05  # of a shelf, after which its vectors and words are made searchable
TURNS = 4  # in which each worker gets its share of few files


class Target(Protocol):
    """An index that is written to."""

    def ids(self) -> Iterable[str]:
        """The ids of its documents."""

    def holds(self, document: Document) -> bool:
        """Whether the document is there and its file, if it has one, had this text before."""

    def vectors(self, identity: str) -> np.ndarray | None:
        """The vectors of a document's passages, [passages, dimension]; None where it is gone."""

    def insert(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> bool:
        """Put a document in, in the place of what its file held before; whether what can be found changed."""


class StoreTarget:
    """A store that is written to; what was written is made searchable every now and then.

    In a shelf that takes the longer the more is there, so it is done each time it has grown by a share: by
    the same number each time, writing 100,000 passages would take twice as long.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database
        self._held = store.size().passages
        self._behind = 0

    def ids(self) -> Iterable[str]:
        """The ids of its documents."""
        return (identity for _, identity in self._database.ids())

    def holds(self, document: Document) -> bool:
        """Whether the document is there and its file, if it has one, had this text before."""
        return self._database.holds(document)

    def vectors(self, identity: str) -> np.ndarray | None:
        """The vectors of a document's passages, [passages, dimension]; None where it is gone."""
        first = self._database.first(identity)
        return None if first is None else self._database.vectors(first)

    def insert(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> bool:
        """Put a document in, in the place of what its file held before; whether what can be found changed."""
        new = self._database.insert(document, passages, vectors)
        self._behind += len(passages)
        if self._behind > max(BEHIND, GROWTH * self._held):
            self._store.view()
            self._held += self._behind
            self._behind = 0
        return new


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file.

    Attributes:
        path: of the file.
        changed: whether what can be found changed.
        refusal: why it was not read, a sentence; "" where it was.
        remarks: what is to be told of its reading, sentences.
    """

    path: Path
    changed: bool = False
    refusal: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What a worker made of a file.

    Attributes:
        path: of the file.
        document: None where it was refused.
        bounds: (start, end) of its passages, int64, [passages, 2].
        vectors: of its passages, float16, [passages, dimension], as a shelf keeps them; None where the index
            has them.
        refusal: why it was not read.
        remarks: what is to be told of its reading.
    """

    path: str
    document: Document | None = None
    bounds: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))
    vectors: np.ndarray | None = None
    refusal: str = ""
    remarks: tuple[str, ...] = ()


def add(
    files: Sequence[Path], target: Target, embedder: str | None = None, address: str = LOCAL
) -> Generator[Outcome]:
    """Add files to an index, in the order in which workers finish them.

    Args:
        files: whole paths, none twice.
        target: the index; only this process writes to it.
        embedder: that the index was made with: a folder or hub id; None for the bundled one.
        address: of the cluster, "HOST:PORT" or "ray://HOST:PORT"; "auto" for the one this machine is part of,
            LOCAL for one that is started for this and ends with it.

    Yields:
        an outcome for each file, once it is written.

    Raises:
        InputError: there is no such cluster or its workers cannot work, or the index cannot be written to.
    """
    with _cluster(address):
        for made in _made(list(map(str, files)), target, embedder):
            yield _write(made, target, embedder)


def _write(made: Made, target: Target, embedder: str | None) -> Outcome:
    """Write what a worker made; its text is embedded here where the index held it only until just now."""
    path, document = Path(made.path), made.document
    if document is None:
        return Outcome(path, refusal=made.refusal, remarks=made.remarks)
    if target.holds(document):
        return Outcome(path, remarks=made.remarks)
    try:
        vectors = target.vectors(document.id) if made.vectors is None else made.vectors
    except InputError as error:  # those of another file of the same text are damaged
        return Outcome(path, refusal=str(error), remarks=made.remarks)
    passages = Row(0, document, made.bounds).passages()
    if vectors is None or len(vectors) != len(passages):  # the file that had this text has another by now
        vectors = kept_embedder(embedder).encode([passage.text for passage in passages])
    changed = target.insert(document, passages, vectors.astype(np.float32))
    return Outcome(path, changed, remarks=made.remarks)


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connected to a cluster, quietly."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    worker._worker_logs_enabled = False  # what is said of lost workers, which log_to_driver leaves on
    own = {"num_cpus": threads(), "include_dashboard": False} if address == LOCAL else {}
    try:
        _check_reachable(address)
        with _no_standard_error():  # Ray's C++ says there that it will say no more
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        why = getattr(error, "strerror", None) or reason(error)
        raise InputError(
            f"There is no Ray cluster at {address} ({why}): start one with `ray start --head`, "
            "set RAY_AUTH_MODE=token if it wants one, or name no address to use this machine alone."
        ) from None
    try:
        yield
    except RayError as error:
        cause = reason(getattr(error, "cause", None) or error)
        raise InputError(
            f"The Ray cluster gave up ({cause}): see that article-qa, the embedder and the files are on all "
            "its machines, and run the same command again to go on."
        ) from None
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raises an OSError where nobody listens: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), REACHED).close()


@contextlib.contextmanager
def _no_standard_error() -> Iterator[None]:
    """Nothing that this process writes to standard error, from whatever language, is seen."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _made(paths: list[str], target: Target, embedder: str | None) -> Iterator[Made]:
    """What the workers make of files, in the order they finish them."""
    name = str(Path(embedder).absolute()) if embedder and Path(embedder).is_dir() else embedder
    ray.get(ray.remote(_check_worker).remote(name))
    known = np.sort(np.fromiter(map(_number, target.ids()), np.uint64))
    through_client = ray.util.client.ray.is_connected()
    for made in (_from_afar if through_client else _pickled)(paths, known, name):
        yield pickle.loads(made)  # noqa: S301  # of our own workers


def _pickled(paths: list[str], known: np.ndarray, embedder: str | None) -> Iterator[bytes]:
    """What the workers make of files, as pickled `Made`; in a process of the cluster.

    Args:
        paths: of the files.
        known: ids that are not embedded again, as sorted numbers, uint64, [documents].
        embedder: a folder or hub id; None for the bundled one.
    """
    workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
    together = max(1, min(TOGETHER, len(paths) // (TURNS * workers)))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = DEATHS
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Attempts).remote()
    made = ray.data.from_items(
        [{"path": os.fsencode(path)} for path in paths], override_num_blocks=-(-len(paths) // together)
    ).map_batches(
        Worker,
        fn_constructor_args=(embedder, ray.put(known), attempts),
        batch_size=None,
        batch_format="numpy",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=workers, max_size=workers),
    )
    for row in made.iter_rows():  # here, so that what the workers ask lives as long as they do
        yield row["made"]


def _from_afar(*work: Any) -> Iterator[bytes]:
    """As `_pickled`, from a process outside the cluster: Ray Data does not run there."""
    agent = ray.remote(num_cpus=0)(_Agent).remote(*work)
    coming = agent.some.remote()
    while some := ray.get(coming):
        coming = agent.some.remote()  # while these are written
        yield from some


class _Agent:
    """Has files worked on in the cluster, for a process outside, and hands over what is made when asked."""

    def __init__(self, *work: Any) -> None:
        self._made = _pickled(*work)

    def some(self) -> list[bytes]:
        """The next few; none at the end."""
        return list(itertools.islice(self._made, TOGETHER))


class _Attempts:
    """How often each file was begun that has not ended: Ray Data itself would try it for ever."""

    def __init__(self) -> None:
        self._begun: dict[bytes, int] = {}

    def begin(self, path: bytes) -> bool:
        """Whether a file is to be tried, once more."""
        self._begun[path] = self._begun.get(path, 0) + 1
        return self._begun[path] <= ATTEMPTS

    def end(self, path: bytes) -> None:
        """It did no harm."""
        self._begun.pop(path, None)  # gone where this was itself started again


def _check_worker(embedder: str | None) -> None:
    """Fails in a worker that lacks what it needs; at once, where Ray Data would start it again and again."""
    load_embedder(embedder)


class Worker:
    """Reads, splits and embeds files, on one core.

    Args:
        embedder: a folder or hub id; None for the bundled one.
        known: a reference to the ids that are not embedded again, as sorted numbers, uint64, [documents].
        attempts: a handle of `_Attempts`, which all workers share.
    """

    def __init__(self, embedder: str | None, known: Any, attempts: Any) -> None:
        os.environ[THREADS] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._embedder = load_embedder(embedder)
        self._known: np.ndarray = ray.get(known)
        self._attempts = attempts
        self._remarks = _Remarks()
        logging.getLogger("index").addHandler(self._remarks)

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[bytes]]]:
        """Files by their paths, to pickled `Made`, one by one."""
        for path in batch["path"]:
            yield {"made": [pickle.dumps(self._tried(bytes(path)))]}

    def _tried(self, known_as: bytes) -> Made:
        path = os.fsdecode(known_as)  # as text, it may be none that Ray can send
        if not ray.get(self._attempts.begin.remote(known_as)):
            why = f"its workers died, {ATTEMPTS} of them: add it alone to see more"
            return Made(path, refusal=f"{path} was not added, as {why}.")
        made = self._make(path)
        self._attempts.end.remote(known_as)
        return made

    def _make(self, path: str) -> Made:
        try:
            made = self._made(path)
        except InputError as error:
            made = Made(path, refusal=str(error))
        except Exception as error:  # a library's, which must not end the work on millions of other files
            made = Made(path, refusal=f"{path} was not added ({reason(error)}): add it alone to see more.")
        return replace(made, remarks=self._remarks.taken())

    def _made(self, path: str) -> Made:
        document = read_file(path)
        passages = split_passages(document)
        bounds = np.array([(passage.start, passage.end) for passage in passages], np.int64)
        if self._knows(document):
            return Made(path, document, bounds)
        vectors = self._embedder.encode([passage.text for passage in passages])
        return Made(path, document, bounds, vectors.astype(np.float16))

    def _knows(self, document: Document) -> bool:
        number = _number(document.id)
        at = int(np.searchsorted(self._known, number))
        return at < len(self._known) and int(self._known[at]) == number


class _Remarks(logging.Handler):
    """Keeps what is logged, since nobody sees a worker's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._kept.append(record.getMessage())

    def taken(self) -> tuple[str, ...]:
        """The lines since the last time."""
        kept, self._kept = tuple(self._kept), []
        return kept


def _number(identity: str) -> int:
    """The id of a document, a hexadecimal digest, as a number."""
    return int(identity, 16)
