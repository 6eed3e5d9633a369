"""Text files, plain or compressed, with errors that name the place."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

from pipeline.errors import UserError

# UTF-32's little-endian mark begins with UTF-16's.
UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def broken(path: Path, place: str, what: str) -> UserError:
    """Return the error for a file that cannot be read on, with its remedy."""
    return UserError(
        f"{path}: {place}: {what}. Fetch the file again (delete it first if it is a download), or repair it"
    )


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of each line of a UTF-8 file; .gz and .zst are unpacked on the way.

    Raises UserError with the line and the remedy where the file is not UTF-8, holds NUL characters or ends too early.
    """
    for number, line in enumerate(byte_lines(path), start=1):
        text = decode(line, path, f"line {number}", "utf-8-sig" if number == 1 else "utf-8")
        yield number, text.rstrip("\r\n")


def not_utf8(path: Path | str, place: str, error: UnicodeDecodeError) -> UserError:
    """Return the error for bytes that are no text; a byte order mark tells what they are."""
    convert = "`iconv -f WINDOWS-1252 -t UTF-8`, if that is what it is"
    if error.object.startswith((*UTF_32, *UTF_16)):
        found = "UTF-32" if error.object.startswith(UTF_32) else "UTF-16"
        convert = f"it is {found} by its first bytes: `iconv -f {found} -t UTF-8`"
    return UserError(
        f"{path}: {place}, byte {error.start + 1}: invalid UTF-8 (0x{error.object[error.start]:02x}). Convert the file "
        f"({convert}), or fetch it again"
    )


def read_text(path: Path) -> str:
    """Return a whole UTF-8 file; raise UserError where it is not UTF-8 or holds NUL characters."""
    return decode(path.read_bytes(), path, "file")


def decode(data: bytes, path: Path | str, place: str, encoding: str = "utf-8-sig") -> str:
    """Return bytes as text; raise UserError that names file and place where they are not UTF-8 or hold NUL characters.

    English in UTF-16 without a byte order mark is valid UTF-8, with a NUL beside every letter.
    """
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_utf8(path, place, error) from None
    if "\0" in text:
        raise UserError(
            f"{path}: {place}, character {text.index(chr(0)) + 1}: NUL, which no text has. Convert the file "
            "(`iconv -f UTF-16LE -t UTF-8`, or UTF-16BE, if that is what it is), or fetch it again"
        )
    return text


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
    """Open a file for reading, unpacked by what its name ends in; raise EOFError for a compressed one of 0 bytes."""
    # Nothing is not the compressed form of anything, but the libraries read it as no text.
    if path.suffix in (".gz", ".zst") and not path.stat().st_size:
        raise EOFError("0 bytes")
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
