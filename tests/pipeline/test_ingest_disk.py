"""The disk of sources and of their ingests, by hub.first_bytes and by the lock's sizes, before anything is fetched."""

from collections import namedtuple

import pytest

from pipeline import estimate, graph
from pipeline.card_lock import LockedFile, cached_path, hub_folder
from pipeline.cards import resolve_cards
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.ingest_disk import TEXT_DISK, UNPACKED, fetched_bytes, ingested_bytes

HUGE = 10**16
Usage = namedtuple("Usage", "free")


@pytest.fixture(scope="module")
def cards():
    return {card.name: card for card in resolve_cards(["fineweb_2", "nllb"], "en", "nl", {})}


def locked(name, size):
    return LockedFile(key="k", name=name, version="1", sha256="0" * 64, size=size)


def test_a_beginning_takes_what_is_wanted_of_it_and_no_more_than_there_is(cards, tmp_path):
    source = cards["fineweb_2"].source.model_copy(update={"first_bytes": 8000})
    card = cards["fineweb_2"].model_copy(update={"source": source})
    assert (ingested_bytes(card), fetched_bytes(card, tmp_path)) == (8000 * TEXT_DISK, 8000 // UNPACKED)
    folder = hub_folder(tmp_path, "dataset", card.source.id)
    folder.mkdir(parents=True)
    (folder / "there").write_bytes(b"x" * 500)
    assert fetched_bytes(card, tmp_path) == 8000 // UNPACKED - 500
    small = card.model_copy(update={"files": (locked("files.json", 100),)})
    assert (ingested_bytes(small), fetched_bytes(small, tmp_path)) == (100 * UNPACKED * TEXT_DISK, 0)


def test_an_archive_is_kept_and_unpacked_and_what_is_there_is_not_fetched(cards, tmp_path):
    files = (locked("en-nl.txt.zip", 1000), locked("en-nl.tsv", 10))
    card = cards["nllb"].model_copy(update={"files": files})
    assert ingested_bytes(card) == (1000 * UNPACKED + 10) * TEXT_DISK
    assert fetched_bytes(card, tmp_path) == 1000 * (1 + UNPACKED) + 10
    path = cached_path(tmp_path, files[0])
    path.parent.mkdir(parents=True)
    path.touch()
    assert fetched_bytes(card, tmp_path) == 10


def planned(artifacts, downloads, first_bytes):
    config = load_config(
        [
            *("language=dutch", "corpus=open", f"machine.artifacts={artifacts}", f"machine.downloads={downloads}"),
            f"+hub.first_bytes.fineweb_2={first_bytes}",
        ]
    )
    return [(step, config) for step in graph.adapt(config, {}) if step.name == "corpus"]


def test_web_text_that_cannot_fit_is_refused_before_it_is_fetched(tmp_path):
    with pytest.raises(UserError, match=r"the run needs about 15\d{6}\.\d GB of disk.* machine\.artifacts"):
        estimate.check_disk(planned(tmp_path, tmp_path / "downloads", HUGE))
    needed, _ = estimate.check_disk(planned(tmp_path, tmp_path / "downloads", 4_000_000))
    assert needed == 20_000_000 + round(4_000_000 * TEXT_DISK) + 4_000_000 // UNPACKED


def test_downloads_are_held_against_their_own_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate.shutil, "disk_usage", lambda folder: Usage(10**5 if folder.name == "shm" else 10**9))
    steps = planned(tmp_path, "/dev/shm/none", 4_000_000)
    if tmp_path.stat().st_dev == estimate.existing(steps[0][1].execution().downloads).stat().st_dev:
        pytest.skip("this machine has one disk")
    with pytest.raises(UserError, match=r"under /dev/shm/none.* machine\.downloads"):
        estimate.check_disk(steps)
