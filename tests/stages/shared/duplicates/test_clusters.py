"""Clusters over shards: what is similar, the first stays, memory and shard borders change nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_edits import dropped_documents

from stages.shared.duplicates import clusters
from stages.shared.duplicates.clusters import SignatureFiles, UnionFind, near_duplicates, similar_pairs
from stages.shared.duplicates.minhash import Signatures, signatures
from stages.shared.duplicates.settings import MinHashSettings

DATA = Path(__file__).parents[3] / "data"
SETTINGS = MinHashSettings(gram_words=5, bands=14, rows=8, threshold=0.75, seed=1)
PAGES = (DATA / "dutch.txt").read_text(encoding="utf-8").strip().split("\n\n")


def save(folder, shards):
    folder.mkdir(exist_ok=True)
    files = [SignatureFiles(folder / f"{n}.bands.npy", folder / f"{n}.rows.npy") for n in range(len(shards))]
    for file, texts in zip(files, shards, strict=True):
        file.save(signatures(texts, SETTINGS))
    return files


def found(out, shards):
    return dropped_documents(out, list(map(len, shards)))


def test_the_first_stays_within_and_across_shards(tmp_path):
    one, two, three, four = PAGES[:4]
    shards = [[one, two, "", one.upper()], [], [three, f"Kop\n{one}", "12 %", f"{two}\nVoet"], [four, ""]]
    statistics = near_duplicates(save(tmp_path, shards), SETTINGS, tmp_path / "out")
    assert found(tmp_path / "out", shards) == {3: 0, 5: 0, 7: 1}
    assert statistics == json.loads((tmp_path / "out" / "clusters.json").read_text())
    assert statistics["sizes"] == {"2": 1, "3-4": 1}
    assert statistics["largest"] == [
        {"cluster": 0, "documents": 3, "shard": 0, "position": 0},
        {"cluster": 1, "documents": 2, "shard": 0, "position": 1},
    ]
    assert (statistics["documents"], statistics["clusters"], statistics["dropped"]) == (10, 2, 3)


@pytest.mark.parametrize("at_once", [3, 1 << 20])
def test_neither_shards_nor_memory_change_the_clusters(tmp_path, monkeypatch, at_once):
    texts = [*PAGES, *(page.lower() for page in PAGES[::3]), *(f"{page}\nEinde" for page in PAGES[::2])]
    whole = near_duplicates(save(tmp_path / "whole", [texts]), SETTINGS, tmp_path / "a")
    monkeypatch.setattr(clusters, "PAIRS_AT_ONCE", 5)
    shards = [texts[:10], texts[10:11], texts[11:90], texts[90:]]
    parts = near_duplicates(save(tmp_path / "parts", shards), SETTINGS, tmp_path / "b", at_once)
    assert found(tmp_path / "a", [texts]) == found(tmp_path / "b", shards)
    assert whole["dropped"] == 26 + 39 == len(found(tmp_path / "b", shards))
    place = [(each.pop("shard"), each.pop("position")) for each in parts["largest"]]
    begins = [0, 10, 11, 90]
    assert [begins[shard] + position for shard, position in place] == [each["cluster"] for each in parts["largest"]]


def test_what_shares_a_band_but_is_not_similar_stays(tmp_path):
    generator = np.random.default_rng(1)
    rows = generator.integers(0, 2**16, (6, 112), np.uint16)
    rows[3], rows[5] = rows[1], rows[2]  # 1 and 3 are the same, and 2 and 5
    files = SignatureFiles(tmp_path / "bands.npy", tmp_path / "rows.npy")
    files.save(Signatures(np.full((14, 6), 7, np.uint64), rows))
    statistics = near_duplicates([files], SETTINGS, tmp_path / "out")
    assert found(tmp_path / "out", [range(6)]) == {3: 1, 5: 2}
    assert statistics["left_uncompared"] == 0


def test_a_band_that_too_many_share_is_reported(monkeypatch):
    monkeypatch.setattr(clusters, "LEADERS", 3)
    counts = {"compared": 0, "similar": 0, "left_uncompared": 0}
    pairs = similar_pairs(np.zeros(10, np.uint64), np.arange(10), lambda left, right: left < 0, counts)
    assert not sum(len(left) for left, _ in pairs)
    assert counts == {"compared": 9 + 8 + 7, "similar": 0, "left_uncompared": 7}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.integers(1, 10))
def test_sets_are_connected_components(pairs, size):
    union = UnionFind(31)
    for begin in range(0, len(pairs), size):
        left, right = np.array(pairs[begin : begin + size]).T
        union.unite(left, right)
    label = list(range(31))
    for _ in label:
        for left, right in pairs:
            label[left] = label[right] = min(label[left], label[right])
    assert union.first(np.arange(31)).tolist() == label


def test_a_killed_run_leaves_nothing_that_counts(tmp_path, monkeypatch):
    files = save(tmp_path, [PAGES[:5], PAGES[:2]])
    (tmp_path / "out.unfinished" / "partitions").mkdir(parents=True)
    monkeypatch.setattr(clusters.UnionFind, "unite", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        near_duplicates(files, SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    near_duplicates(files, SETTINGS, tmp_path / "out")
    assert found(tmp_path / "out", [PAGES[:5], PAGES[:2]]) == {5: 0, 6: 1}
