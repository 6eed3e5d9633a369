"""Mistral's published tokenizers, from the wheel of mistral-common, as source vocabularies."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_vectors
import tiny_vocabularies as tiny
import torch
import yaml
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from preset_mapping import preset
from transformers.integrations.mistral.tokenizer import MistralConverter

from pipeline.provenance import ROOT
from pipeline.stage import Execution
from stages.map_embeddings.apply import apply_initialization
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import MappingTask
from stages.shared.alignment_table import join_tokens
from stages.shared.token_text import load_vocabulary
from stages.train_tokenizer.settings import TokenizerSettings, TrainTokenizerSettings
from stages.train_tokenizer.stage import train_tokenizer

PUBLISHED = {
    "v1": "tokenizer.model.v1",
    "v3": "mistral_instruct_tokenizer_240323.model.v3",
    "tekken": "tekken_240718.json",
}
TARGETS = {"v1": "sentencepiece", "v3": "byte_bpe", "tekken": "sentencepiece"}
"""Kind of the Dutch tokenizer that each is mapped to: ▁ to ▁, ▁ to Ġ, Ġ to ▁."""
TEKKEN_TOKENS = 20_000
"""Of the 131,072 that Mistral takes from the file: the first ones, which make whole tokens by themselves."""
ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
PAIRS = [("house", "huis"), ("year", "jaar"), ("file", "bestand"), ("the", "de"), ("window", "venster")]
COPYING = ("aligned", "focus", "omp", "subtoken_mean", "trans_tokenize", "wechsel")


def published(name: str) -> Path:
    (package,) = importlib.util.find_spec("mistral_common").submodule_search_locations
    return Path(package) / "data" / PUBLISHED[name]


def write_source(name: str, folder: Path) -> Path:
    """Write the published tokenizer as the folder of a model on the hub has it."""
    folder.mkdir()
    config = {"tokenizer_class": "PreTrainedTokenizerFast" if name == "tekken" else "LlamaTokenizer", **ROLES}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if name != "tekken":
        shutil.copyfile(published(name), folder / "tokenizer.model")
        return folder
    tekken = json.loads(published(name).read_text(encoding="utf-8"))
    tekken["config"]["default_vocab_size"] = TEKKEN_TOKENS
    # Files of 2024 leave the special tokens to the program.
    tekken["special_tokens"] = [
        {**token, "token_str": str(token["token_str"].value)} for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS
    ]
    (folder / "tekken.json").write_text(json.dumps(tekken), encoding="utf-8")
    MistralConverter(str(folder / "tekken.json")).converted().save(str(folder / "tokenizer.json"))
    (folder / "tekken.json").unlink()
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    place = tmp_path_factory.mktemp("mistral")
    return {name: load_vocabulary(write_source(name, place / name)) for name in PUBLISHED}


@pytest.fixture(scope="module")
def targets(tmp_path_factory, sources):
    corpus = tmp_path_factory.mktemp("corpus")
    texts = (ROOT / "tests/data/dutch.txt").read_text(encoding="utf-8").split("\n\n")
    for split in ("train", "validation"):
        columns = {"id": [str(number) for number in range(len(texts))], "text": texts}
        pq.write_table(pa.table(columns), corpus / f"{split}.parquet")
    found = {}
    for kind in sorted(set(TARGETS.values())):
        values = yaml.safe_load((ROOT / f"conf/tokenizer/{kind}.yaml").read_text()) | {"vocabulary_size": 1200}
        settings = TrainTokenizerSettings(tokenizer=TokenizerSettings.model_validate(values))
        inputs, out = {"corpus": corpus, "base_model": sources["v1"].folder}, tmp_path_factory.mktemp(kind)
        train_tokenizer(settings, inputs, out, Execution.model_construct())
        found[kind] = load_vocabulary(out)
    return found


def task_in(folder, source, target):
    def unit(vocabulary, word):
        (ids,) = vocabulary.encode([f" {word}"])
        return join_tokens([vocabulary.tokens[row] for row in ids if vocabulary.text[row].strip()])

    rows = [(unit(source, english), unit(target, dutch), 40) for english, dutch in PAIRS]
    (folder / "dictionary.tsv").write_text("".join(f"{english}\t{dutch}\n" for english, dutch in PAIRS))
    vectors = [tiny_vectors.drawn(vocabulary) for vocabulary in (source, target)]
    words = [sorted({pair[side] for pair in PAIRS}) for side in (0, 1)]
    of_words = [np.random.default_rng(side).standard_normal((len(words[side]), 8)) for side in (0, 1)]
    return MappingTask(
        source,
        target,
        table=tiny.write_lines(folder / "table.tsv", rows),
        dictionary=folder / "dictionary.tsv",
        token_vectors=tiny_vectors.write(folder / "tokens", vectors[1]),
        source_vectors=tiny_vectors.write(folder / "source_words", vectors[0], words[0], of_words[0]),
        target_vectors=tiny_vectors.write(folder / "target_words", vectors[1], words[1], of_words[1]),
    )


def byte_rows(vocabulary):
    """Return the tokens of single bytes that are no character, and so can stand for nothing else."""
    return [row for row, text in enumerate(vocabulary.text) if len(text) == 1 and text >= b"\x80"]


def test_the_vocabularies_are_read_as_published(sources):
    assert {name: (source.style, len(source)) for name, source in sources.items()} == {
        "v1": ("sentencepiece", 32000),
        "v3": ("sentencepiece", 32768),
        "tekken": ("byte_level", TEKKEN_TOKENS),
    }
    for source in sources.values():
        assert {"bos": "<s>", "eos": "</s>", "unk": "<unk>"}.items() <= source.roles.items()
        texts = source.by_text()
        assert all(bytes([byte]) in texts for byte in range(256))
        (ids,) = source.encode(["Het huis staat er al 12 jaar."])
        assert b"".join(source.text[row] for row in ids).strip() == b"Het huis staat er al 12 jaar."


@pytest.mark.parametrize(
    ("method", "name"),
    [
        # Every method from the first, every tokenizer by the default; the rest takes minutes.
        pytest.param(method, name, marks=() if name == "v1" or method == "aligned" else pytest.mark.slow)
        for method in sorted(INIT_METHODS)
        for name in sorted(PUBLISHED)
    ],
)
def test_every_method_maps_them_to_a_dutch_tokenizer(sources, targets, tmp_path, name, method):
    source, target = sources[name], targets[TARGETS[name]]
    mapped = INIT_METHODS[method](task_in(tmp_path, source, target), **preset(method).mapping.options)
    table = torch.randn(len(source), 8, generator=torch.Generator().manual_seed(1))
    (rows,) = apply_initialization(mapped, [table], source.ids["<unk>"], 1, False)
    assert rows.shape == (len(target), 8)
    assert torch.isfinite(rows).all()
    weights = mapped.weights
    filled = np.diff(weights.indptr) > 0
    if method != "omp":
        np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel()[filled], 1.0, rtol=1e-12)
    if method not in COPYING:
        return
    by_text = source.by_text()
    digits = [
        row
        for row, text in enumerate(target.text)
        if len(text) == 1 and text.isdigit() and not target.byte_fallback[row]
    ]
    copied = [(row, by_text[target.text[row]]) for row in digits + byte_rows(target)]
    copied += [(target.ids[token], source.ids[token]) for token in ROLES.values()]
    assert len(copied) >= 10 + 128 + 3
    for row, partner in copied:
        assert torch.equal(rows[row], table[partner]), target.tokens[row]
