"""A Debian mirror's package index, read without apt."""

import lzma
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from pipeline.errors import UserError
from stages.shared.sources.address import download


@dataclass(frozen=True)
class Stanza:
    """What an index says of one package."""

    package: str
    version: str
    name: str
    """File name as apt saves it: the version's colon is written `%3a`."""
    size: int
    sha256: str
    address: str
    """Where it can be downloaded; empty where apt knows."""


def read_index(address: str, suite: str, work: Path, component: str = "main") -> Iterator[str]:
    """Yield the lines of a suite's index; file names become whole addresses. All our packages are for any machine."""
    archive = work / f"Packages-{suite.replace('/', '-')}.xz"
    try:
        download(f"{address}/dists/{suite}/{component}/binary-amd64/Packages.xz", archive)
    except UserError as error:
        if "answers 404" in str(error):  # a mirror need not have every suite
            return
        raise
    with lzma.open(archive, "rt", encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            yield line.replace("Filename: ", f"Filename: {address}/", 1) if line.startswith("Filename: ") else line


def newest(lines: Iterable[str], names: Iterable[str], known: dict[str, Stanza] | None = None) -> dict[str, Stanza]:
    """Return the highest version of each named package among an index' stanzas and those known before."""
    wanted, found = set(names), dict(known or {})
    fields: dict[str, str] = {}
    for line in chain(lines, [""]):
        if line:
            key, colon, value = line.partition(": ")
            if colon and not key.startswith(" "):
                fields[key] = value
            continue
        if fields.get("Package") in wanted and "SHA256" in fields:
            stanza = _stanza(fields)
            best = found.get(stanza.package)
            if best is None or version_key(stanza.version) > version_key(best.version):
                found[stanza.package] = stanza
        fields = {}
    return found


def _stanza(fields: dict[str, str]) -> Stanza:
    version, address = fields["Version"], fields["Filename"]
    return Stanza(
        package=fields["Package"],
        version=version,
        name=f"{fields['Package']}_{version.replace(':', '%3a')}_{fields['Architecture']}.deb",
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
        address=address if "://" in address else "",
    )


class version_key:  # noqa: N801 (used like functools.cmp_to_key's result)
    """Order of Debian versions (deb-version(7)): epoch, upstream version, revision; `~` sorts before the end.

    >>> version_key("1:1.0~rc1-1") < version_key("1:1.0-1") < version_key("1:1.0-1+deb12u2")
    True
    >>> version_key("1.9") < version_key("1.10") < version_key("0:1.10-1")
    True
    """

    def __init__(self, version: str) -> None:
        epoch, colon, rest = version.partition(":")
        if not colon:
            epoch, rest = "0", version
        upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
        self.parts = (int(epoch), _chunks(upstream), _chunks(revision or "0"))

    def __lt__(self, other: "version_key") -> bool:
        return self._compare(other) < 0

    def __gt__(self, other: "version_key") -> bool:
        return self._compare(other) > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, version_key) and self._compare(other) == 0

    def __hash__(self) -> int:
        return hash(self.parts)

    def _compare(self, other: "version_key") -> int:
        if self.parts[0] != other.parts[0]:
            return -1 if self.parts[0] < other.parts[0] else 1
        for mine, theirs in zip(self.parts[1:], other.parts[1:], strict=True):
            if mine != theirs:
                for one, two in zip_longest(mine, theirs, fillvalue=((0,), 0)):
                    if one != two:
                        return -1 if one < two else 1
        return 0


def _chunks(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return (letters, number) pairs; letters sort before signs, `~` before the end of the part."""
    pairs = re.findall(r"(\D*)(\d*)", text)
    return tuple(
        ((*(_rank(letter) for letter in letters), 0), int(number or 0))
        for letters, number in pairs
        if letters or number
    )


def _rank(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
