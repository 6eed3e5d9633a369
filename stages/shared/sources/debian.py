"""Debian packages, with apt where it is, and without it by reading the mirror's package index.

apt is given folders and a source list of its own: it needs no root, no earlier `apt-get update`, and leaves the system
as it was.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.card_lock import LockedFile
from pipeline.errors import UserError
from stages.shared.sources.address import download
from stages.shared.sources.cache import failed
from stages.shared.sources.debian_index import Stanza, newest, read_index

ETC = Path("/etc/apt")
SUITE = "bookworm"
SUFFIXES = ("", "-updates", "-security", "/updates")


@dataclass(frozen=True)
class Archive:
    """One suite of a mirror."""

    address: str
    suite: str
    components: tuple[str, ...]
    options: str
    """For example `signed-by=/usr/share/keyrings/debian-archive-keyring.gpg`."""

    @property
    def line(self) -> str:
        """The line of a sources.list."""
        options = f"[{self.options}] " if self.options else ""
        return f"deb {options}{self.address} {self.suite} {' '.join(self.components)}"


def archives(mirror: str | None, etc: Path = ETC) -> list[Archive]:
    """Return the suites to look in: the given mirror's, else those that this machine's apt is set to.

    Third parties' repositories are left out. Raises UserError where no mirror is known.
    """
    if mirror:
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        options = f"signed-by={keyring}" if keyring.is_file() else ""
        return [Archive(mirror.rstrip("/"), SUITE + suffix, ("main",), options) for suffix in ("", "-updates")]
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    found = [archive for file in files if file.is_file() for archive in _read_sources(file)]
    suites = {_release_name() + suffix for suffix in SUFFIXES}
    own = [archive for archive in found if archive.suite in suites and "main" in archive.components]
    if not own:
        raise UserError(
            f"no Debian mirror is known: {etc}/sources.list* names none. Set machine.debian_mirror in conf/local.yaml "
            "to the address of one, from Debian's list of mirrors; where apt is another system's, install "
            "debian-archive-keyring too"
        )
    return own


def find_newest(packages: Iterable[str], mirror: str | None, work: Path) -> dict[str, Stanza]:
    """Return what the mirror now offers of each package: version, name, size, sha256; a missing one is left out."""
    names = sorted(set(packages))
    if _has_apt():
        options = _prepare_apt(mirror, work)
        shown = subprocess.run(["apt-cache", *options, "show", *names], capture_output=True, text=True)
        return newest(shown.stdout.splitlines(), names)
    found: dict[str, Stanza] = {}
    for archive in archives(mirror):
        found = newest(read_index(archive.address, archive.suite, work), names, found)
    return found


def download_packages(files: Iterable[LockedFile], mirror: str | None, work: Path) -> dict[str, Path]:
    """Return the locked packages by key, downloaded into a folder; raise UserError where the mirror lacks one."""
    wanted = {file.key.removeprefix("debian/"): file for file in files}
    if not _has_apt():
        return _download_ourselves(wanted, mirror, work)
    options = _prepare_apt(mirror, work)
    exact = [f"{package}={file.version}" for package, file in wanted.items()]
    done = subprocess.run(["apt-get", *options, "download", *exact], cwd=work, capture_output=True, text=True)
    arrived = {file.key: work / file.name for file in wanted.values() if (work / file.name).is_file()}
    if done.returncode or len(arrived) != len(wanted):
        gone = re.findall(r"Version '(\S+)' for '(\S+)' was not found", done.stderr)
        if gone:
            raise UserError("\n".join(_gone(package, version) for version, package in gone))
        raise failed(", ".join(exact), work, done.stderr)
    return arrived


def _download_ourselves(wanted: Mapping[str, LockedFile], mirror: str | None, work: Path) -> dict[str, Path]:
    offered = find_newest(wanted, mirror, work)
    gone = [name for name, file in wanted.items() if name not in offered or offered[name].version != file.version]
    if gone:
        raise UserError("\n".join(_gone(name, wanted[name].version) for name in gone))
    arrived = {}
    for name, file in wanted.items():
        arrived[file.key] = download(offered[name].address, work / file.name)
    return arrived


def _gone(package: str, version: str) -> str:
    return (
        f"{package} {version} is gone from the Debian mirror. Run `make fetch` to go on with the newest version, or "
        "`make lock` to pin it for everyone"
    )


def _has_apt() -> bool:
    return shutil.which("apt-get") is not None and shutil.which("apt-cache") is not None


def _prepare_apt(mirror: str | None, work: Path) -> list[str]:
    """Fill private apt folders under `work`; return the options that make apt use them."""
    root = work / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    sources, status = root / "sources.list", root / "status"
    sources.write_text("".join(f"{archive.line}\n" for archive in archives(mirror)), encoding="utf-8")
    status.touch()
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State": root,
        "Dir::State::Lists": root / "lists",
        "Dir::State::Status": status,
        "Dir::Cache": root / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",  # as root, apt would drop to a user who cannot write here
        "APT::Update::Post-Invoke": "",
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    if not any((root / "lists").glob("*Packages*")):
        done = subprocess.run(["apt-get", *options, "-qq", "update"], capture_output=True, text=True)
        if done.returncode or not any((root / "lists").glob("*Packages*")):
            raise failed("the Debian package index", work, done.stderr or "the mirror gave no index")
    return options


def _read_sources(file: Path) -> Iterator[Archive]:
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".sources":
        for block in re.split(r"\n\s*\n", text):
            lines = [line for line in block.splitlines() if not line.startswith("#")]
            fields = {key.strip().lower(): value.split() for key, _, value in (line.partition(":") for line in lines)}
            if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
                continue
            signed = [name for name in fields.get("signed-by", []) if name.startswith("/")]
            options = f"signed-by={signed[0]}" if signed else ""
            for address in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield Archive(address.rstrip("/"), suite, tuple(fields.get("components", [])), options)
    elif file.suffix == ".list":
        for line in text.splitlines():
            if entry := re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line):
                options, address, suite, components = entry.groups()
                yield Archive(address.rstrip("/"), suite, tuple(components.split()), (options or "").strip())


def _release_name() -> str:
    release = Path("/etc/os-release")
    text = release.read_text(encoding="utf-8") if release.is_file() else ""
    name = re.search(r"^VERSION_CODENAME=\"?([\w-]+)", text, re.MULTILINE)
    return name.group(1) if name else SUITE
