"""pack_tokens and its reader: whole documents, one BOS each, the same text whatever the tokenizer."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.pack_tokens.settings import PackTokensSettings
from stages.pack_tokens.stage import pack_tokens
from stages.shared.token_shard import TokenShard, read_tokens

EXECUTION = Execution.model_construct()
DOCUMENTS = [f"Document {number}: " + "een huis met een tuin. " * (number % 7 + 1) for number in range(60)]


def save_tokenizer(folder: Path, size: int, bos: str | None = "<s>") -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(DOCUMENTS, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token="</s>").save_pretrained(folder)
    return folder


def save_corpus(folder: Path, train: list[str], validation: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for split, texts in {"train": train, "validation": validation}.items():
        ids = [f"{split}-{number}" for number in range(len(texts))]
        strings = pa.string()
        columns = {"id": ids, "group": ids, "card": ["test"] * len(ids), "text": texts}
        table = pa.table({name: pa.array(values, strings) for name, values in columns.items()})
        table = table.append_column("repeats", pa.array([1] * len(ids), pa.int32()))
        pq.write_table(table, folder / f"{split}.parquet")
    return folder


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tokenizer(tmp_path_factory.mktemp("tokenizers") / "small", 300)


@pytest.fixture(scope="session")
def byte_tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tokenizer(tmp_path_factory.mktemp("tokenizers") / "bytes", 258)


def pack(corpus: Path, tokenizer: Path, out: Path, tokens: int = 500, seed: int = 1, match: Path | None = None) -> Path:
    out.mkdir()
    inputs = {"corpus": corpus, "tokenizer": tokenizer} | ({"match": match} if match else {})
    pack_tokens(PackTokensSettings(tokens=tokens, sequence_length=32, seed=seed), inputs, out, EXECUTION)
    return out


def texts(shard: TokenShard, tokenizer_folder: Path) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    documents = [shard.document(number) for number in range(len(shard))]
    assert all(document[0] == shard.meta["start_token_id"] for document in documents)
    return [tokenizer.decode(document[1:]) for document in documents]


def test_whole_documents_until_there_are_enough_tokens(tmp_path: Path, tokenizer_folder: Path) -> None:
    corpus = save_corpus(tmp_path / "corpus", DOCUMENTS, DOCUMENTS[:5])
    out = pack(corpus, tokenizer_folder, tmp_path / "out", tokens=500)
    shard = read_tokens(out, "train")
    assert 500 <= len(shard.tokens) == shard.meta["tokens"]
    assert len(shard.tokens[: shard.starts[-1]]) < 500
    unpacked = texts(shard, tokenizer_folder)
    assert len(set(unpacked)) == len(unpacked)
    assert set(unpacked) < set(DOCUMENTS)
    assert shard.meta["bytes"] == sum(len(text.encode()) for text in unpacked)
    assert shard.meta["words"] == sum(len(text.split()) for text in unpacked)
    assert sorted(texts(read_tokens(out, "validation"), tokenizer_folder)) == sorted(DOCUMENTS[:5])
    assert not list(out.glob("scratch*"))


def test_exactly_one_bos_even_where_the_text_names_it(tmp_path: Path, tokenizer_folder: Path) -> None:
    corpus = save_corpus(tmp_path / "corpus", ["<s>doorgestreept</s> <s>", "</s>"], [])
    shard = read_tokens(pack(corpus, tokenizer_folder, tmp_path / "out", tokens=1000), "train")
    assert np.count_nonzero(shard.tokens == shard.meta["start_token_id"]) == len(shard)
    assert len(read_tokens(tmp_path / "out", "validation").tokens) == 0


def test_small_corpus_is_repeated_in_another_order(tmp_path: Path, tokenizer_folder: Path) -> None:
    corpus = save_corpus(tmp_path / "corpus", DOCUMENTS[:10], [])
    shard = read_tokens(pack(corpus, tokenizer_folder, tmp_path / "out", tokens=1200), "train")
    unpacked = texts(shard, tokenizer_folder)
    assert shard.meta["epochs"] == len(unpacked) / 10 > 2
    assert sorted(unpacked[:10]) == sorted(unpacked[10:20]) == sorted(DOCUMENTS[:10])
    assert unpacked[:10] != unpacked[10:20]


def test_match_gives_the_same_text_to_another_tokenizer(
    tmp_path: Path, tokenizer_folder: Path, byte_tokenizer_folder: Path
) -> None:
    corpus = save_corpus(tmp_path / "corpus", DOCUMENTS, DOCUMENTS[:5])
    first = pack(corpus, tokenizer_folder, tmp_path / "first")
    second = pack(corpus, byte_tokenizer_folder, tmp_path / "second", tokens=1, match=first)
    for split in ("train", "validation"):
        one, other = read_tokens(first, split), read_tokens(second, split)
        assert len(other.tokens) > len(one.tokens)
        assert texts(one, tokenizer_folder) == texts(other, byte_tokenizer_folder)
    assert json.loads((first / "tokens.json").read_text())["bytes"] == other.meta["bytes"]


def test_match_of_another_corpus_is_refused(tmp_path: Path, tokenizer_folder: Path) -> None:
    first = pack(save_corpus(tmp_path / "one", DOCUMENTS, []), tokenizer_folder, tmp_path / "first")
    other = save_corpus(tmp_path / "two", DOCUMENTS[::2], [])
    with pytest.raises(UserError, match="another corpus"):
        pack(other, tokenizer_folder, tmp_path / "second", match=first)


def test_seed_changes_the_order_and_nothing_else_does(tmp_path: Path, tokenizer_folder: Path) -> None:
    corpus = save_corpus(tmp_path / "corpus", DOCUMENTS, DOCUMENTS[:5])
    runs = [
        pack(corpus, tokenizer_folder, tmp_path / f"run{number}", seed=seed) for number, seed in enumerate((1, 1, 2))
    ]
    for path in sorted(runs[0].iterdir()):
        assert path.read_bytes() == (runs[1] / path.name).read_bytes()
    assert (runs[0] / "train.bin").read_bytes() != (runs[2] / "train.bin").read_bytes()


def test_size_of_the_portions_changes_nothing(
    tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = save_corpus(tmp_path / "corpus", DOCUMENTS, DOCUMENTS[:5])
    whole = pack(corpus, tokenizer_folder, tmp_path / "whole", tokens=1200)
    monkeypatch.setattr("stages.pack_tokens.token_store.BATCH_DOCUMENTS", 7)
    monkeypatch.setattr("stages.pack_tokens.token_store.BATCH_CHARACTERS", 100)
    small = pack(corpus, tokenizer_folder, tmp_path / "small", tokens=1200)
    for path in sorted(whole.iterdir()):
        assert path.read_bytes() == (small / path.name).read_bytes()


def test_corpus_without_text_is_an_error(tmp_path: Path, tokenizer_folder: Path) -> None:
    with pytest.raises(UserError, match="no text"):
        pack(save_corpus(tmp_path / "corpus", [""], []), tokenizer_folder, tmp_path / "out")


def test_without_bos_the_eos_begins_a_document_and_without_both_it_is_an_error(tmp_path: Path) -> None:
    corpus = save_corpus(tmp_path / "corpus", DOCUMENTS, [])
    tokenizer = save_tokenizer(tmp_path / "no_bos", 258, bos=None)
    pack(corpus, tokenizer, tmp_path / "out")
    meta = json.loads((tmp_path / "out" / "tokens.json").read_text())
    assert meta["start_token_id"] == AutoTokenizer.from_pretrained(tokenizer).eos_token_id
    config = json.loads((tokenizer / "tokenizer_config.json").read_text())
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": None}))
    with pytest.raises(UserError, match="has no BOS, EOS or CLS token"):
        pack(corpus, tokenizer, tmp_path / "neither")


@settings(max_examples=25, deadline=None)
@given(documents=st.lists(st.text(max_size=40), min_size=1, max_size=8), tokens=st.integers(1, 300))
def test_unpacking_gives_the_documents_back(
    documents: list[str], tokens: int, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not any(documents):
        return
    folder = tmp_path_factory.mktemp("unpack")
    out = pack(save_corpus(folder / "corpus", documents, documents), tokenizer_folder, folder / "out", tokens)
    unpacked = texts(read_tokens(out, "train"), tokenizer_folder)
    rows = np.load(out / "train_rows.npy")
    assert unpacked == [documents[row] for row in rows]
    assert sorted(texts(read_tokens(out, "validation"), tokenizer_folder)) == sorted(documents)
