"""`python -m tests.bench.speed DEV_SQUAD2 [--json F] [--plot F]`: this project beside others, in one run.

Three sets: the bundled article with its gold questions, one article of 40 paragraphs, and all articles of the
gold set. Each system is a process of its own (`tests.bench.systems`); they are asked in turns, question by
question, with a pause for the threads of the one before to come to rest. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from packaging.requirements import Requirement

from index import read_file
from index.export_embedder import original_weights
from qa.gold import GoldQuestion, read_gold
from qa.predictions import f1
from seeds import ARTICLE
from tests.bench.float_weights import write_float_reader
from tests.bench.systems import SYSTEMS

GOLD = Path(__file__).parents[2] / "seeds" / "gold.jsonl"
PARAGRAPHS = 40  # of the article that is asked alone
QUESTIONS = 100
WARM_UP = 5
COLD_STARTS = 3
PAUSE = 0.1  # seconds
DISTRIBUTIONS = {
    "article-qa": ["article-qa"],
    "Haystack": ["haystack-ai", "transformers-haystack", "sentence-transformers-haystack"],
    "txtai": ["txtai"],
}
Results = dict[str, dict[str, float]]  # system -> what was measured
LOWER_IS_BETTER = ("cold start s", "p50 ms", "p95 ms", "peak MiB", "installed MB")


class Process:
    """A system in its process."""

    def __init__(self, name: str, models: Sequence[Path]) -> None:
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.systems", name, *map(str, models)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def __call__(self, **command: Any) -> tuple[Any, float]:
        """The result of a command, and its seconds."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a system died: {self._process.args}")
        reply = json.loads(line)
        return reply["result"], reply["seconds"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Run the comparison."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("gold", help="SQuAD 2.0 questions with whole articles")
    command.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    command.add_argument("--json", type=Path, help="file to write the numbers to")
    command.add_argument("--plot", type=Path, help="picture to write")
    options = command.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "reader"), original_weights()
        write_float_reader(models[0])
        results = {
            title: compare(title, questions, options.systems, models)
            for title, questions in sets(read_gold(options.gold)).items()
        }
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.plot:
        plot(results, options.plot)


def sets(questions: Sequence[GoldQuestion]) -> dict[str, list[GoldQuestion]]:
    """The questions of each set; all are asked of all articles of their set."""
    paragraphs: dict[str, set[tuple[int, int]]] = {}
    for question in questions:
        paragraphs.setdefault(question.document.title, set()).add(question.paragraph)
    title = next(title for title, spans in paragraphs.items() if len(spans) == PARAGRAPHS)
    rng = random.Random(1)
    alone = [question for question in questions if question.document.title == title]
    return {
        "bundled article": read_gold(GOLD, [read_file(ARTICLE)]),
        f"40 paragraphs ({title})": rng.sample(alone, QUESTIONS),
        f"{len(paragraphs)} articles": rng.sample(list(questions), QUESTIONS),
    }


def compare(
    title: str, questions: Sequence[GoldQuestion], systems: Sequence[str], models: Sequence[Path]
) -> Results:
    """Measure the systems on a set, and print a table."""
    articles = list({q.document.id: (q.document.title, q.document.text) for q in questions}.values())
    asked = [question.question for question in questions]
    results: Results = {name: {} for name in systems}
    if len(articles) == 1:
        for name, seconds in cold_starts(articles, asked[0], systems, models).items():
            results[name]["cold start s"] = statistics.median(seconds)
    processes = {name: Process(name, models) for name in systems}
    for name, process in processes.items():
        count, seconds = process(add=articles)
        results[name] |= {"passages": count, "passages/s": count / seconds}
    for name, replies in in_turns(processes, asked).items():
        found = np.array([score(reply, q) for (reply, _), q in zip(replies, questions, strict=True)])
        held = np.array([not question.is_impossible for question in questions])
        times = [1e3 * seconds for _, seconds in replies]
        results[name] |= {
            "F1": 100 * found.mean(),
            "F1 answerable": 100 * found[held].mean(),
            "p50 ms": statistics.median(times),
            "p95 ms": float(np.quantile(times, 0.95)),
        }
    for name, process in processes.items():
        results[name]["peak MiB"], _ = process(memory=True)
        _, seconds = process(ask_all=[f"{question} ?" for question in asked])  # others than before
        results[name]["questions/s in a batch"] = len(asked) / seconds
        results[name]["installed MB"] = installed(DISTRIBUTIONS[name]) / 1e6
    if "article-qa" in processes:
        floor, _ = processes["article-qa"](floor=asked)
        results["article-qa"] |= {f"floor: {key}": value for key, value in floor.items()}
    for process in processes.values():
        process.close()
    show(title, len(asked), results)
    return results


def cold_starts(
    articles: Sequence[tuple[str, str]], question: str, systems: Sequence[str], models: Sequence[Path]
) -> dict[str, list[float]]:
    """Seconds from the start of a process to its first answer, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(COLD_STARTS):
        for name in systems:
            process = Process(name, models)
            process(add=articles)
            process(ask=question)
            seconds[name].append(time.perf_counter() - process.began)
            process.close()
    return seconds


def in_turns(processes: dict[str, Process], questions: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    """The answers with their seconds, each question asked of all, after a few others to warm up."""
    replies: dict[str, list[tuple[str, float]]] = {name: [] for name in processes}
    for question in questions[:WARM_UP]:
        for process in processes.values():
            process(ask=f"{question} Who said so?")
    for question in questions:
        for name, process in processes.items():
            time.sleep(PAUSE)
            replies[name].append(process(ask=question))
    return replies


def score(answer: str, question: GoldQuestion) -> float:
    """F1 by SQuAD 2.0's rules."""
    return float(not answer) if question.is_impossible else f1(answer, question.answers)


def show(title: str, count: int, results: Results) -> None:
    """Print a table: each system, and the others' values divided by this project's, or it by theirs."""
    names = list(results)
    print(f"\n{title}, {count} questions\n")
    print("| |", " | ".join([*names, *(f"ratio to {name}" for name in names[1:])]), "|")
    print("|---" * (2 * len(names)) + "|")
    first = results[names[0]]
    for key in first:
        values = [f"{results[name][key]:.4g}" if key in results[name] else "" for name in names]
        ratios = []
        for name in names[1:]:
            other = results[name].get(key)
            if other and key in LOWER_IS_BETTER:
                ratios.append(f"{other / first[key]:.1f}")
            elif other and key.endswith(("/s", "batch")):
                ratios.append(f"{first[key] / other:.1f}")
            else:
                ratios.append("")
        print(f"| {key} |", " | ".join([*values, *ratios]), "|", flush=True)


def installed(distributions: Iterable[str]) -> int:
    """Bytes of distributions with everything they require."""
    waiting, seen, counted, size = [Requirement(name) for name in distributions], set(), set(), 0
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:  # for another platform
            continue
        extras = requirement.extras or {""}
        for needed in map(Requirement, distribution.requires or ()):
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                needed.marker = None
                waiting.append(needed)
        name = distribution.metadata["Name"]
        if name not in counted:
            counted.add(name)
            paths = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
            size += sum(path.stat().st_size for path in paths if path.is_file())
    return size


def plot(results: dict[str, Results], path: Path) -> None:
    """A picture of the latencies."""
    matplotlib.use("agg")
    figure, axes = pyplot.subplots(figsize=(7, 0.8 + 0.9 * len(results)), layout="constrained")
    names = list(next(iter(results.values())))
    for place, name in enumerate(names):
        values = [each[name]["p50 ms"] for each in results.values()]
        rows = [row + 0.27 * place for row in range(len(results))]
        bars = axes.barh(rows, values, 0.25, label=name)
        axes.bar_label(bars, [f"{value:.0f} ms, F1 {each[name]['F1']:.0f}" for value, each in
                              zip(values, results.values(), strict=True)], padding=3, fontsize=8)  # fmt: skip
    axes.set_yticks([row + 0.27 * (len(names) - 1) / 2 for row in range(len(results))], list(results))
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds from question to answer, median")
    axes.margins(x=0.25)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
