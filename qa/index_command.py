"""`article-qa index`: add files to an index on disk, list and remove its documents, check it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from index import Document, InputError, read_file
from index.documents import SUFFIXES
from index.embedder import load_embedder
from index.shelf import Shelf
from index.store import MemoryIndex


def run(options: argparse.Namespace) -> int:
    """Do what `options`, those of `qa.cli`, say; returns the exit status."""
    create = options.action == "add"
    shelf = Shelf(options.folder, load_embedder(options.embedder), create=create)
    actions: dict[str, Callable[[Shelf, argparse.Namespace], int]] = {
        "add": _add, "remove": _remove, "list": _list, "check": _check,
    }  # fmt: skip
    return actions[options.action](shelf, options)


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


def _add(shelf: Shelf, options: argparse.Namespace) -> int:
    """One file after the other, so that what is done is kept; those that cannot be read are told."""
    files = list(dict.fromkeys(path.absolute() for path in files_in(options.paths)))
    added = refused = 0
    with tqdm(files, unit="file", disable=not sys.stderr.isatty(), leave=False) as bar:
        for path in bar:
            bar.set_description(path.name[:30])
            try:
                document = read_file(path)
            except InputError as error:
                tqdm.write(f"article-qa: {error}", file=sys.stderr)
                refused += 1
                continue
            added += shelf.add(document)
    there = len(files) - added - refused
    print(f"{added} added, {there} there already, {refused} refused; {_size(shelf.view())}")
    return 2 if refused else 0


def _remove(shelf: Shelf, options: argparse.Namespace) -> int:
    documents = shelf.view().documents
    by_source = {document.source: identity for identity, document in documents.items()}
    ids = []
    for name in options.documents:
        identity = name if name in documents else by_source.get(str(Path(name).absolute()))
        if identity is None:
            raise InputError(f"{name} is no document of {shelf.folder}: name an id or file of `list`.")
        ids.append(identity)
    print(f"{shelf.remove(ids)} removed; {_size(shelf.view())}")
    return 0


def _list(shelf: Shelf, options: argparse.Namespace) -> int:
    documents = shelf.view().documents.values()
    for document in documents:
        print(json.dumps(_row(document), ensure_ascii=False) if options.json else _line(document))
    if not options.json:
        print(_size(shelf.view()))
    return 0


def _check(shelf: Shelf, options: argparse.Namespace) -> int:
    problems = shelf.check()
    for problem in problems:
        print(problem)
    if problems and options.repair:
        print(f"{shelf.repair()} documents repaired")
        problems = shelf.check()
    print(f"{len(problems)} problems; {_size(shelf.view())}")
    return 1 if problems else 0


def _size(view: MemoryIndex) -> str:
    return f"{len(view.documents):,} documents, {len(view.passages):,} passages"


def _row(document: Document) -> dict[str, str | int]:
    return {
        "id": document.id,
        "title": document.title,
        "characters": len(document.text),
        "pages": len(document.page_starts),
        "source": document.source,
    }


def _line(document: Document) -> str:
    pages = f", {len(document.page_starts)} pages" if document.page_starts else ""
    return f"{document.id}  {document.title}  ({len(document.text):,} characters{pages})  {document.source}"
