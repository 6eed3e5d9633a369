import gzip
import shutil
from pathlib import Path

import pytest

from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard
from pipeline.errors import UserError
from stages.shared.readers.broken import stop
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.left_out import LeftOut
from stages.shared.readers.task import Handling

SAMPLES = Path(__file__).parents[3] / "data" / "readers" / "dictd"
OPTIONS = {"source_to_target": "freedict-eng-nld.index", "target_to_source": "freedict-nld-eng.index"}


def read(folder, **options):
    card = ResolvedCard(
        name="card",
        role="dictionary",
        licence="gpl",
        languages=("en", "nl"),
        source=FileSource(kind="file", folder=str(folder), files=("*",)),
        reader=Reader(kind="dictd", options=OPTIONS | options),
        columns={},
        files=(),
    )
    return [
        segment
        for document in read_card(card, folder, Handling(1000, 1_000_000, stop, LeftOut()))
        for segment in document.segments
    ]


def test_both_directions_give_the_source_word_first():
    pairs = {tuple(segment) for segment in read(SAMPLES)}
    assert {("able", "in staat om"), ("able", "bereid"), ("about", "over"), ("again", "weer")} <= pairs
    assert ("desirable", "begeerlijk") in pairs  # from the other direction, the ligature of i and j taken apart
    assert ("desire", "begeren") in pairs
    assert not any("freedict" in source.lower() or "/" in source for source, _ in pairs)


def test_one_direction_may_be_missing():
    assert all(source != "desirable" for source, _ in read(SAMPLES, target_to_source=None))


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(SAMPLES, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("freedict-eng-nld.dict.dz", lambda data: data[: len(data) // 2], "cut off or damaged"),
        ("freedict-eng-nld.dict.dz", lambda data: gzip.compress(b"short"), "an entry ends behind the 5 bytes"),
        ("freedict-eng-nld.index", lambda data: b"able\tB\n" + data, "line 1: no headword, offset and length"),
        ("freedict-eng-nld.index", lambda data: b"able\t-\tB\n" + data, "line 1: no headword, offset and length"),
    ],
)
def test_damaged_files_are_told(copy, name, change, said):
    path = copy / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=said):
        read(copy)


def test_a_missing_text_is_told(copy):
    (copy / "freedict-eng-nld.dict.dz").unlink()
    with pytest.raises(UserError, match="does not lie beside it"):
        read(copy)
