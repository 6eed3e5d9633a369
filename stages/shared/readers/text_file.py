"""Text files, plain or compressed, with errors that name the place."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

from pipeline.errors import UserError


def broken(path: Path, place: str, what: str) -> UserError:
    """Return the error for a file that cannot be read on, with its remedy."""
    return UserError(
        f"{path}: {place}: {what}. Fetch the file again (delete it first if it is a download), or repair it"
    )


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of each line of a UTF-8 file; .gz and .zst are unpacked on the way.

    Raises UserError with the line and the remedy where the file is not UTF-8 or ends too early.
    """
    number = 0
    for number, line in enumerate(byte_lines(path), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(path, f"line {number}", error) from None
        yield number, text.rstrip("\r\n")


def not_utf8(path: Path, place: str, error: UnicodeDecodeError) -> UserError:
    """Return the error for bytes that are no text."""
    return UserError(
        f"{path}: {place}, byte {error.start + 1}: invalid UTF-8 (0x{error.object[error.start]:02x}). Convert the file "
        "(`iconv -f WINDOWS-1252 -t UTF-8`, if that is what it is), or fetch it again"
    )


def read_text(path: Path) -> str:
    """Return a whole UTF-8 file; raise UserError where it is not UTF-8."""
    return decode(path.read_bytes(), path, "file")


def decode(data: bytes, path: Path, place: str) -> str:
    """Return bytes as text; raise UserError that names file and place where they are not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(path, place, error) from None


def byte_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, .gz and .zst unpacked; raise UserError where the compressed data is cut or damaged."""
    number = 0
    try:
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):  # noqa: B007
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise broken(path, f"after line {number}", f"the compressed data is cut off or damaged ({error})") from None


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading, unpacked by what its name ends in."""
    if path.suffix == ".gz":
        return gzip.open(path)
    if path.suffix == ".zst":
        return io.BufferedReader(ZstdFrames(path))
    return path.open("rb")


class ZstdFrames(io.RawIOBase):
    """A Zstandard file of one or more frames; unlike the library's reader it says when the last one is cut off."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.frame = zstandard.ZstdDecompressor().decompressobj()
        self.begun = False
        self.waiting = b""

    def readable(self) -> bool:
        """Tell that this can be read from."""
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Fill the buffer as far as one piece of the file goes; 0 at the end."""
        while not self.waiting:
            data = self.frame.unused_data if self.frame.eof else b""
            if self.frame.eof:
                self.frame, self.begun = zstandard.ZstdDecompressor().decompressobj(), False
            data = data or self.file.read(131_072)
            if not data:
                if self.begun:
                    raise zstandard.ZstdError("the last frame has no end")
                return 0
            self.begun = True
            self.waiting = self.frame.decompress(data)
        size = min(len(buffer), len(self.waiting))
        buffer[:size], self.waiting = self.waiting[:size], self.waiting[size:]
        return size

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()
