"""ingest_dictionary: which word means which, from data cards or from a file of the user's own."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import regex

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.ingest_dictionary.settings import FileDictionary, IngestDictionarySettings
from stages.shared.artifact import write_json
from stages.shared.card_documents import card_documents
from stages.shared.normalisation import normalise
from stages.shared.readers.broken import broken
from stages.shared.readers.left_out import LeftOut
from stages.shared.readers.text_file import text_lines
from stages.shared.tally import Tally

WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’·-][\p{L}\p{M}]+)*")
CATALOGUE_BYTES = 1_000_000
OWN = "file"


def ingest_dictionary(
    settings: IngestDictionarySettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write dictionary.tsv, source word and target word a line, sorted, each pair once, and dictionary.json.

    Entries of several words on a side are left out. Raises UserError where a source is broken or no pair is left.
    """
    tallies: dict[str, Tally] = {}
    left_out = LeftOut()
    found: set[tuple[str, str]] = set()
    for name, source, target in _entries(settings, execution, left_out):
        tally = tallies.setdefault(name, Tally())
        pair = normalise(source), normalise(target)
        if not all(map(WORD.fullmatch, pair)):
            tally.drop("no_single_words")
        elif pair in found:
            tally.drop("duplicate")
        else:
            tally.keep()
            found.add(pair)
    if not found:
        raise UserError(
            f"the dictionary of {settings.language.english_name} has no pair of single words: choose others in "
            "dictionary.cards, or a file with dictionary=file dictionary.path=FILE.tsv"
        )
    lines = "".join(f"{source}\t{target}\n" for source, target in sorted(found))
    (out / "dictionary.tsv").write_text(lines, encoding="utf-8", newline="\n")
    licences = {card.name: card.licence for card in settings.cards}
    summary = {
        "pairs": len(found),
        "source_words": len({source for source, _ in found}),
        "target_words": len({target for _, target in found}),
        "cards": [
            {"name": name, "licence": licences.get(name, "your own"), "words": tally.kept} | tally.figures("entries")
            for name, tally in tallies.items()
        ],
        "notes": left_out.lines(),
    }
    write_json(out / "dictionary.json", summary)
    return {key: summary[key] for key in ("pairs", "source_words", "target_words")}


def _entries(
    settings: IngestDictionarySettings, execution: Execution, left_out: LeftOut
) -> Iterator[tuple[str, str, str]]:
    """Yield the card's name, source and target side of each entry."""
    if isinstance(settings.dictionary, FileDictionary):
        for pair in read_own(settings.dictionary.path):
            yield OWN, *pair
    for card in settings.cards:
        for document in card_documents(card, execution, CATALOGUE_BYTES, left_out):
            for segment in document.segments:
                yield card.name, segment.source, segment.target


def read_own(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the first two columns of each line that is not blank; raise UserError for a line without a tab."""
    for number, line in text_lines(path):
        if line.strip():
            columns = line.split("\t")
            if len(columns) < 2:
                raise broken(path, f"line {number}", "no tab between a source and a target word")
            yield columns[0], columns[1]
