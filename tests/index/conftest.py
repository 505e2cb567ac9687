import functools
import random

import pytest

from index.embedder import OnnxEmbedder

# What is one character to a person: cutting inside one of these is an error.
CHARACTERS = [
    *"abcXYZ019 ,;:-()[]'\"", "\x00", "\t", "\u00a0", "\u3000", "\ufffd", "\U00010348",
    "é", "e\u0301", "o\u0308\u0323", "ß", "ﬁ", "日", "本", "、", "，", "한",
    "ש\u05c1\u05b8", "ל", "م", "ن\u0650", "\u200f", "ह\u093f", "न\u094d", "ก\u0e47",
    "👍", "👍🏽", "❤\ufe0f", "1\ufe0f\u20e3", "👩\u200d🚀", "👨\u200d👩\u200d👧\u200d👦",
    "🇫🇷", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
]  # fmt: skip
STOPS = [
    ". ", ".", "...", "! ", "? ", "?!\" ", "… ", "。", "！", "？」", "؟ ", "। ", ".) ", ".[12] ",
    " Mr. ", " U.S. ", " e.g. ", " J. ", "\n- ", "\n# ", "   ",
    "\n", "\n\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029",
]  # fmt: skip


@pytest.fixture(scope="session")
def embedder():
    """The bundled embedder."""
    return OnnxEmbedder()


@pytest.fixture(scope="session")
def nasty_texts():
    """Texts of awkward characters and ends of sentences, each with the places between its characters.

    Half of them have few stops, so that their sentences are longer than a passage; a quarter has no blanks.
    """

    @functools.cache
    def texts(seed):
        generator = random.Random(seed)
        result = []
        for case in range(40):
            share = generator.choice([0.001, 0.2]) if case % 2 else 0.05
            units = [unit for unit in CHARACTERS if case % 4 or not unit.isspace()]
            parts = ["a"]
            while len(parts) < generator.choice([5, 300, 3000]):
                parts.append(generator.choice(STOPS if generator.random() < share else units))
            places = {0}
            for part in parts:
                places.add(max(places) + len(part))
                if part in STOPS:
                    places.update(range(max(places) - len(part), max(places)))
            result.append(("".join(parts), places))
        return result

    return texts


WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a of and in was arrested japan ghosn nissan sea fish".split()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of a tiny Sentence Transformers model: a random BERT, its tokenizer and mean pooling."""
    import torch  # noqa: PLC0415  # only the tests of other models need it
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from transformers import BertConfig, BertModel, BertTokenizerFast  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    SentenceTransformer(str(folder / "bert"), device="cpu").save(str(folder / "model"))  # adds mean pooling
    return folder / "model"
