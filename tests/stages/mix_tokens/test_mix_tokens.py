"""mix_tokens: two packed texts in turns, every document once, the same text whatever the tokenizer."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save_tiny_model

from pipeline.provenance import ROOT
from pipeline.stage import Execution
from stages.mix_tokens.interleave import interleave
from stages.mix_tokens.settings import MixTokensSettings
from stages.mix_tokens.stage import mix_tokens
from stages.pack_tokens.settings import PackTokensSettings
from stages.pack_tokens.stage import pack_tokens
from stages.shared.token_shard import read_tokens

EXECUTION = Execution.model_construct()
SHARE = 0.3


@given(
    lengths=st.lists(st.integers(1, 50), max_size=40),
    replayed=st.lists(st.integers(1, 50), max_size=40),
    share=st.floats(0.01, 0.99),
)
def test_every_document_has_one_turn_and_the_share_holds_all_along(lengths, replayed, share):
    turns = interleave(np.array(lengths, dtype=int), np.array(replayed, dtype=int), share)
    assert (turns.sum(), (~turns).sum()) == (len(replayed), len(lengths))
    ours, theirs = iter(lengths), iter(replayed)
    taken, left = [0, 0], [len(lengths), len(replayed)]
    for turn in turns.tolist():
        taken[turn] += next(theirs) if turn else next(ours)
        left[turn] -= 1
        if all(left):  # no text is at its end: never off by more than a document
            assert abs(taken[1] - share * sum(taken)) <= 50


def read(name):
    lines = (ROOT / "tests" / "data" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip()]


def save_corpus(folder, texts):
    folder.mkdir()
    for split, part in (("train", texts[4:]), ("validation", texts[:4])):
        ids = [f"{split}-{number}" for number in range(len(part))]
        columns = {"id": ids, "group": ids, "card": ["test"] * len(part), "text": part}
        table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
        pq.write_table(
            table.append_column("repeats", pa.array([1] * len(part), pa.int32())), folder / f"{split}.parquet"
        )
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the mixture for one tokenizer and, matched, for another, each with the folder of its tokenizer."""
    place = tmp_path_factory.mktemp("mix")
    texts = {name: save_corpus(place / name, read(name)) for name in ("dutch", "english")}
    tokenizers = {size: save_tiny_model(place / f"model{size}", size=size) for size in (400, 258)}
    mixtures = {}
    for size, tokenizer in tokenizers.items():
        matched = mixtures.get(400)
        parts = {}
        for role, text, tokens in (("tokens", "dutch", 4200), ("replay", "english", 1800)):
            parts[role] = place / f"{role}{size}"
            parts[role].mkdir()
            inputs = {"corpus": texts[text], "tokenizer": tokenizer}
            inputs |= {"match": place / f"{role}400"} if matched else {}
            settings = PackTokensSettings(tokens=tokens, sequence_length=32, seed=1)
            pack_tokens(settings, inputs, parts[role], EXECUTION)
        out = place / f"mixed{size}"
        out.mkdir()
        inputs = parts | ({"match": matched} if matched else {})
        mix_tokens(MixTokensSettings(share=SHARE), inputs, out, EXECUTION)
        mixtures[size] = out
    return place, mixtures, tokenizers


def documents(folder, tokenizer):
    from transformers import AutoTokenizer

    shard, decoder = read_tokens(folder, "train"), AutoTokenizer.from_pretrained(tokenizer)
    return [decoder.decode(shard.document(number)[1:]) for number in range(len(shard))]


def test_the_mixture_holds_both_texts_at_their_share(made):
    place, mixtures, tokenizers = made
    unpacked = documents(mixtures[400], tokenizers[400])
    replayed = np.load(mixtures[400] / "train_replayed.npy")
    dutch, english = set(read("dutch")), set(read("english"))
    assert all(text in (english if again else dutch) for text, again in zip(unpacked, replayed, strict=True))
    own = documents(place / "tokens400", tokenizers[400])
    assert [text for text, again in zip(unpacked, replayed, strict=True) if not again] == own
    meta = json.loads((mixtures[400] / "tokens.json").read_text())
    assert meta["tokens"] == len(read_tokens(mixtures[400], "train").tokens) >= 6000
    assert meta["replay"]["share"] == pytest.approx(SHARE, abs=0.02)
    assert meta["bytes"] == sum(len(text.encode()) for text in unpacked)
    half = read_tokens(mixtures[400], "train").starts < meta["tokens"] // 2
    early = replayed[half].sum() / max(1, half.sum())
    assert early == pytest.approx(replayed.mean(), abs=0.1), "the first half has the mixture of the whole"


def test_another_tokenizer_gets_the_same_text_in_the_same_order(made):
    _, mixtures, tokenizers = made
    assert documents(mixtures[400], tokenizers[400]) == documents(mixtures[258], tokenizers[258])
    one, other = (json.loads((mixtures[size] / "tokens.json").read_text()) for size in (400, 258))
    assert other["tokens"] > one["tokens"]
    assert (other["bytes"], other["replay"]["bytes"]) == (one["bytes"], one["replay"]["bytes"])


def test_rows_lead_back_to_each_corpus_and_held_out_text_is_the_new_languages(made):
    place, mixtures, tokenizers = made
    rows, replayed = (np.load(mixtures[400] / f"train_{name}.npy") for name in ("rows", "replayed"))
    texts = [pq.read_table(place / name / "train.parquet")["text"].to_pylist() for name in ("dutch", "english")]
    found = [texts[int(again)][row] for row, again in zip(rows, replayed, strict=True)]
    assert found == documents(mixtures[400], tokenizers[400])
    assert (mixtures[400] / "validation.bin").read_bytes() == (place / "tokens400" / "validation.bin").read_bytes()
