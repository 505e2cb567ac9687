"""`article-qa index`: add files to an index on disk, list and remove its documents, describe and check it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from index import InputError, read_file
from index.database import DATABASE
from index.documents import SUFFIXES, whole_path
from index.embedder import load_embedder
from index.opening import open_catalogue, open_index
from index.store import Catalogue, Entry, Store

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
        InputError: a folder holds no such file, or it or one in it cannot be read.
    """
    for path in map(Path, paths):
        try:
            if not path.is_dir():
                yield path
                continue
            found = sorted(_walk(path))
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}): name another.") from None
        if not found:
            raise InputError(f"{path} holds no file to read ({', '.join(SUFFIXES)}): name another folder.")
        yield from found


def _walk(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=fail):
        if DATABASE in names:  # an index, perhaps the one that is added to
            folders.clear()
            continue
        paths = (Path(place, name) for name in names)
        yield from (path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def _add(options: argparse.Namespace) -> int:
    """Each file is a write of its own, so that what is done is kept; those that cannot be read are told."""
    files = list(dict.fromkeys(whole_path(path) for path in files_in(options.paths)))
    done = {"added": 0, "there already": 0, "refused": 0}
    with closing(open_index(options.folder, load_embedder(options.embedder), create=True)) as store:
        try:
            with Bar(files) as bar:
                by_ray = options.ray is not None
                for became in (
                    _put_by_ray(store, files, bar, options) if by_ray else _put_all(store, files, bar)
                ):
                    done[became] += 1
            store.view()  # makes them searchable now, not at the first question
        except KeyboardInterrupt:
            print(f"interrupted; {_counts(done)} so far: run the same command again to go on")
            return INTERRUPTED
        print(f"{_counts(done)}; {_size(store)}")
    return 2 if done["refused"] else 0


class Bar:
    """How many bytes of the files are done, how fast, and how long the rest takes; nothing off a terminal."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._sizes = {path: path.stat().st_size if path.is_file() else 0 for path in files}
        off = not sys.stderr.isatty()
        total = sum(self._sizes.values())
        self._bar = tqdm(total=total, unit="B", unit_scale=True, disable=off, leave=False)
        self._before = 0  # bytes of the files before this one
        self.done = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def begin(self, path: Path) -> None:
        """A file is read."""
        self._bar.set_description(path.name[:30])

    def step(self, path: Path, done: int, of: int) -> None:
        """So many of so many passages of it are embedded."""
        now = self._before + self._sizes[path] * done // max(of, 1)
        self._bar.update(now - self.done)
        self.done = now

    def end(self, path: Path) -> None:
        """It is done."""
        self.step(path, 1, 1)
        self._before += self._sizes[path]


def _put_all(store: Store, files: Iterable[Path], bar: Bar) -> Iterator[str]:
    """Add files, one after the other; what became of each."""
    return (_put(store, path, bar) for path in files)


def _put_by_ray(store: Store, files: list[Path], bar: Bar, options: argparse.Namespace) -> Iterator[str]:
    """Add files by the workers of a Ray cluster; what became of each, in the order they are done."""
    try:
        from index import bulk  # noqa: PLC0415  # Ray is an extra, and slow to import
    except ModuleNotFoundError as error:
        raise InputError(
            f'{error.name} is not installed: pip install ".[scale]" brings what --ray needs.'
        ) from None
    outcomes = bulk.add(files, bulk.StoreTarget(store), options.embedder, options.ray)
    with closing(outcomes):  # ends the cluster's work at once where we are interrupted
        for outcome in outcomes:
            bar.begin(outcome.path)
            bar.end(outcome.path)
            for sentence in filter(None, (*outcome.remarks, outcome.refusal)):
                tqdm.write(f"article-qa: {sentence}", file=sys.stderr)
            yield "refused" if outcome.refusal else "added" if outcome.changed else "there already"


def _put(store: Store, path: Path, bar: Bar) -> str:
    """Add a file; returns what became of it."""
    bar.begin(path)
    try:
        try:
            document = read_file(path)
        except InputError as error:
            tqdm.write(f"article-qa: {error}", file=sys.stderr)
            return "refused"
        changed = store.put(document, lambda done, of: bar.step(path, done, of))
        return "added" if changed else "there already"
    finally:
        bar.end(path)


def _remove(options: argparse.Namespace) -> int:
    with closing(open_catalogue(options.folder)) as catalogue:
        ids = []
        for name in options.documents:
            identity = catalogue.find(name)
            if identity is None:
                raise InputError(f"{name} is no document of {options.folder}: name an id or file of `list`.")
            ids.append(identity)
        print(f"{catalogue.delete(ids)} removed; {_size(catalogue)}")
    return 0


def _list(options: argparse.Namespace) -> int:
    with closing(open_catalogue(options.folder)) as catalogue:
        for entry in catalogue.entries():
            print(json.dumps(asdict(entry), ensure_ascii=False) if options.json else _line(entry))
        if not options.json:
            print(_size(catalogue))
    return 0


def _info(options: argparse.Namespace) -> int:
    with closing(open_catalogue(options.folder)) as catalogue:
        facts = catalogue.info()
    if options.json:
        print(json.dumps({name.replace(" ", "_"): value for name, value in facts.items()}))
    else:
        for name, value in facts.items():
            print(f"{name:22}{f'{value:,}' if isinstance(value, int) else value}")
    return 0


def _check(options: argparse.Namespace) -> int:
    with closing(open_index(options.folder, load_embedder(options.embedder))) as store:
        problems = store.check()
        for problem in problems:
            print(problem)
        if problems and options.repair:
            for sentence in store.repair():
                print(sentence)
            problems = store.check()
        print(f"{len(problems)} problems; {_size(store)}")
    return 1 if problems else 0


def _counts(done: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in done.items())


def _size(held: Catalogue | Store) -> str:
    documents, passages = held.size()
    return f"{documents:,} documents, {passages:,} passages"


def _line(entry: Entry) -> str:
    pages = f", {entry.pages} pages" if entry.pages else ""
    return f"{entry.id}  {entry.title}  ({entry.characters:,} characters{pages})  {entry.source}"
