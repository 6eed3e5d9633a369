"""A tiny random Llama with a byte-level tokenizer, and a corpus for it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tiny_decoders import save_decoder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    f"Document {number}: " + "een huis met een mooie tuin en één boom. " * (number % 9 + 1) for number in range(24)
]


def save_tiny_model(folder: Path, seed: int = 0, positions: int = 64, bos: str | None = "<s>", size: int = 320) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token="</s>").save_pretrained(folder)
    return save_decoder(folder, seed, vocab_size=size, max_position_embeddings=positions, initializer_range=0.3)


def save_test_split(folder: Path, texts: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"d{number}" for number in range(len(texts))]
    columns = {"id": ids, "group": ids, "card": ["test"] * len(ids), "text": texts}
    pq.write_table(
        pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), folder / "test.parquet"
    )
    return folder
