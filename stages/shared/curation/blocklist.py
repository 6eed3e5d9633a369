"""Documents with words or links of a list."""

import functools
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.errors import UserError
from stages.shared.curation.batch import Batch, shares
from stages.shared.curation.settings import BlocklistSettings
from stages.shared.curation.verdict import Verdict
from stages.shared.text_settings import LanguageSettings

WORD = re.compile(r"\w+(?:[-'’]\w+)*")
HOST = re.compile(r"(?:https?://|(?<![\w.@-])(?=www\.))((?:[\w-]+\.)+[\w-]+)", re.IGNORECASE)


class Entries(NamedTuple):
    """A list, in small letters."""

    words: frozenset[str]
    domains: frozenset[str]


def blocklist(batch: Batch, settings: BlocklistSettings, language: LanguageSettings) -> Verdict:
    """Drop documents with too many blocked words and links; a word is judged without marks around it, in any case.

    Counts `words` and `links`; the score is their share of the document's words.
    """
    entries = read_blocklist(settings.path, settings.sha256)
    found = np.zeros((2, len(batch.texts)), np.int64)
    for number, text in enumerate(batch.texts):
        lowered = text.lower()
        if entries.words:
            found[0, number] = sum(word in entries.words for word in WORD.findall(lowered))
        if entries.domains and ("://" in lowered or "www." in lowered):
            found[1, number] = sum(_blocked(host, entries.domains) for host in HOST.findall(lowered))
    both = found.sum(0)
    share = shares(both, batch.word_counts)
    dropped = (both > settings.max_count) & (share > settings.max_share)
    counts = Counter(words=int(found[0].sum()), links=int(found[1].sum()))
    return Verdict(dropped={"blocked": dropped}, scores={"share": share}, counts=counts)


@functools.lru_cache(maxsize=4)
def read_blocklist(path: Path, sha256: str) -> Entries:
    """Return a file's entries; `sha256` is that of its content. Raises UserError for an entry of several words."""
    words, domains = set(), set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        entry = line.partition("#")[0].strip().lower()
        if not entry:
            continue
        if "." in entry:
            domains.add(entry.removeprefix("www."))
        elif WORD.fullmatch(entry):
            words.add(entry)
        else:
            raise UserError(f"{path}:{number}: '{entry}' is not one word or domain; write one a line")
    return Entries(frozenset(words), frozenset(domains))


def _blocked(host: str, domains: frozenset[str]) -> bool:
    parts = host.split(".")
    return any(".".join(parts[begin:]) in domains for begin in range(len(parts) - 1))
