"""Archives to be unpacked, and a folder that is served on this machine."""

import os
import shutil
import subprocess
import zipfile

import pytest

from pipeline.cards import Reader, ResolvedCard
from stages.shared.sources.cache import describe, keep

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
