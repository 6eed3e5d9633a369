"""How fast curation is, and datatrove on the same text: `python benchmarks/curation.py FILE.txt.gz ...`.

Lines are normalised and put together to documents of about 3,000 characters. For the comparison, datatrove needs an
environment of its own, whose Python is named:

    python -m venv DIR && DIR/bin/pip install "datatrove[processing]"
    python benchmarks/curation.py --datatrove DIR/bin/python FILE.txt.gz ...

Both run on the same documents, one after the other, on one core; seconds are those of the processor, so that other
programs on the machine count little. Where the two judge a document differently, it is shown.
"""

import argparse
import gzip
import json
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from time import process_time
from typing import Any

import yaml
from pydantic import TypeAdapter

from stages.shared.curation.curate import Curated, curate
from stages.shared.curation.settings import Rules
from stages.shared.normalisation import normalise
from stages.shared.text_settings import LanguageSettings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT_CHARACTERS = 3000
COMPARED = ("gopher_quality", "gopher_repetition")


def main() -> None:
    """Time datatrove's rules and ours, then the whole preset with each rule's share."""
    given = arguments()
    language = read_language(given.language)
    preset = read_preset("web")
    texts = list(chain.from_iterable(documents(path, given.megabytes * 1_000_000) for path in given.files))
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {size:.1f} MB")
    compared = TypeAdapter(Rules).validate_python({name: preset[name] for name in COMPARED})
    every = TypeAdapter(Rules).validate_python(preset)
    curate(texts[:20], every, language)  # tables and models are loaded
    ours, seconds = timed(texts, compared, language)
    print(f"quality and repetition: {size / seconds:.1f} MB/s {rates(ours, size)}")
    if given.datatrove:
        compare(texts, ours, given.datatrove, preset["gopher_quality"]["stop_words"][language.code])
    found, seconds = timed(texts, every, language)
    print(f"the whole preset: {size / seconds:.2f} MB/s; shares of the time:")
    for name, part in sorted(found.seconds.items(), key=lambda item: -item[1]):
        print(f"  {name:20}{part / sum(found.seconds.values()):6.1%}")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("files", type=Path, nargs="+", help="text, a line each, also .gz")
    command.add_argument("--language", default="dutch", help="file of conf/language")
    command.add_argument("--megabytes", type=int, default=10, help="of each file at most")
    command.add_argument("--datatrove", type=Path, help="the Python of an environment with datatrove")
    return command.parse_args()


def read_language(name: str) -> LanguageSettings:
    """Return the facts of a language file."""
    content = yaml.safe_load((ROOT / "conf" / "language" / f"{name}.yaml").read_text(encoding="utf-8"))
    return LanguageSettings.model_validate(content["language"])


def read_preset(name: str) -> dict[str, Any]:
    """Return the rules of a file of conf/curation."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "curation" / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def documents(path: Path, most: int) -> Iterator[str]:
    """Yield documents from the first characters of a file."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        lines = (line for raw in file.read(most).split("\n") if (line := normalise(raw)))
    kept: list[str] = []
    for line in lines:
        kept.append(line)
        if sum(map(len, kept)) >= DOCUMENT_CHARACTERS:
            yield "\n".join(kept)
            kept = []


def timed(texts: list[str], rules: Rules, language: LanguageSettings) -> tuple[Curated, float]:
    """Return what curation gives and how long it takes."""
    began = process_time()
    found = curate(texts, rules, language)
    return found, process_time() - began


def rates(found: Curated, size: float) -> str:
    """Return MB/s by rule."""
    return ", ".join(f"{name} {size / max(seconds, 1e-9):.0f}" for name, seconds in found.seconds.items())


def compare(texts: list[str], ours: Curated, python: Path, stop_words: list[str]) -> None:
    """Run datatrove on the documents, print its speed and where it judges otherwise."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "documents.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        command = [str(python), str(ROOT / "benchmarks" / "curation_rival.py"), str(path), " ".join(stop_words)]
        theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    total = sum(theirs["seconds"].values())
    parts = ", ".join(f"{name} {size / seconds:.2f}" for name, seconds in theirs["seconds"].items())
    print(f"datatrove: {size / total:.2f} MB/s {parts}")
    reasons = zip(*theirs["reasons"].values(), strict=True)
    other = [
        (number, ours.checks[number], given)
        for number, given in enumerate(reasons)
        if (ours.reasons[number] is None) != (not any(given))
    ]
    dropped = sum(reason is not None for reason in ours.reasons)
    print(f"dropped by us {dropped:,}; judged otherwise by datatrove {len(other):,}", *other[:10], sep="\n  ")


if __name__ == "__main__":
    main()
