"""The server of a Milvus index: its name, the way to it, and calls that wait for one that is away.

Milvus Lite is a server too, one in this process over a folder. Only one process at a time may have the folder
open; those that want to share it start `milvus-lite server --data-dir PATH` and name its address.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import re
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from milvus_lite.adapter.grpc.server import start_server_in_thread
from milvus_lite.exceptions import DataDirLockedError
from pymilvus import MilvusClient, MilvusException

from index.errors import InputError, reason
from index.fingerprint import no_index

TOKEN = "ARTICLE_QA_MILVUS_TOKEN"  # noqa: S105  # the environment variable, not what is in it
LIMIT = 30.0  # seconds that a server may take to come back, and to answer one call, if it is not said in:
LIMIT_SET = "ARTICLE_QA_MILVUS_LIMIT"
CONNECTING = 5.0  # seconds, of these, for one try to connect
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0  # seconds between two tries
STOPPING = 1.0  # seconds for the last calls
LITE_COLLECTION = "article_qa"
LONGEST_PLACE, SHORT_PLACE = 70, "/tmp"  # noqa: S108  # bytes; of a socket, whose path has at most 107

# What a call is tried again after: the server is away, slow, starting or has too much to do.
_CONNECT_FAILED, _RATE_LIMIT, _NOT_LOADED = 2, 8, 101
_LOADING = "wait for loading collection timeout"  # the client's own words, as it gives them no code
_PASSING = (
    _CONNECT_FAILED,
    _RATE_LIMIT,
    _NOT_LOADED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
)
# How long a channel that lost its server leaves it alone: two minutes, if it is not told.
_OPTIONS = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 2_000}
# A host, which may be an IPv6 address, and a port: nothing that a secret could be in.
_ADDRESS = re.compile(
    r"milvus\+(?P<uri>https?://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?)"
    r"/(?P<collection>[A-Za-z_]\w{0,199})/?",
    re.ASCII,
)

T = TypeVar("T")

for _name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)  # whatever matters is raised as well


@dataclass(frozen=True, slots=True)
class Address:
    """Where an index is.

    Attributes:
        name: as a person gives it.
        uri: of the server; empty for Milvus Lite.
        folder: of Milvus Lite; None for a server.
        collection: that the names of the index's collections begin with.
    """

    name: str
    uri: str
    folder: Path | None
    collection: str

    @classmethod
    def parse(cls, name: str) -> Address:
        """The address of a name.

        Raises:
            InputError: it is none.
        """
        if name.startswith("milvus:") and (path := name.removeprefix("milvus:")):
            return cls(name, "", Path(path).absolute(), LITE_COLLECTION)
        match = _ADDRESS.fullmatch(name)
        if not match or not _can_be(match["uri"]):
            shown = "This address" if set("@?") & set(name) else name  # a token or a password may be in it
            raise InputError(
                f"{shown} names no index: write milvus:PATH or milvus+http://HOST:PORT/COLLECTION, the "
                f"collection of letters, digits and underscores, and keep a token in {TOKEN}."
            )
        return cls(name, match["uri"], None, match["collection"])


def _can_be(uri: str) -> bool:
    """Whether its port is one, and its IPv6 address."""
    try:
        return urlsplit(uri).port != 0
    except ValueError:
        return False


class _Lite:
    """Milvus Lite over a folder, shared by all in this process who open it."""

    running: dict[Path, _Lite] = {}  # noqa: RUF012  # one of the process
    lock = threading.Lock()

    def __init__(self, folder: Path, place: tempfile.TemporaryDirectory[str]) -> None:
        self._folder = folder
        self._users = 0
        self.writing = threading.RLock()
        self._place = place
        socket = f"{self._place.name}/socket"
        self._server, self._database, _ = start_server_in_thread(str(folder), host="unix", port=socket)
        self.uri = f"unix:{socket}"

    @classmethod
    def open(cls, address: Address, *, make: bool) -> _Lite:
        """That of a folder.

        Raises:
            InputError: there is none, it is in use or cannot be read, or its socket has no place.
        """
        assert address.folder is not None, "a server is not opened"  # noqa: S101  # for mypy
        folder = address.folder.resolve()
        with cls.lock:
            if folder not in cls.running:
                try:
                    _check_folder(address, make=make)
                except OSError as error:  # a name that is too long, a folder that is another user's
                    raise InputError(
                        f"{address.name} cannot be opened ({error.strerror}): name another folder."
                    ) from None
                place = _place()
                try:
                    cls.running[folder] = cls(folder, place)
                except DataDirLockedError:
                    raise InputError(
                        f"{address.name} is open in another process, and Milvus Lite serves one at a time: "
                        f"close that one, or run `milvus-lite server --data-dir {address.folder}` and name "
                        f"milvus+http://localhost:19530/{LITE_COLLECTION}."
                    ) from None
                except Exception as error:
                    raise InputError(
                        f"{address.name} cannot be opened ({reason(error)}): check the folder, or add the "
                        "files to a new index."
                    ) from None
            lite = cls.running[folder]
            lite._users += 1
            return lite

    def close(self) -> None:
        """Stop it when nobody uses it any more; what was written last goes from its log to its files."""
        with self.lock:
            self._users -= 1
            if not self._users:
                self.running.pop(self._folder, None)
                self._server.stop(STOPPING).wait()  # at once, it would write of it to standard error
                self._database.close()
                self._place.cleanup()


def _place() -> tempfile.TemporaryDirectory[str]:
    """A folder of our own for a socket, as a port would be open to all users of the machine.

    Raises:
        InputError: none can be made that has a short name.
    """
    for place in (tempfile.gettempdir, lambda: SHORT_PLACE):
        with contextlib.suppress(OSError):  # it cannot be written, or there is none
            if len(os.fsencode(place())) <= LONGEST_PLACE:
                return tempfile.TemporaryDirectory(prefix="article-qa-", dir=place())
    raise InputError(
        f"Milvus Lite has no place for a socket (a name of at most {LONGEST_PLACE} bytes): set TMPDIR to a "
        "folder with a shorter name, which you may write to."
    )


def _check_folder(address: Address, *, make: bool) -> None:
    folder = address.folder
    assert folder is not None, "a server is not opened"  # noqa: S101  # for mypy
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{address.name} is a file: name a folder for Milvus Lite.")
    if (folder / "collections").is_dir() and (folder / "LOCK").is_file():  # as Milvus Lite makes them
        return
    if not make:
        raise no_index(address.name)
    # Milvus Lite makes these before LOCK: a command that was killed then leaves them, and nothing in them.
    if folder.exists() and any(
        path.name not in ("collections", "databases") or not path.is_dir() or any(path.iterdir())
        for path in folder.iterdir()
    ):
        raise InputError(f"{address.name} is a folder of other things: name a new one for Milvus Lite.")


_open: weakref.WeakSet[Server] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for server in list(_open):
        with contextlib.suppress(Exception):  # Milvus Lite's log keeps what it could not put in order
            server.close()


class Server:
    """A Milvus server that is called until it answers, for a time. May be shared by threads.

    Args:
        address: of the server, or of Milvus Lite.
        limit: seconds that it may take to come back, and to answer one call; None: as `limit_set` says.
        make: whether to make Milvus Lite's folder where there is none.

    Raises:
        InputError: Milvus Lite cannot be opened, or the limit that is set is none.
    """

    def __init__(self, address: Address, limit: float | None = None, *, make: bool = False) -> None:
        self.address = address
        self.limit = limit_set() if limit is None else limit
        self._lite = _Lite.open(address, make=make) if address.folder else None
        # Held while writing: Milvus Lite takes one writer at a time, whoever it is.
        self.writing = self._lite.writing if self._lite else threading.RLock()
        self._lock = threading.Lock()
        self._client: MilvusClient | None = None
        self._closed = False
        _open.add(self)

    def call(self, method: str, collection: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the client, as `insist`.

        Args:
            method: its name.
            collection: its first argument, the collection's name.
            arguments: the others.
            options: by name; a timeout is added.
        """
        return self.insist(
            collection,
            lambda client, left: getattr(client, method)(collection, *arguments, timeout=left, **options),
        )

    def insist(self, collection: str, work: Callable[[MilvusClient, float], T]) -> T:
        """Have something done, again and again while the server is away, at growing distances.

        Args:
            collection: that it is done with.
            work: takes the client and the seconds that are left. It may be done twice, as an answer may be
                lost: what it writes has to be the same then.

        Raises:
            InputError: the server does not answer in time, or not as it should.
        """
        until = time.monotonic() + self.limit
        wait = FIRST_WAIT
        loaded = False
        while True:
            left = max(until - time.monotonic(), FIRST_WAIT)
            try:
                return work(self._connected(left), left)
            except (MilvusException, grpc.RpcError) as error:
                if _code(error) == _NOT_LOADED and not loaded:  # a server that was started again
                    self._load(collection, left)
                    loaded = True
                    continue
                if not _passes(error):
                    raise self._refused(error) from None
                if time.monotonic() + wait > until:
                    raise self._silent(error) from None
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._client:
                self._client.close()
                self._client = None
            if self._lite:
                self._lite.close()
                self._lite = None
            self._closed = True

    def _connected(self, left: float) -> MilvusClient:
        with self._lock:
            if self._closed:
                raise InputError(f"{self.address.name} was closed: open it again.")
            if self._client is None:
                uri = self._lite.uri if self._lite else self.address.uri
                token = "" if self._lite else os.environ.get(TOKEN, "")
                # Dedicated: a connection of pymilvus's pool would outlive the server it leads to.
                self._client = MilvusClient(
                    uri, token=token, timeout=min(left, CONNECTING), dedicated=True, grpc_options=_OPTIONS
                )
            return self._client

    def _load(self, collection: str, left: float) -> None:
        with contextlib.suppress(MilvusException, grpc.RpcError):  # the call is tried again, and says it
            self._connected(left).load_collection(collection, timeout=left)

    def _refused(self, error: Exception) -> InputError:
        way = f"check the server, and {TOKEN} if it asks for a token"
        if self._lite:
            way = "check the folder and its disk, or add the files to a new index"
        return InputError(f"{self.address.name} cannot be used ({_reason(error)}): {way}.")

    def _silent(self, error: Exception) -> InputError:
        if _is_loading(error):
            return InputError(
                f"{self.address.name} is still being loaded after {self.limit:g} s: try again later, or set "
                f"{LIMIT_SET} to more seconds."
            )
        return InputError(
            f"{self.address.name} has not answered for {self.limit:g} s ({_reason(error)}): start the "
            "server or correct its address, then try again; nothing that was there is lost."
        )


def limit_set() -> float:
    """Seconds that a server may take, as the environment says, or `LIMIT`.

    Raises:
        InputError: it says something else.
    """
    words = os.environ.get(LIMIT_SET)
    try:
        limit = float(words) if words else LIMIT
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise InputError(f"{LIMIT_SET} is {words!r}: set it to a number of seconds above 0.")
    return limit


def _code(error: Any) -> Any:
    code = error.code
    return code() if callable(code) else code


def _passes(error: Any) -> bool:
    """Whether the same call may succeed later."""
    return getattr(error, "retriable", False) or _code(error) in _PASSING or _is_loading(error)


def _is_loading(error: Any) -> bool:
    """Whether the server is making a collection ready, which takes it minutes if that is large."""
    return _code(error) == _NOT_LOADED or _LOADING in str(getattr(error, "message", ""))


def _reason(error: Exception) -> str:
    """What the client says, less the codes around it."""
    if _code(error) in (_CONNECT_FAILED, grpc.StatusCode.UNAVAILABLE):
        return "it cannot be reached"
    if _code(error) == grpc.StatusCode.DEADLINE_EXCEEDED:
        return "it is too slow"
    message = getattr(error, "message", "") or (error.details() if isinstance(error, grpc.Call) else "")
    return reason(Exception(message or type(error).__name__))[:200]
