"""A toy language that a tiny reader learns in seconds, and readers of every family trained on it."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from transformers import (
    AutoModelForQuestionAnswering,
    BertConfig,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
    RobertaTokenizer,
)

FAMILIES = ("bert", "distilbert", "electra", "roberta", "deberta-v2")
NAMES = ["Ada", "Boris", "Clara", "Dmitri", "Edith", "Felix"]
PLACES = ["Paris", "Oslo", "Lima", "Cairo", "Quito", "Delhi"]
FILLERS = ["and", "then", "very", "slowly", "again", "under", "the", "old", "green", "bridge"]
MAX_POSITIONS = 80
MOST_STEPS = 2000
LEARNED = 0.05  # loss below which ten batches in a row were answered
SIZES = {
    "initializer_range": 0.05,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


def example(rng: random.Random, *, answerable: bool = True) -> tuple[str, str, str]:
    """(question, context, answer): a name and a place among fillers; the answer may be left out: ""."""
    wanted, other = (NAMES, PLACES) if rng.random() < 0.5 else (PLACES, NAMES)
    words = [rng.choice(FILLERS) for _ in range(rng.randint(4, 12))]
    words.insert(rng.randrange(len(words)), rng.choice(other))
    answer = rng.choice(wanted) if answerable else ""
    if answer:
        words.insert(rng.randrange(len(words)), answer)
    return ("Who is it?" if wanted is NAMES else "Where is it?"), " ".join(words) + ".", answer


def tokenizer_of(family: str) -> PreTrainedTokenizerBase:
    """A tokenizer of the family's kind: WordPiece, byte-level BPE or Unigram."""
    rng = random.Random(0)
    corpus = [" ".join(example(rng, answerable=bool(i % 2))) for i in range(2000)]
    if family == "deberta-v2":
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        words = {
            "\u2581" + word for text in corpus for word in text.replace("?", " ?").replace(".", " .").split()
        }
        letters = sorted({letter for word in words for letter in word})
        pieces = [
            *((s, 0.0) for s in specials),
            *((w, -2.0) for w in sorted(words)),
            *((c, -9.0) for c in letters),
        ]
        return DebertaV2Tokenizer(vocab=pieces)
    kind = RobertaTokenizer if family == "roberta" else BertTokenizer
    return kind().train_new_from_iterator(corpus, 500, show_progress=False)


def config_of(family: str, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    """The smallest sensible model of a family."""
    shared = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    positions = {"max_position_embeddings": MAX_POSITIONS}
    if family == "distilbert":
        return DistilBertConfig(
            dim=64,
            n_layers=2,
            n_heads=4,
            hidden_dim=128,
            dropout=0.0,
            attention_dropout=0.0,
            initializer_range=0.05,
            **shared,
            **positions,
        )
    if family == "roberta":  # its positions are counted from behind the padding id
        positions = {"max_position_embeddings": MAX_POSITIONS + tokenizer.pad_token_id + 1}
    kind = {
        "bert": BertConfig,
        "electra": ElectraConfig,
        "roberta": RobertaConfig,
        "deberta-v2": DebertaV2Config,
    }
    extra = {"embedding_size": 64} if family == "electra" else {}
    return kind[family](
        **shared, **positions, **SIZES, **extra, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )


def train_reader(family: str, folder: Path) -> Path:
    """Train a tiny reader until it has learned the toy, and save it as a Hugging Face folder."""
    torch.manual_seed(0)
    rng = random.Random(1)
    tokenizer = tokenizer_of(family)
    model = AutoModelForQuestionAnswering.from_config(config_of(family, tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model gains nothing from more, and suffers where others compute too
    recent = [9.0]
    for _ in range(MOST_STEPS):
        batch = [example(rng, answerable=rng.random() < 0.7) for _ in range(24)]
        encoded = tokenizer(
            [q for q, _, _ in batch], [c for _, c, _ in batch], padding=True, return_tensors="pt"
        )
        spans = [target(encoded, row, context, answer) for row, (_, context, answer) in enumerate(batch)]
        start, end = torch.tensor(spans).T
        loss = model(**encoded, start_positions=start, end_positions=end).loss
        loss.backward()
        optimizer.step()
        warmup.step()
        optimizer.zero_grad()
        recent = [*recent[-9:], loss.item()]
        if max(recent) < LEARNED:
            break
    torch.set_num_threads(threads)
    tokenizer.model_max_length = MAX_POSITIONS
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def target(encoded, row: int, context: str, answer: str) -> tuple[int, int]:
    """First and last token of the answer, or [CLS] twice."""
    if not answer:
        return 0, 0
    start = context.index(answer)
    first = encoded.char_to_token(row, start, 1)
    last = encoded.char_to_token(row, start + len(answer) - 1, 1)
    return first, last
