"""The `article-qa` command. Errors are one sentence and exit status 2.

Only the argument parser stands here, so that `--help` answers at once; what a command does is imported when
it runs. The table of commands names the chat by a string: nothing in `qa` imports `ui`.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module

from index.errors import InputError

COMMANDS = {
    "ask": "qa.ask",
    "average": "qa.average",
    "chat": "ui.chat",
    "evaluate": "qa.evaluate_command",
    "index": "qa.index_command",
    "train": "qa.train_command",
}
TRAINING = ("average", "train")  # need the extra `train`
RAY, LOCAL_RAY = "--ray", "local"  # the option of `index add`, and what it means alone
_ADDRESS = re.compile(r"auto|local|(?!milvus:)(ray://)?[\w.-]+:\d+|(ray://)?\[[\da-fA-F:]+\]:\d+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: what its `run` returns, or 0 for None."""
    options = parser().parse_args(_with_address(sys.argv[1:] if arguments is None else arguments))
    logging.basicConfig(level=logging.WARNING, format="article-qa: %(message)s", stream=sys.stderr)
    try:
        status: int | None = import_module(COMMANDS[options.command]).run(options)
        sys.stdout.flush()
    except InputError as error:
        print(f"article-qa: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if options.command not in TRAINING:
            raise
        print(
            f'article-qa: {error.name} is not installed: pip install ".[train]" brings what training needs.',
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("article-qa: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away: `article-qa ask ... | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status or 0


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    result = argparse.ArgumentParser(
        prog="article-qa", description="Ask your documents: the exact words that answer, or a plain no."
    )
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_ask(commands.add_parser("ask", help="answer one question in the terminal"))
    _add_chat(commands.add_parser("chat", help="open the web chat"))
    _add_index(commands.add_parser("index", help="keep documents in an index on disk or over Milvus"))
    _add_evaluate(commands.add_parser("evaluate", help="measure answers against a gold set"))
    _add_train(commands.add_parser("train", help="train, calibrate and export a reader"))
    _add_average(commands.add_parser("average", help="average the weights of trained readers"))
    return result


def _add_ask(command: argparse.ArgumentParser) -> None:
    command.add_argument("question", help="at most 2,000 characters")
    _add_sources(command)
    _add_stored(command)
    command.add_argument("--json", action="store_true", help="print the whole Answer as JSON")


def _add_chat(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files", nargs="*", metavar="FILE",
        help="file everybody begins with; - is standard input (default: the bundled article)",
    )  # fmt: skip
    _add_models(command)
    _add_stored(command)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    command.add_argument(
        "--port", type=_port, help="port to listen on (default: the first free one from 7860)"
    )
    command.add_argument("--root-path", metavar="PATH", help="path behind a reverse proxy, such as /qa")
    command.add_argument(
        "--auth", metavar="USER:PASS", help="who may enter; safer in the environment, as ARTICLE_QA_AUTH"
    )
    command.add_argument(
        "--max-upload", type=_size, default="20mb", metavar="SIZE",
        help="of one file, such as 500kb or 20mb (default: 20mb)",
    )  # fmt: skip
    command.add_argument(
        "--feedback", metavar="FILE", help="show thumbs and append what they say to this gold set"
    )
    command.add_argument(
        "--log",
        action="store_true",
        help="write a line of JSON on standard error for each answer, without texts",
    )
    command.add_argument("--mcp", action="store_true", help="serve `answer` as an MCP tool as well")
    command.add_argument("--no-browser", action="store_true", help="do not open a browser window")


def _add_index(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add files; one that has changed takes the place of what it was")
    remove = actions.add_parser("remove", help="remove documents")
    listing = actions.add_parser("list", help="list the documents")
    info = actions.add_parser("info", help="describe the index")
    check = actions.add_parser("check", help="see that all is well")
    for action in (add, remove, listing, info, check):
        action.add_argument(
            "folder", metavar="INDEX",
            help="folder, milvus:PATH or milvus+http://HOST:PORT/COLLECTION; `add` makes it",
        )  # fmt: skip
    for action in (add, check):
        action.add_argument("--embedder", metavar="M", help="another embedder: a model's folder or hub id")
    for action in (listing, info):
        action.add_argument("--json", action="store_true", help="print JSON: an object, or one a line")
    add.add_argument("paths", nargs="+", metavar="PATH", help="file, or folder whose files are added")
    add.add_argument(
        RAY, nargs="?", const=LOCAL_RAY, type=_address, metavar="ADDRESS",
        help="read and embed on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT, where the files have the "
        "same paths (default: the cores of this machine)",
    )  # fmt: skip
    remove.add_argument("documents", nargs="+", metavar="DOCUMENT", help="id or file, as `list` shows them")
    check.add_argument("--repair", action="store_true", help="make anew what is wrong")


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("gold", metavar="GOLD", help="gold set: JSONL or SQuAD JSON, may be gzipped")
    _add_sources(command)
    _add_stored(command)
    command.add_argument(
        "--task", choices=("article", "paragraph", "dialogue"), default="article",
        help="find the answer in the whole article, or in the given paragraph, or answer the follow-up "
        "questions of the set's dialogues (default: article)",
    )  # fmt: skip
    command.add_argument(
        "--report", metavar="DIR", help="write report.html, results.json and predictions.jsonl there"
    )
    command.add_argument(
        "--fail-under", action="append", default=[], metavar="METRIC=VALUE",
        help="exit with 1 when a metric of --json is below this, repeatable; ece, brier, aurc and latencies "
        "when above it",
    )  # fmt: skip
    command.add_argument(
        "--against", metavar="RESULTS", help="results.json of an earlier --report over the same questions"
    )
    command.add_argument("--skip-bad", action="store_true", help="leave out malformed rows and repeated ids")
    command.add_argument("--json", action="store_true", help="print the metrics as JSON")


def _add_sources(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--file", action="append", metavar="F",
        help="file to ask, repeatable: text, Markdown, HTML, PDF or DOCX; - reads standard input "
        "(default: the bundled article)",
    )  # fmt: skip
    _add_models(command)


def _add_stored(command: argparse.ArgumentParser) -> None:
    command.add_argument("--index", metavar="INDEX", help="ask the documents of `article-qa index add INDEX`")


def _add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument("--reader", metavar="M", help="another reader: a model's folder or hub id")
    command.add_argument("--embedder", metavar="M", help="another embedder: a model's folder or hub id")


def _add_train(command: argparse.ArgumentParser) -> None:
    command.add_argument("out", metavar="FOLDER", help="the run's folder; an interrupted run in it goes on")
    command.add_argument(
        "--data", action="append", required=True, metavar="FILE[=TIMES]",
        help="gold set, repeatable; TIMES is how often an epoch passes over it (default: 1; 0.5: half of it)",
    )  # fmt: skip
    command.add_argument(
        "--base", metavar="M", help="model to start from: a folder or hub id (default: all-MiniLM-L6-v2)"
    )
    command.add_argument("--epochs", type=int, default=1)
    command.add_argument("--batch-size", type=int, default=32)
    command.add_argument("--learning-rate", type=float, default=1.5e-4)
    command.add_argument("--seed", type=int, default=1)
    _add_unseen(command)


def _add_average(command: argparse.ArgumentParser) -> None:
    command.add_argument("out", metavar="FOLDER", help="a new folder")
    command.add_argument(
        "--run", action="append", required=True, metavar="FOLDER",
        help="finished run of `article-qa train`, repeatable; all must go back to the same model",
    )  # fmt: skip
    command.add_argument(
        "--data", action="append", required=True, metavar="FILE",
        help="gold set the runs were trained on, repeatable; the confidence is fitted on what they left out",
    )  # fmt: skip
    _add_unseen(command)


def _add_unseen(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--unseen", action="append", default=[], metavar="FILE",
        help="gold set to fit the confidence on besides, repeatable; it is not trained on",
    )  # fmt: skip


def _with_address(arguments: Sequence[str]) -> list[str]:
    """The arguments, in which `--ray` alone no longer takes the folder that follows for its address."""
    following = [*arguments[1:], ""]
    return [
        f"{RAY}={LOCAL_RAY}" if word == RAY and not _ADDRESS.fullmatch(after) else word
        for word, after in zip(arguments, following, strict=False)
    ]


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise argparse.ArgumentTypeError("an address is auto, HOST:PORT or ray://HOST:PORT")
    return value


def _port(value: str) -> int:
    if not (value.isdecimal() and 0 < int(value) < 65536):
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(value)


def _size(value: str) -> int:
    """A size in words to bytes."""
    match = re.fullmatch(r"([1-9]\d*)(b|kb|mb|gb)", value.lower())
    if not match:
        raise argparse.ArgumentTypeError("a size is a number with b, kb, mb or gb, such as 20mb")
    return int(match[1]) << 10 * ("b", "kb", "mb", "gb").index(match[2])


if __name__ == "__main__":
    sys.exit(main())
