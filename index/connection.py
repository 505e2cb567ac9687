"""A SQLite file that several threads of this process and other processes use at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from index.errors import InputError, reason

WAIT = 30.0  # seconds for another process


class Connection:
    """A SQLite file, to be opened; by one thread at a time.

    Args:
        path: of the file.
        writer: a file that says who is writing, for those who wait.
        wait: seconds for another process that reads or writes.
    """

    def __init__(self, path: Path, writer: Path, wait: float = WAIT) -> None:
        self.path = path
        self._writer = writer
        self._wait = wait
        self._lock = threading.RLock()
        self._sql: sqlite3.Connection | None = None
        self._inode = -1

    def open(self) -> None:
        """Open the file, or the one that was put in its place."""
        self.close()
        self._sql = sqlite3.connect(
            self.path, timeout=self._wait, isolation_level=None, check_same_thread=False
        )
        self._inode = self.path.stat().st_ino
        self._sql.execute("PRAGMA synchronous = FULL")
        self._sql.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Close it; nothing happens if it is not open."""
        if self._sql:
            self._sql.close()

    def is_replaced(self) -> bool:
        """Whether another file was put in the place of the one that is open; not asked in a transaction."""
        within = self._sql is not None and self._sql.in_transaction
        return not within and self.path.stat().st_ino != self._inode

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement."""
        assert self._sql is not None, "open() comes first"  # noqa: S101  # for mypy
        return self._sql.execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""
        assert self._sql is not None, "open() comes first"  # noqa: S101  # for mypy
        self._sql.executemany(statement, rows)

    @contextlib.contextmanager
    def transaction(self, kind: str) -> Iterator[None]:
        """A transaction, DEFERRED or IMMEDIATE, that is undone where an exception leaves it.

        One that only reads, DEFERRED, may be within another.
        """
        with self._lock:
            if self._sql and self._sql.in_transaction and kind == "DEFERRED":
                yield
                return
            self.execute(f"BEGIN {kind}")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._sql and self._sql.in_transaction:
                    self.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Tell those who wait who is writing; a courtesy, so it may fail."""
        with contextlib.suppress(OSError):
            self._writer.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self._writer.unlink(missing_ok=True)

    @contextlib.contextmanager
    def said(self) -> Iterator[None]:
        """One thread at a time; what SQLite and the file system raise becomes a sentence.

        Raises:
            InputError: that sentence.
        """
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as error:
            raise InputError(self._sentence(error)) from None

    def _sentence(self, error: sqlite3.Error | OSError) -> str:
        folder = self.path.parent
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            try:
                who = self._writer.read_text()
            except OSError:
                who = "another process"
            return f"{folder} has been in use by {who} for {self._wait:g} s: try again later."
        if isinstance(error, sqlite3.DataError):
            return f"{folder} cannot hold the document ({reason(error)}): add it in parts."
        if code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == errno.ENOSPC:
            way = "free some space, nothing that was there is lost"
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or isinstance(error, OSError):
            way = "check its permissions"
        elif code == sqlite3.SQLITE_IOERR:
            way = "check the disk and its room, nothing that was there is lost"
        else:
            way = "it is damaged, add the files to a new index"
        return f"{folder} cannot be used ({reason(error)}): {way}."
