"""Which language lid.176 takes real text for: `python benchmarks/language_confusion.py tt=FILE.txt.gz ba=FOLDER ...`.

A folder is one of MediaWiki: its messages are read from `**/i18n/**/CODE.json`, of Kazakh and Tatar from `kk-cyrl.json`
and `tt-cyrl.json`. Prints two tables in Markdown, of lines and of blocks as the rule `language` of `web` cuts them
from lines in a row.
"""

import argparse
import gzip
import json
from pathlib import Path

from curation import read_preset

from stages.shared.curation.confusion import as_markdown, confusion_table
from stages.shared.curation.language import blocks
from stages.shared.curation.settings import LanguageRuleSettings
from stages.shared.normalisation import normalise

IN_CYRILLIC = {"kk": "kk-cyrl", "tt": "tt-cyrl"}


def main() -> None:
    """Read the texts and print the tables."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("sources", nargs="+", metavar="CODE=PATH", help="a language may have several")
    settings = LanguageRuleSettings.model_validate(read_preset("web")["language"])
    lines: dict[str, dict[str, None]] = {}
    for source in command.parse_args().sources:
        code, _, path = source.partition("=")
        lines.setdefault(code, {}).update(dict.fromkeys(read_lines(code, Path(path))))
    cut = settings.model_copy(update={"most_blocks": 1_000_000})
    joined = {code: blocks("\n".join(of_language), cut) for code, of_language in lines.items()}
    print(f"Lines of {settings.min_letters} letters and more:\n")
    print(as_markdown(confusion_table(lines, settings.min_letters, settings.certainty)))
    print(f"\nBlocks of {settings.block_characters} characters:\n")
    print(as_markdown(confusion_table(joined, settings.min_letters, settings.certainty)))


def read_lines(code: str, path: Path) -> list[str]:
    """Return the lines of a text or the messages of MediaWiki, normalised."""
    if path.is_dir():
        found = []
        for file in sorted(path.glob(f"**/i18n/**/{IN_CYRILLIC.get(code, code)}.json")):
            messages = json.loads(file.read_text(encoding="utf-8"))
            found += [text for text in messages.values() if isinstance(text, str)]
    else:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            found = file.read().split("\n")
    return [normalise(line) for text in found for line in text.split("\n")]


if __name__ == "__main__":
    main()
