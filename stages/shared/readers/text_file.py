"""Text files, plain or compressed, with errors that name the place."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from stages.shared.readers.broken import BrokenInput, Lost, broken

# UTF-32's little-endian mark begins with UTF-16's.
UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
CHUNK_BYTES = 1 << 20


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of each line of a UTF-8 file; compressed ones are unpacked on the way.

    Raises BrokenInput with the line and the remedy where the file is not UTF-8, holds NUL characters or ends too early.
    """
    for number, line in checked_lines(path, sys.maxsize):
        if isinstance(line, BrokenInput):
            raise line
        yield number, line


def checked_lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, str | BrokenInput]]:
    """Yield number, from 1, and text of each line, and in its place the fault of one that is no text or too long.

    Raises BrokenInput where compressed data is cut off or damaged.
    """
    for number, line in enumerate(byte_lines(path, max_line_bytes), start=1):
        if line is None:
            yield number, broken(path, f"line {number}", f"longer than {max_line_bytes:,} bytes", "document")
            continue
        try:
            text = decode(line, path, f"line {number}", "utf-8-sig" if number == 1 else "utf-8", "document")
        except BrokenInput as fault:
            yield number, fault
        else:
            yield number, text.rstrip("\r\n")


def not_utf8(path: Path | str, place: str, error: UnicodeDecodeError, lost: Lost = "file") -> BrokenInput:
    """Return the error for bytes that are no text; a byte order mark tells what they are."""
    convert = "`iconv -f WINDOWS-1252 -t UTF-8`, if that is what it is"
    if error.object.startswith((*UTF_32, *UTF_16)):
        found = "UTF-32" if error.object.startswith(UTF_32) else "UTF-16"
        convert = f"it is {found} by its first bytes: `iconv -f {found} -t UTF-8`"
    return BrokenInput(
        f"{path}: {place}, byte {error.start + 1}: invalid UTF-8 (0x{error.object[error.start]:02x}). Convert the file "
        f"({convert}), or fetch it again",
        lost,
    )


def read_text(path: Path) -> str:
    """Return a whole UTF-8 file; raise BrokenInput where it is not UTF-8 or holds NUL characters."""
    return decode(path.read_bytes(), path, "file")


def decode(data: bytes, path: Path | str, place: str, encoding: str = "utf-8-sig", lost: Lost = "file") -> str:
    """Return bytes as text; raise BrokenInput that names the place where they are not UTF-8 or hold NUL characters.

    English in UTF-16 without a byte order mark is valid UTF-8, with a NUL beside every letter.
    """
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_utf8(path, place, error, lost) from None
    check_no_nul(text, path, place, lost)
    return text


def check_no_nul(text: str, path: Path | str, place: str, lost: Lost) -> None:
    """Raise BrokenInput that names the first NUL character of a text."""
    if "\0" in text:
        raise BrokenInput(
            f"{path}: {place}, character {text.index(chr(0)) + 1}: NUL, which no text has. Convert the file "
            "(`iconv -f UTF-16LE -t UTF-8`, or UTF-16BE, if that is what it is), or fetch it again",
            lost,
        )


def byte_lines(path: Path, max_line_bytes: int) -> Iterator[bytes | None]:
    """Yield the lines of a file, compressed ones unpacked, and None for one that is too long, of which nothing is kept.

    Raises BrokenInput where the compressed data is cut off or damaged.
    """
    number = 0
    with unpacking(path, lambda: f"after line {number}"), open_bytes(path) as file:
        while line := file.readline(max_line_bytes + 1 if max_line_bytes < sys.maxsize else -1):
            number += 1
            if len(line) <= max_line_bytes:
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = file.readline(CHUNK_BYTES)
            yield None


@contextmanager
def unpacking(path: Path, place: Callable[[], str]) -> Iterator[None]:
    """Raise BrokenInput, with the place where that happens, for compressed data that ends early or makes no sense."""
    try:
        yield
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # bz2's and Arrow's for damaged data has no number
            raise
        raise broken(path, place(), f"the compressed data is cut off or damaged ({error})") from None


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked by what its name ends in; raise EOFError for a compressed one of 0 bytes."""
    # Nothing is not the compressed form of anything, but the libraries read it as no text.
    if path.suffix in COMPRESSED and not path.stat().st_size:
        raise EOFError("0 bytes")
    return unpacked(path, path.suffix)


def unpacked(file: Path | BinaryIO, suffix: str) -> BinaryIO:
    """Open a file, or wrap an open one, so that it reads unpacked, as files of this ending are packed."""
    match suffix:
        case ".gz":
            return cast(BinaryIO, gzip.open(file))
        case ".bz2":
            return cast(BinaryIO, bz2.open(file))
        case ".xz":
            return cast(BinaryIO, lzma.open(file))
        case ".zst":
            # Of zstandard's own readers one takes a frame that is cut off for whole, and the other unpacks what it is
            # given at once, however much that becomes.
            return cast(BinaryIO, io.BufferedReader(pa.CompressedInputStream(_opened(file), "zstd")))
    return _opened(file)


def _opened(file: Path | BinaryIO) -> BinaryIO:
    return file.open("rb") if isinstance(file, Path) else file
