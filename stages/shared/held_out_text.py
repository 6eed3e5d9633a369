"""A sample of held-out text as lines of JSON, which a training reads without pyarrow."""

import json
from collections.abc import Iterable
from pathlib import Path

FILE = "texts.jsonl"


def write_texts(folder: Path, documents: Iterable[tuple[str, str]]) -> None:
    """Write documents, each an id and a text."""
    with (folder / FILE).open("w", encoding="utf-8", newline="\n") as file:
        for name, text in documents:
            file.write(json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n")


def read_texts(folder: Path) -> list[str]:
    """Return the texts in their order."""
    # Split by hand: splitlines would also split at U+2028, which JSON leaves as it is.
    lines = (folder / FILE).read_text(encoding="utf-8").split("\n")
    return [json.loads(line)["text"] for line in lines if line]
