"""Archives into folders, safe against names that lead outwards; links are not made at all."""

import errno
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import zstandard

from pipeline.errors import UserError

ARCHIVES = (".deb", ".whl", ".zip", ".xpi", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst")
# zipfile and tarfile hand on their decompressors' own errors; ValueError is a header's field that should be a number.
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zstandard.ZstdError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
)


def unpack(archive: Path, out: Path) -> None:
    """Unpack an archive into a folder; what is no archive is linked or copied into it.

    Raises UserError where the archive is damaged or packed in a way that is not read here, or a name in it leads out
    of the folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        if archive.name.endswith((".whl", ".zip", ".xpi")):
            _unzip(archive, out)
        elif archive.name.endswith(".deb"):
            with open_deb(archive) as tar:
                _untar(tar, archive, out)
        elif archive.name.endswith(ARCHIVES):
            with _open_tar(archive) as tar:
                _untar(tar, archive, out)
        else:
            _place(archive, out / archive.name)
    except DAMAGED as error:
        raise UserError(f"{archive} is damaged ({error}); delete it and run again") from error
    except RuntimeError as error:  # zipfile's words for a password and for an unknown compression
        raise UserError(
            f"{archive} is damaged or packed in a way that is not read here ({error}); delete it and run again. If it "
            "stays so, correct the data card's source"
        ) from error
    except OSError as error:
        # bz2's error for damaged data has no number, and an offset before the file's begin is an invalid argument.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise UserError(f"{archive} is damaged ({error}); delete it and run again") from error


@contextmanager
def open_deb(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open the data of a Debian package, an `ar` archive whose member data.tar.* holds the files."""
    with archive.open("rb") as file:
        name, data = _ar_member(archive, file, "data.tar")
        if name.endswith(".zst"):
            with (
                zstandard.ZstdDecompressor().stream_reader(data) as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                yield tar
        else:
            with tarfile.open(fileobj=data, mode="r|*") as tar:
                yield tar


def _ar_member(archive: Path, file: IO[bytes], prefix: str) -> tuple[str, IO[bytes]]:
    """Return name and content of the member: 60-byte headers (name 16, ..., size 10 at 48), even addresses."""
    if file.read(8) != b"!<arch>\n":
        raise UserError(f"{archive} is not a Debian package; delete it and run again")
    while header := file.read(60):
        if len(header) < 60 or header[58:] != b"`\n":
            break
        name, size = header[:16].decode("ascii", "replace").rstrip(" /"), int(header[48:58])
        if name.startswith(prefix):
            return name, file
        file.seek(size + size % 2, os.SEEK_CUR)
    raise UserError(f"{archive} is damaged: it has no {prefix}; delete it and run again")


@contextmanager
def _open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    if archive.name.endswith(".zst"):
        with (
            archive.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            yield tar
    else:
        with tarfile.open(archive, mode="r|*") as tar:
            yield tar


def _untar(tar: tarfile.TarFile, archive: Path, out: Path) -> None:
    for member in tar:
        path = safe_path(out, member.name, archive)
        if member.islnk():  # a second name of a file that came before it
            _place(safe_path(out, member.linkname, archive), path)
        elif member.isfile():
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None
            with content, path.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)


def _unzip(archive: Path, out: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            path = safe_path(out, member.filename, archive)
            link = member.external_attr >> 28 == 0o12
            if member.is_dir() or link:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(member) as content, path.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)


def safe_path(out: Path, name: str, archive: Path) -> Path:
    """Return where a member goes; raise UserError where its name is absolute or climbs out of the folder."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise UserError(f"{archive} holds the unsafe name {name!r}, which leads out of its folder; it is not unpacked")
    return out / parts


def _place(file: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, path)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(file, path)
