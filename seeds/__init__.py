"""The article that is answered by default, and its gold questions."""

from pathlib import Path

ARTICLE = Path(__file__).parent / "article.txt"
GOLD = Path(__file__).parent / "gold.jsonl"
