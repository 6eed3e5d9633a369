"""The beginnings of a dataset's files on the Hugging Face hub: of hundreds of gigabytes only what is used."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]
from tqdm import tqdm

from pipeline.card_sources import HubSource
from pipeline.errors import UserError
from pipeline.store import file_sha256, replacing
from stages.shared.readers.text_file import DAMAGED, unpacked
from stages.shared.sources.cache import disk_errors, workspace
from stages.shared.sources.hub import HubRepository, open_repository, refused, unreachable, wanted_files
from stages.shared.sources.hub_range import RangeFile

BUFFER_BYTES = 4 << 20
"""Fetched at a time of files of lines."""
LINE_BYTES = 1 << 20
NAME_DIGITS = 12


class Taken(NamedTuple):
    """What was fetched of a file."""

    unpacked_bytes: int
    whole: bool
    size: int
    """Of the local file that holds it; the hub's sha256 is that of the whole file and says nothing of a part."""
    sha256: str


def fetch_beginning(source: HubSource, commit: str, downloads: Path, endpoint: str | None = None) -> Path:
    """Return a folder with the first `first_bytes` unpacked bytes of a source, each file under its own name.

    Files are taken in the order of a hash of their names, since neighbours are often alike, until the number is
    reached; the last one is cut after a row group of Parquet or a line. So the same commit, globs and number give
    the same text, a larger number keeps what a smaller one has, and rows keep their numbers. A killed fetch goes on
    with the next file. Raises UserError where the hub refuses or cannot be reached, or a file is damaged.
    """
    assert source.first_bytes is not None, "else the files are fetched whole"
    with disk_errors(downloads):
        repository = open_repository(source.id, source.repository, commit, downloads, endpoint)
        wanted = sorted(wanted_files(repository, source), key=_order)
        digest = hashlib.sha256(json.dumps([source.files, source.first_bytes]).encode()).hexdigest()[:NAME_DIGITS]
        folder = repository.folder.with_name(f"{repository.commit}-{digest}")
        record = folder.with_name(f"{folder.name}.json")
        taken, total = _read(record), 0
        with tqdm(total=source.first_bytes, desc=f"fetching of {source.id}", unit="B", unit_scale=True) as bar:
            for name in wanted:
                if total >= source.first_bytes:
                    break
                if not _is_there(folder / name, taken.get(name)):
                    taken[name] = _take(repository, name, source.first_bytes - total, folder)
                    _write(record, taken)
                total += taken[name].unpacked_bytes
                bar.update(taken[name].unpacked_bytes)
    return folder


def _order(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _is_there(path: Path, taken: Taken | None) -> bool:
    return taken is not None and path.is_file() and path.stat().st_size == taken.size


def _take(repository: HubRepository, name: str, most_bytes: int, folder: Path) -> Taken:
    """Fetch the beginning of a file; it is in the folder whole or not at all."""
    path = folder / name
    copy = _copy_row_groups if name.endswith(".parquet") else _copy_lines
    with workspace(repository.folder.parent) as work:
        arrived = work / path.name
        try:
            with RangeFile(repository, name) as remote:
                count, whole = copy(remote, name, most_bytes, arrived)
        except HfHubHTTPError as error:
            raise UserError(refused(repository.name, repository.kind, repository.commit, error)) from error
        except HTTPError as error:
            raise UserError(unreachable(repository.name, error)) from error
        except (*DAMAGED, pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # bz2's error for damaged data has no number
                raise
            raise UserError(
                f"{name} of {repository.name} is damaged ({error}). Take the card out of hub.first_bytes to fetch it "
                "whole and read what can be read of it (corpus.reading.broken=skip), or choose another revision"
            ) from error
        taken = Taken(count, whole, arrived.stat().st_size, file_sha256(arrived))
        path.parent.mkdir(parents=True, exist_ok=True)
        arrived.replace(path)
    return taken


def _copy_row_groups(remote: RangeFile, name: str, most_bytes: int, out: Path) -> tuple[int, bool]:
    """Copy row groups until they hold `most_bytes` unpacked; return how many they hold, and whether these are all."""
    count = number = 0
    # Neighbouring columns of a row group are asked for together, and nothing that is not read.
    with pq.ParquetFile(remote, pre_buffer=True) as table:
        with pq.ParquetWriter(out, table.schema_arrow, compression="zstd") as writer:
            while number < table.num_row_groups and count < most_bytes:
                writer.write_table(table.read_row_group(number))
                count += table.metadata.row_group(number).total_byte_size
                number += 1
        return count, number == table.num_row_groups


def _copy_lines(remote: RangeFile, name: str, most_bytes: int, out: Path) -> tuple[int, bool]:
    """Copy lines until they hold `most_bytes` unpacked; return how many they hold, and whether these are all."""
    suffix, count, ended = Path(name).suffix, 0, True
    with unpacked(io.BufferedReader(remote, BUFFER_BYTES), suffix) as lines, _packed(out, suffix) as copy:
        while count < most_bytes or not ended:
            part = lines.readline(LINE_BYTES)
            if not part:
                return count, True
            copy.write(part)
            count, ended = count + len(part), part.endswith(b"\n")
        return count, not lines.read(1)


def _packed(path: Path, suffix: str) -> BinaryIO:
    """Open a file that packs what is written; the same bytes each time."""
    match suffix:
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(path, "wb", mtime=0))
        case ".bz2":
            return cast(BinaryIO, bz2.open(path, "wb"))
        case ".xz":
            return cast(BinaryIO, lzma.open(path, "wb"))
        case ".zst":
            return cast(BinaryIO, zstandard.open(path, "wb"))
    return path.open("wb")


def _read(record: Path) -> dict[str, Taken]:
    if not record.is_file():
        return {}
    return {name: Taken(**one) for name, one in json.loads(record.read_text(encoding="utf-8")).items()}


def _write(record: Path, taken: dict[str, Taken]) -> None:
    told = {name: one._asdict() for name, one in taken.items()}
    with replacing(record) as draft:
        draft.write_text(json.dumps(told, indent=1), encoding="utf-8")
