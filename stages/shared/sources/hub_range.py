"""A file on the Hugging Face hub that is read where it lies, by ranges."""

import io

from huggingface_hub import hf_hub_url
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # its documented names, lazily exported
    build_hf_headers,
    hf_raise_for_status,
    http_backoff,
)

from pipeline.errors import UserError
from stages.shared.sources.hub import HubRepository

SECONDS = 60
PARTIAL_CONTENT = 206


class RangeFile(io.RawIOBase):
    """A seekable file, each read of which is one request for as many bytes.

    Raises the hub's own errors, and UserError where a server gives something else than what was asked for:
    huggingface_hub's HfFileSystem would take a whole file for its middle.
    """

    def __init__(self, repository: HubRepository, name: str) -> None:
        self.url = hf_hub_url(
            repository.name, name, repo_type=repository.kind, revision=repository.commit, endpoint=repository.endpoint
        )
        self.size: int = repository.files[name]["size"]
        self.place = 0

    def readable(self) -> bool:
        """Tell that this can be read from."""
        return True

    def seekable(self) -> bool:
        """Tell that this can be read from any place."""
        return True

    def tell(self) -> int:
        """Return the place in bytes."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        return self.place

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Fill the buffer as far as the file goes; 0 at its end."""
        count = max(0, min(len(buffer), self.size - self.place))
        if count:
            buffer[:count] = self._fetch(self.place, self.place + count)
            self.place += count
        return count

    def _fetch(self, begin: int, end: int) -> bytes:
        wanted = {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
        answer = http_backoff("GET", self.url, headers={**build_hf_headers(), **wanted}, timeout=SECONDS)
        hf_raise_for_status(answer)
        if answer.status_code != PARTIAL_CONTENT or len(answer.content) != end - begin:
            raise UserError(
                f"{self.url} was asked for {end - begin:,} of its bytes and gave {len(answer.content):,} (HTTP "
                f"{answer.status_code}): this server cannot give parts. Take the card out of hub.first_bytes to fetch "
                "its files whole"
            )
        return bytes(answer.content)
