"""Later occurrences against counting in a dictionary."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.shared.duplicates.occurrences import later_occurrences, shard_file
from stages.shared.duplicates.partitions import Partitions
from stages.shared.duplicates.text_hashes import save_array, text_hashes

DATA = Path(__file__).parents[3] / "data"
KEYS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1])
SHARDS = st.lists(st.lists(KEYS, max_size=30), max_size=5)


def expected(shards, allowed):
    seen = Counter()
    found = []
    for shard in shards:
        found.append([])
        for position, key in enumerate(shard):
            seen[key] += 1
            if seen[key] > allowed:
                found[-1].append(position)
    return found


def write(folder, shards):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.npy" for number in range(len(shards))]
    for path, shard in zip(paths, shards, strict=True):
        save_array(path, np.array(shard, np.uint64))
    return paths


def read(out, shards):
    return [np.load(out / shard_file(number)).tolist() for number in range(len(shards))]


@given(SHARDS, st.integers(0, 3), st.integers(1, 20))
def test_found_is_what_counting_finds(tmp_path_factory, shards, allowed, at_once):
    folder = tmp_path_factory.mktemp("later")
    counts = later_occurrences(write(folder, shards), allowed, folder / "out", at_once)
    assert read(folder / "out", shards) == expected(shards, allowed)
    assert counts == list(map(len, expected(shards, allowed)))
    assert not list(folder.glob("*.unfinished"))
    assert len(list((folder / "out").iterdir())) == len(shards)


@pytest.mark.parametrize("at_once", [10, 1 << 20])
def test_lines_of_real_text(tmp_path, at_once):
    lines = (DATA / "dutch.txt").read_text(encoding="utf-8").split("\n")
    shards = [lines[:300], lines[300:], lines[100:400]]
    files = write(tmp_path, [text_hashes(shard) for shard in shards])
    later_occurrences(files, 2, tmp_path / "out", at_once)
    assert read(tmp_path / "out", shards) == expected(shards, 2)
    assert 0 < len(expected(shards, 2)[2]) < 300


def test_a_killed_run_leaves_nothing_that_counts(tmp_path):
    shards = [[1, 2, 1], [2]]
    rubbish = tmp_path / "out.unfinished" / "partitions"
    rubbish.mkdir(parents=True)
    (rubbish / "0").write_bytes(b"half a record")
    later_occurrences(write(tmp_path, shards), 1, tmp_path / "out")
    assert read(tmp_path / "out", shards) == [[2], [0]]
    with pytest.raises(FileExistsError, match="is there already"):
        later_occurrences([], 1, tmp_path / "out")
    with pytest.raises(ValueError, match="-1 occurrences allowed"):
        later_occurrences([], -1, tmp_path / "other")


def test_a_damaged_file_publishes_nothing(tmp_path):
    files = write(tmp_path, [[1], [2]])
    files[1].write_bytes(files[1].read_bytes()[:-3])
    with pytest.raises(ValueError, match="file size"):
        later_occurrences(files, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_partitions_are_of_about_the_size_asked_for(tmp_path):
    hashes = np.random.default_rng(1).integers(0, 2**64, 10_000, np.uint64)
    partitions = Partitions(tmp_path / "partitions", 10_000, 1000)
    partitions.add(hashes[:6000], np.arange(6000))
    partitions.add(hashes[6000:], np.arange(6000, 10_000))
    found = list(partitions.sorted())
    assert max(len(part) for part, _ in found) < 1000
    assert np.array_equal(np.concatenate([part for part, _ in found]), np.sort(hashes))
    assert np.array_equal(hashes[np.concatenate([numbers for _, numbers in found])], np.sort(hashes))
