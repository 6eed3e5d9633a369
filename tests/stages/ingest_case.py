"""What the tests of ingest_corpus and ingest_bitext share: settings as the YAML has them, and small sources."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard
from pipeline.stage import Execution
from stages.ingest_bitext.settings import BitextSettings, IngestBitextSettings
from stages.ingest_bitext.stage import ingest_bitext
from stages.ingest_corpus.settings import CorpusSettings, IngestCorpusSettings, LanguageSettings
from stages.ingest_corpus.stage import ingest_corpus

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
DUTCH = LanguageSettings(name="dutch", english_name="Dutch", code="nl", script="Latn", source_code="en")
TATAR = LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en")


def values(group: str, name: str) -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "conf" / group / f"{name}.yaml").read_text())
    return {key: value for key, value in found.items() if key != "defaults"}


CORPUS = CorpusSettings.model_validate(values("corpus", "packaged") | {"cards": []})
SMALL = CORPUS.split.model_copy(update=values("corpus", "tests")["split"])


def execution(folder: Path) -> Execution:
    return Execution(
        workers=1,
        device="cpu",
        micro_batch=1,
        checkpoint_seconds=60,
        downloads=folder,
        tracking=None,
        tracking_project="",
        tracking_entity=None,
        run_name="",
        debian_mirror=None,
    )


def card(folder: Path, name: str, kind: str, role: str = "monolingual", **options: Any) -> ResolvedCard:
    return ResolvedCard(
        name=name,
        role=role,
        licence="mpl-2.0",
        languages=("en", "nl"),
        source=FileSource(kind="file", folder=str(folder), files=("*",)),
        reader=Reader(kind=kind, options=options),
        columns={},
        files=(),
    )


def text_card(folder: Path = DATA, files: str = "dutch.txt") -> ResolvedCard:
    return card(folder, "text", "text", files=files, documents="blank_lines")


def pair_card(folder: Path = DATA, files: str = "en-nl.tsv", name: str = "pairs") -> ResolvedCard:
    return card(folder, name, "tsv", "parallel", files=files, group_lines=1)


def run_corpus(out: Path, *cards: ResolvedCard, language: LanguageSettings = DUTCH, **split: Any) -> Path:
    out.mkdir(parents=True)
    corpus = CORPUS.model_copy(update={"split": SMALL.model_copy(update=split)})
    ingest_corpus(IngestCorpusSettings(language=language, corpus=corpus, cards=cards), {}, out, execution(out))
    return out


def run_bitext(
    out: Path, corpus: Path, *cards: ResolvedCard, language: LanguageSettings = DUTCH, **others: Path
) -> Path:
    out.mkdir(parents=True)
    bitext = BitextSettings.model_validate(
        values("bitext", "packaged") | {"cards": [], "cleaning": CORPUS.cleaning.model_dump()}
    )
    settings = IngestBitextSettings(language=language, bitext=bitext, cards=cards)
    ingest_bitext(settings, {"corpus": corpus, **others}, out, execution(out))
    return out
