import io
import os
import tarfile
import zipfile

import pytest
import zstandard
from source_case import make_deb, make_zip, needs_dpkg

from pipeline.errors import UserError
from stages.shared.sources.unpack import unpack


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
