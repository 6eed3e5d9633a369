import numpy as np
import pytest
import tiny_vocabularies as tiny

from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import MappingTask

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


@pytest.mark.parametrize("target_style", STYLES)
@pytest.mark.parametrize("source_style", STYLES)
def test_rows_are_empty_or_sum_to_one(tmp_path, source_style, target_style):
    source = tiny.load(tmp_path / "source", source_style, [" a", "b"])
    target = tiny.load(tmp_path / "target", target_style, [" ab", "ba", " één", "漢", "ab"])
    weights = INIT_METHODS["subtoken_mean"](MappingTask(source, target)).weights
    sums = np.asarray(weights.sum(axis=1)).ravel()
    assert np.all(np.isclose(sums, 1.0) | (sums == 0.0))
    assert sums[target.ids["<s>"]] == 1.0
