"""Mutated files of every format: each is read or refused in a sentence, and offsets hold.

python -m tests.index.formats.fuzz 2000 [SEED]
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

from index import InputError, read_file, split_passages
from index.formats.extraction import SECONDS
from tests.index.formats.files import ARTICLE, page, pdf, word


def unpacked(archive: bytes) -> bytes:
    """The same archive without compression, so that what is changed in it reaches the parser."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


FILES = {
    "pdf": pdf([ARTICLE, "A second page."]),
    "docx": unpacked(word([ARTICLE], [["Year", "Ships"]])),
    "html": page("<table><tr><td>1931</td></tr></table>"),
    "txt": f"{ARTICLE}\r\n\r\nÜber 日本 👍🏽.\u2028End".encode(),
}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, cut out, doubled or put in, or the end cut off."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        at, size = rng.randrange(len(result) or 1), rng.randint(1, 60)
        match rng.randrange(5):
            case 0:
                result[at : at + 1] = rng.randbytes(1)
            case 1:
                del result[at : at + size]
            case 2:
                result[at:at] = result[at : at + size]
            case 3:
                result[at:at] = rng.randbytes(size)
            case 4 if rng.random() < 0.2:
                del result[at:]
    return bytes(result)


def fuzz(count: int, seed: int, folder: Path) -> Counter[str]:
    """Read so many mutated files; returns how many of each format were read and refused.

    Raises:
        AssertionError: an offset did not hold, or a file took too long.
    """
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for number in range(count):
        name = list(FILES)[number % len(FILES)]
        path = folder / f"{number}.{name}"
        path.write_bytes(mutated(FILES[name], rng))
        began = time.monotonic()
        try:
            document = read_file(path)
        except InputError as error:
            sentence = str(error)
            assert sentence.startswith(str(path))
            outcomes[f"{name} refused"] += 1
        else:
            outcomes[f"{name} read"] += 1
            assert list(document.page_starts) == sorted(document.page_starts)
            assert all(start <= len(document.text) for start in document.page_starts)
            document.text.encode()
            for passage in split_passages(document):
                assert document.text[passage.start : passage.end] == passage.text
        assert time.monotonic() - began < SECONDS + 10, path
        path.unlink()
    return outcomes


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(dict(sorted(fuzz(int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]), Path(folder)).items())))
