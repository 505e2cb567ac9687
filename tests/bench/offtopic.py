"""How often the bundled models abstain on questions that have nothing to do with the document.

    python -m tests.bench.offtopic news_d.jsonl doc_e.jsonl.gz ...

Asks every document of the gold sets `PER_DOCUMENT` of the questions below and prints the share of abstentions
by set, with the questions that were answered most often.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from qa import ArticleQA
from qa.gold import read_gold

PER_DOCUMENT = 12
QUESTIONS = """
Tell me a joke
What is the capital of France?
Who won the 1998 World Cup?
How do I bake sourdough bread?
What's the weather like tomorrow?
who is the president of the united states
What is the square root of 144?
How tall is Mount Everest?
can you write me a poem about the sea
What does photosynthesis produce?
Who painted the Mona Lisa?
When did the Titanic sink?
what time is it
How many legs does a spider have?
Recommend me a good movie
Who wrote Romeo and Juliet?
What is the meaning of life?
how do i reset my password
What is the boiling point of water?
Which planet is closest to the sun?
Who discovered penicillin?
What is my name?
how old are you
Where can I buy cheap shoes?
What is the chemical symbol of gold?
Who is the lead singer of U2?
how do you say thank you in Japanese
Why is the sky blue?
When is Easter next year?
What should I cook for dinner tonight?
What language do they speak in Brazil?
How many strings does a violin have?
Who invented the telephone?
translate good morning into Spanish
What is the fastest animal on land?
Which vitamin do oranges contain?
Are you a human being?
Who was the first man on the moon?
What is 17 times 23?
How long does it take to boil an egg?
""".strip().splitlines()


def main() -> None:
    """Ask, and print a row for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("gold", nargs="+", help="gold sets; their questions are not asked")
    parser.add_argument("--reader", help="folder of another reader")
    options = parser.parse_args()
    rng = random.Random(0)
    misled: Counter[str] = Counter()
    asked = 0
    for path in options.gold:
        documents = {question.document.id: question.document for question in read_gold(path)}
        before = misled.total()
        for document in documents.values():
            engine = ArticleQA.from_documents([document], options.reader)
            answers = [engine.answer(question) for question in rng.sample(QUESTIONS, PER_DOCUMENT)]
            misled.update(answer.question for answer in answers if answer.answered)
        count = PER_DOCUMENT * len(documents)
        asked += count
        wrong = misled.total() - before
        print(f"{Path(path).name:30} {count:6} asked  {100 - 100 * wrong / count:6.2f} % abstained")
    print(f"{'all':30} {asked:6} asked  {100 - 100 * misled.total() / asked:6.2f} % abstained")
    print(misled.most_common(5))


if __name__ == "__main__":
    main()
