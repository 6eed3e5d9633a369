"""FOCUS and WECHSEL against the authors' own programs, on what tests/data/reference/make_fixtures.py has frozen."""

from pathlib import Path

import numpy as np
import pytest
import tiny_vectors

from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.focus import fuzzy_partners
from stages.map_embeddings.initialization import SIMILAR, MappingTask
from stages.map_embeddings.same_text import copy_partners
from stages.shared.token_text import load_vocabulary

REFERENCE = Path(__file__).parents[2] / "data" / "reference"


@pytest.fixture(scope="module")
def frozen():
    source, target = load_vocabulary(REFERENCE / "source"), load_vocabulary(REFERENCE / "target")
    with np.load(REFERENCE / "reference.npz") as file:
        return source, target, dict(file)


@pytest.mark.parametrize("match", ["exact", "fuzzy"])
def test_focus_is_that_of_deepfocus(frozen, tmp_path, match):
    source, target, found = frozen
    task = MappingTask(source, target, token_vectors=tiny_vectors.write(tmp_path / "v", found["token_vectors"]))
    mapped = INIT_METHODS["focus"](task, match=match)
    ours, theirs = mapped.weights @ found["table"].astype(np.float64), found[f"focus_{match}"]
    similar = np.flatnonzero(mapped.how == SIMILAR)
    assert len(similar) > 300
    np.testing.assert_allclose(ours[similar], theirs[similar], atol=2e-6)
    partner = copy_partners(source, target)
    if match == "fuzzy":
        partner = np.where(partner >= 0, partner, fuzzy_partners(source, target))
    # It decodes before it compares: a byte becomes U+FFFD there, or nothing where it is white space.
    plain = [row for row in np.flatnonzero(partner >= 0) if not target.byte_fallback[row] and target.text[row].strip()]
    assert len(plain) > 200
    np.testing.assert_array_equal(ours[plain].astype(np.float32), theirs[plain])


def test_wechsel_is_that_of_its_authors(frozen, tmp_path):
    source, target, found = frozen
    folders = {
        f"{side}_vectors": tiny_vectors.write(
            tmp_path / side, found[f"{side}_vectors"], found[f"{side}_words"].tolist(), found[f"{side}_word_vectors"]
        )
        for side in ("source", "target")
    }
    task = MappingTask(source, target, dictionary=REFERENCE / "dictionary.tsv", **folders)
    mapped = INIT_METHODS["wechsel"](task, neighbors=10, temperature=0.1, copy_wordless=False)
    eleven = INIT_METHODS["wechsel"](task, neighbors=11, temperature=0.1, copy_wordless=False).weights
    ours, theirs = mapped.weights @ found["table"].astype(np.float64), found["wechsel"]
    compared = [row for row in np.flatnonzero(mapped.how == SIMILAR) if not tied_at_the_end(eleven[row].data)]
    assert len(compared) > 450
    np.testing.assert_allclose(ours[compared], theirs[compared], atol=2e-6)


def tied_at_the_end(weights):
    """Whether the tenth and the eleventh are as near: then the authors' partition takes either."""
    last, before = np.sort(weights)[:2]
    return np.isclose(last, before, rtol=1e-6)
