import errno
import os
import socket
import subprocess
import threading

import pytest
from source_case import make_deb, make_zip, needs_dpkg, put_in_cache

from pipeline.card_lock import cached_path, locked_files
from pipeline.card_sources import (
    DebianSource,
    FileSource,
    OpusSource,
    PypiSource,
    UrlSource,
)
from pipeline.errors import UserError
from pipeline.provenance import process_space
from pipeline.store import file_sha256
from stages.shared.sources import cache
from stages.shared.sources.cache import find
from stages.shared.sources.fetch import fetch_source


@needs_dpkg
def test_everything_in_the_cache_needs_no_network(tmp_path, request):
    debs = [make_deb(tmp_path, name) for name in ("help-en", "help-nl")]
    wheel = make_zip(tmp_path / "d-1-py3-none-any.whl", {"d/nl.mo": "x"})
    downloads = tmp_path / "downloads"
    locked = tuple(put_in_cache(downloads, deb, f"debian/{deb.name.split('_')[0]}") for deb in debs)
    pypi = put_in_cache(downloads, wheel, "pypi/d==1")
    request.getfixturevalue("no_network")
    folder = fetch_source(DebianSource(kind="debian", packages=("help-en", "help-nl")), locked, downloads, None)
    assert sorted(path.name for path in folder.rglob("*.txt")) == ["help-en.txt", "help-nl.txt"]
    again = fetch_source(DebianSource(kind="debian", packages=("help-nl", "help-en")), locked[::-1], downloads, None)
    assert again == folder
    folder = fetch_source(PypiSource(kind="pypi", package="d", version="1"), (pypi,), downloads, None)
    assert (folder / "d" / "nl.mo").is_file()
    assert not list(downloads.glob("tmp-*"))


def test_an_address_is_fetched_once_and_unpacked(served, tmp_path, monkeypatch):
    folder, address = served
    archive = make_zip(folder / "pairs.zip", {"pairs.en": "one\n", "pairs.nl": "een\n"})
    source = UrlSource(kind="url", url=f"{address}/pairs.zip", sha256=file_sha256(archive), size=archive.stat().st_size)
    files = locked_files(source, {})
    out = fetch_source(source, files, tmp_path / "d", None)
    assert (out / "pairs.nl").read_text() == "een\n"
    archive.unlink()
    assert fetch_source(source, files, tmp_path / "d", None) == out


def test_what_is_unpacked_is_on_the_disk_before_it_gets_its_name(served, tmp_path, monkeypatch):
    folder, address = served
    archive = make_zip(folder / "pairs.zip", {"pairs.en": "one\n", "more/pairs.nl": "een\n"})
    source = UrlSource(kind="url", url=f"{address}/pairs.zip", sha256=file_sha256(archive), size=archive.stat().st_size)
    synced, fsync = {}, os.fsync

    def note(file):
        synced[os.fstat(file).st_ino] = not list((tmp_path / "d").glob("unpacked/*"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", note)
    out = fetch_source(source, locked_files(source, {}), tmp_path / "d", None)
    assert [synced.get((out / name).stat().st_ino) for name in ("pairs.en", "more/pairs.nl")] == [True, True]


def test_what_a_killed_download_left_goes_with_the_next(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    others = f"tmp-{ended.pid}-abc_1234.{socket.gethostname()}"  # of a container that has this one's name
    with cache.workspace(tmp_path) as own:
        (own / "arriving").touch()
        killed = own.rename(tmp_path / own.name.replace(str(os.getpid()), str(ended.pid)))
        running = tmp_path / f"tmp-{os.getpid()}-abc_1234.{process_space()}"
        for folder in (running, tmp_path / others):
            folder.mkdir()
        with cache.workspace(tmp_path) as other:
            assert sorted(tmp_path.iterdir()) == sorted([running, tmp_path / others, other])
    assert not killed.exists()


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: b"x" + data[1:]])
def test_a_damaged_file_in_the_cache_is_noticed_and_fetched_again(served, tmp_path, damage):
    folder, address = served
    archive = make_zip(folder / "pairs.zip", {"pairs.en": "one\n"})
    whole = archive.read_bytes()
    source = UrlSource(kind="url", url=f"{address}/pairs.zip", sha256=file_sha256(archive), size=len(whole))
    files = locked_files(source, {})
    fetch_source(source, files, tmp_path / "d", None)
    kept = cached_path(tmp_path / "d", files[0])
    kept.write_bytes(damage(whole))
    assert find(tmp_path / "d", files[0]) is None
    fetch_source(source, files, tmp_path / "d", None)
    assert kept.read_bytes() == whole


def test_a_truncated_download_names_the_file_and_leaves_nothing(served, tmp_path):
    folder, address = served
    archive = make_zip(folder / "pairs.zip", {"pairs.en": "one\n" * 99})
    source = UrlSource(kind="url", url=f"{address}/pairs.zip", sha256=file_sha256(archive), size=archive.stat().st_size)
    archive.write_bytes(archive.read_bytes()[:50])
    with pytest.raises(UserError, match=r"pairs\.zip .* arrived cut short: 50 bytes.*Run again"):
        fetch_source(source, locked_files(source, {}), tmp_path / "d", None)
    assert [path for path in (tmp_path / "d").rglob("*") if path.is_file()] == []


def test_an_answer_that_stops_early_is_noticed(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.zip"
        source = UrlSource(kind="url", url=url, sha256="0" * 64, size=1000)
        with pytest.raises(UserError, match=r"a\.zip"):
            fetch_source(source, locked_files(source, {}), tmp_path, None)


def test_absent_and_unreachable_addresses_say_what_to_do(served, tmp_path):
    for url, said in [(f"{served[1]}/absent.zip", "answers 404"), ("http://127.0.0.1:9/a.zip", "cannot be reached")]:
        source = UrlSource(kind="url", url=url, sha256="0" * 64, size=1)
        with pytest.raises(UserError, match=said):
            fetch_source(source, locked_files(source, {}), tmp_path, None)


def test_a_full_disk_is_said_plainly(served, tmp_path, monkeypatch):
    folder, address = served
    archive = make_zip(folder / "pairs.zip", {"pairs.en": "one\n"})
    source = UrlSource(kind="url", url=f"{address}/pairs.zip", sha256=file_sha256(archive), size=archive.stat().st_size)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.Path, "replace", full)
    with pytest.raises(UserError, match=r"No space left on device.*make gc"):
        fetch_source(source, locked_files(source, {}), tmp_path / "d", None)
    assert not list((tmp_path / "d").glob("tmp-*"))


def test_a_downloaders_full_disk_is_said_plainly(tmp_path):
    error = cache.failed("a", tmp_path, "E: write (28: No space left on device)")
    assert "no space left" in str(error)


def test_what_is_not_pinned_is_not_fetched(tmp_path, no_network):
    with pytest.raises(UserError, match="make lock"):
        fetch_source(DebianSource(kind="debian", packages=("a",)), (), tmp_path, None)


def test_opus_addresses_have_their_codes_in_order():
    source = OpusSource(kind="opus", base="http://x", corpus="NLLB", version="v1", pair="tt-en")
    assert source.remote_files == {
        "opus/NLLB/v1/en-tt": ("NLLB-v1-en-tt.txt.zip", "http://x/OPUS-NLLB/v1/moses/en-tt.txt.zip")
    }


def test_local_files_are_read_where_they_are(tmp_path):
    (tmp_path / "nl.txt").write_text("een\n")
    source = FileSource(kind="file", folder=str(tmp_path), files=("*.txt",))
    assert fetch_source(source, (), tmp_path, None) == tmp_path
