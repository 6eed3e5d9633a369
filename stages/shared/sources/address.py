"""Plain downloads from an address."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError

CHUNK = 1 << 20
SECONDS = 60


def download(url: str, path: Path) -> Path:
    """Save what stands at an address; raise UserError where it cannot be had or is cut short."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer, path.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            with tqdm(total=size or None, desc=path.name, unit="B", unit_scale=True, leave=False) as bar:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answers {error.code} {error.reason}; correct the data card's source") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{url} cannot be reached ({reason}). `make fetch` downloads everything on a machine with a network"
        ) from error
    if size and path.stat().st_size != size:
        raise UserError(f"{url} was cut short at {path.stat().st_size} of {size} bytes; run again")
    return path
