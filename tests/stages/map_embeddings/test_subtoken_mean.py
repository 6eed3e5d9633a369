import json

import numpy as np
import pytest
import tiny_vocabularies as tiny
from tokenizers import normalizers

from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import HOW, MappingTask
from stages.map_embeddings.subtoken_mean import spell
from stages.shared.token_text import load_vocabulary

STYLES = ("byte_level", "sentencepiece", "wordpiece")


@pytest.mark.parametrize("target_style", STYLES)
@pytest.mark.parametrize("source_style", ["sentencepiece", "wordpiece"])
def test_a_token_is_the_mean_of_the_tokens_that_spell_it(tmp_path, source_style, target_style):
    source = tiny.load(tmp_path / "source", source_style, [" hou", "se", "boat", " boat", "7"])
    target = tiny.load(tmp_path / "target", target_style, [" house", "seboat", " boat", "7"])
    weights = INIT_METHODS["subtoken_mean"](MappingTask(source, target)).weights

    def row(word):
        found = weights[target.ids[tiny.written(word, target_style)]]
        return {source.tokens[column]: found[0, column] for column in found.nonzero()[1]}

    name = {word: tiny.written(word, source_style) for word in (" hou", "se", "boat", " boat", "7")}
    assert row(" house") == {name[" hou"]: 0.5, name["se"]: 0.5}
    assert row("seboat") == {name["se"]: 0.5, name["boat"]: 0.5}
    assert row(" boat") == {name[" boat"]: 1.0}
    assert row("7") == {name["7"]: 1.0}


def normalizing(folder, style, words, normalizer):
    """Return a tiny vocabulary whose tokenizer has a normaliser."""
    path = tiny.make(folder, style, words) / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": json.loads(normalizer.__getstate__())}))
    return load_vocabulary(folder)


def test_an_uncased_source_spells_capitals_in_small_letters(tmp_path):
    words = [" hou", "se", "boat", " één", " een", "漢", " 漢", " 字"]
    source = normalizing(tmp_path / "source", "wordpiece", words, normalizers.BertNormalizer(lowercase=True))
    target = tiny.load(tmp_path / "target", "byte_level", [" House", "Boat", " Één", " 漢字"])
    found = INIT_METHODS["subtoken_mean"](MappingTask(source, target))

    def row(word):
        taken = found.weights[target.ids[tiny.written(word, "byte_level")]]
        return {source.tokens[column]: weight for column, weight in zip(taken.indices, taken.data, strict=True)}

    assert row(" House") == {"hou": 0.5, "##se": 0.5}
    assert row("Boat") == {"##boat": 1.0}
    assert row(" Één") == {"een": 1.0}
    assert row(" 漢字") == {"漢": 0.5, "字": 0.5}
    assert HOW[found.how[target.ids["ĠHouse"]]] == "spelled"


def test_a_word_start_that_the_source_puts_before_every_text_is_no_part_of_a_token(tmp_path):
    as_llama = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁"), normalizers.Lowercase()])
    source = normalizing(tmp_path / "source", "sentencepiece", [" hou", "hou", "se"], as_llama)
    assert [source.tokens[row] for row in spell(b" House", source)] == ["▁hou", "se"]
    assert [source.tokens[row] for row in spell(b"House", source)] == ["hou", "se"]


@pytest.mark.parametrize("target_style", STYLES)
@pytest.mark.parametrize("source_style", STYLES)
def test_rows_are_empty_or_sum_to_one(tmp_path, source_style, target_style):
    source = tiny.load(tmp_path / "source", source_style, [" a", "b"])
    target = tiny.load(tmp_path / "target", target_style, [" ab", "ba", " één", "漢", "ab"])
    weights = INIT_METHODS["subtoken_mean"](MappingTask(source, target)).weights
    sums = np.asarray(weights.sum(axis=1)).ravel()
    assert np.all(np.isclose(sums, 1.0) | (sums == 0.0))
    assert sums[target.ids["<s>"]] == 1.0
