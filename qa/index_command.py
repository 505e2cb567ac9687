"""`article-qa index`: add files to an index on disk, list and remove its documents, describe and check it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from index import InputError, read_file
from index.database import Database
from index.documents import SUFFIXES
from index.embedder import load_embedder
from index.shelf import Shelf
from index.snapshot import newest
from index.store import Entry

INTERRUPTED = 130


def run(options: argparse.Namespace) -> int:
    """Do what `options`, those of `qa.cli`, say; returns the exit status."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "add": _add, "remove": _remove, "list": _list, "info": _info, "check": _check,
    }  # fmt: skip
    return actions[options.action](options)


def files_in(paths: Iterable[str]) -> Iterator[Path]:
    """Files named, and those of the kinds that are read in folders named, in order of their names.

    Raises:
        InputError: a folder holds no such file.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        found = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        if not found:
            raise InputError(f"{path} holds no file to read ({', '.join(SUFFIXES)}): name another folder.")
        yield from found


def _add(options: argparse.Namespace) -> int:
    """One file after the other, so that what is done is kept; those that cannot be read are told."""
    files = list(dict.fromkeys(path.absolute() for path in files_in(options.paths)))
    shelf = Shelf(options.folder, load_embedder(options.embedder), create=True)
    done = {"added": 0, "there already": 0, "refused": 0}
    try:
        with _Bar(files) as bar:
            for path in files:
                done[_put(shelf, path, bar)] += 1
        shelf.view()  # makes them searchable now, not at the first question
    except KeyboardInterrupt:
        print(f"interrupted; {_counts(done)} so far: run the same command again to go on")
        return INTERRUPTED
    print(f"{_counts(done)}; {_size(shelf.database)}")
    return 2 if done["refused"] else 0


class _Bar:
    """How many bytes of the files are done, how fast, and how long the rest takes; nothing off a terminal."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._sizes = {path: path.stat().st_size if path.is_file() else 0 for path in files}
        off = not sys.stderr.isatty()
        total = sum(self._sizes.values())
        self._bar = tqdm(total=total, unit="B", unit_scale=True, disable=off, leave=False)
        self._done = 0  # bytes of the files before this one

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def begin(self, path: Path) -> None:
        """A file is read."""
        self._bar.set_description(path.name[:30])

    def step(self, path: Path, done: int, of: int) -> None:
        """So many of so many passages of it are embedded."""
        self._bar.update(self._done + self._sizes[path] * done // max(of, 1) - self._bar.n)

    def end(self, path: Path) -> None:
        """It is done."""
        self.step(path, 1, 1)
        self._done += self._sizes[path]


def _put(shelf: Shelf, path: Path, bar: _Bar) -> str:
    """Add a file; returns what became of it."""
    bar.begin(path)
    try:
        document = read_file(path)
    except InputError as error:
        tqdm.write(f"article-qa: {error}", file=sys.stderr)
        return "refused"
    finally:
        bar.end(path)
    return "added" if shelf.put(document, lambda done, of: bar.step(path, done, of)) else "there already"


def _remove(options: argparse.Namespace) -> int:
    database = Database(Path(options.folder))
    entries = database.entries()
    by_name = {entry.source: entry.id for entry in entries} | {entry.id: entry.id for entry in entries}
    ids = []
    for name in options.documents:
        identity = by_name.get(name) or by_name.get(str(Path(name).absolute()))
        if identity is None:
            raise InputError(f"{name} is no document of {options.folder}: name an id or file of `list`.")
        ids.append(identity)
    print(f"{database.delete(ids)} removed; {_size(database)}")
    return 0


def _list(options: argparse.Namespace) -> int:
    database = Database(Path(options.folder))
    for entry in database.entries():
        print(json.dumps(asdict(entry), ensure_ascii=False) if options.json else _line(entry))
    if not options.json:
        print(_size(database))
    return 0


def _info(options: argparse.Namespace) -> int:
    database = Database(Path(options.folder))
    entries = database.entries()
    state = database.state()
    snapshot = newest(database, None)
    files = [path for path in database.folder.rglob("*") if path.is_file()]
    facts: dict[str, Any] = {
        "folder": str(database.folder.absolute()),
        "documents": len(entries),
        "passages": int(state.spans[:, 1].sum()),
        "characters": sum(entry.characters for entry in entries),
        "bytes on disk": sum(path.stat().st_size for path in files),
        "writes": state.generation,
        "dimension of vectors": len(database.probe),
        "vectors": snapshot.vectors.kind if snapshot else "made searchable at the next question",
        "searchable": "up to date"
        if snapshot and snapshot.generation == state.generation
        else "brought up to date at the next question",
    }
    if options.json:
        print(json.dumps({name.replace(" ", "_"): value for name, value in facts.items()}))
    else:
        for name, value in facts.items():
            print(f"{name:22}{f'{value:,}' if isinstance(value, int) else value}")
    return 0


def _check(options: argparse.Namespace) -> int:
    shelf = Shelf(options.folder, load_embedder(options.embedder))
    problems = shelf.check()
    for problem in problems:
        print(problem)
    if problems and options.repair:
        print(f"{shelf.repair()} documents repaired")
        problems = shelf.check()
    print(f"{len(problems)} problems; {_size(shelf.database)}")
    return 1 if problems else 0


def _counts(done: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in done.items())


def _size(database: Database) -> str:
    spans = database.state().spans
    return f"{len(spans):,} documents, {int(spans[:, 1].sum()):,} passages"


def _line(entry: Entry) -> str:
    pages = f", {entry.pages} pages" if entry.pages else ""
    return f"{entry.id}  {entry.title}  ({entry.characters:,} characters{pages})  {entry.source}"
