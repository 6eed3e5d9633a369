import json

import pytest
from pydantic import ValidationError
from source_case import card, make_zip

from pipeline.card_lock import locked_files
from pipeline.card_sources import (
    GutenbergSource,
    OpusSource,
    WikimediaSource,
)
from stages.shared.sources import locking
from stages.shared.sources.fetch import fetch_source
from stages.shared.sources.locking import lock_cards, refresh_lock


def serve(folder, path, content):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


def web_source(kind, address):
    if kind == "gutenberg":
        books = {"nl": [24675, 11317], "de": [1]}
        return GutenbergSource.model_validate({"kind": kind, "base": address, "language": "nl", "books": books})
    if kind == "wikimedia":
        return WikimediaSource(kind="wikimedia", base=address, wiki="nlwiki", date="20261101")
    form, pair = ("raw", "nl") if kind == "opus raw" else ("tmx", "en-nl")
    return OpusSource(kind="opus", base=address, corpus="OpenSubtitles", version="v2018", pair=pair, form=form)


@pytest.mark.parametrize(
    ("kind", "served_files", "keys"),
    [
        (
            "gutenberg",
            {"cache/epub/24675/pg24675.txt": b"een", "cache/epub/11317/pg11317.txt": b"twee"},
            ["gutenberg/11317", "gutenberg/24675"],
        ),
        (
            "wikimedia",
            {"nlwiki/20261101/nlwiki-20261101-pages-articles-multistream.xml.bz2": b"bz"},
            ["wikimedia/nlwiki/20261101"],
        ),
        ("opus tmx", {"OPUS-OpenSubtitles/v2018/tmx/en-nl.tmx.gz": b"gz"}, ["opus/OpenSubtitles/v2018/en-nl/tmx"]),
    ],
)
def test_what_is_on_the_web_is_pinned_and_then_fetched(served, tmp_path, kind, served_files, keys):
    folder, address = served
    for path, content in served_files.items():
        serve(folder, path, content)
    source = web_source(kind, address)
    lock = lock_cards([card(source)], tmp_path / "d", None)
    assert list(lock) == keys
    out = fetch_source(source, locked_files(source, lock), tmp_path / "other", None)
    assert sorted(path.read_bytes() for path in out.iterdir()) == sorted(served_files.values())


def test_what_another_run_pins_while_this_one_downloads_stays(served, tmp_path, monkeypatch):
    folder, address = served
    for number in (24675, 11317):
        serve(folder, f"cache/epub/{number}/pg{number}.txt", b"text")
    overlay, here = tmp_path / "lock.json", locking.lock_sources
    other = {"name": "x", "version": "1", "sha256": "0" * 64, "size": 1, "replaces": None}
    theirs = {"debian/words": other, "gutenberg/24675": other}

    def slowly(sources, downloads, mirror):
        found = here(sources, downloads, mirror)
        overlay.write_text(json.dumps(theirs))
        return found

    monkeypatch.setattr(locking, "lock_sources", slowly)
    lock, lines = refresh_lock([card(web_source("gutenberg", address))], overlay, tmp_path / "d", None)
    assert sorted(lock) == ["debian/words", "gutenberg/11317", "gutenberg/24675"]
    assert theirs.items() <= lock.items()
    assert json.loads(overlay.read_text()) == lock
    assert [path.name for path in tmp_path.glob("lock.json*")] == ["lock.json"]
    assert "gutenberg/24675 was not pinned; using 1 " in lines[1]


def test_a_language_s_films_are_unpacked(served, tmp_path):
    folder, address = served
    (folder / "OPUS-OpenSubtitles" / "v2018" / "raw").mkdir(parents=True)
    film = "OpenSubtitles/raw/nl/1999/133093/1.xml"
    make_zip(folder / "OPUS-OpenSubtitles" / "v2018" / "raw" / "nl.zip", {film: "<document/>"})
    source = web_source("opus raw", address)
    lock = lock_cards([card(source)], tmp_path / "d", None)
    assert (fetch_source(source, locked_files(source, lock), tmp_path / "d", None) / film).is_file()


def test_books_of_another_language_do_not_change_a_recipe():
    assert web_source("gutenberg", "http://x").books == {"nl": (24675, 11317)}
    with pytest.raises(ValidationError, match="no books in 'fr' are listed, only in nl; add some"):
        GutenbergSource.model_validate({"kind": "gutenberg", "base": "x", "language": "fr", "books": {"nl": [1]}})
