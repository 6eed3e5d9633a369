"""What the tests of ingest_corpus and ingest_bitext share: settings as the YAML has them, and small sources."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from execution_here import here

from pipeline import store
from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard
from pipeline.config import load_config
from pipeline.stage import CHECKPOINTS, Execution
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_bitext.stage import ingest_bitext
from stages.ingest_corpus.settings import IngestCorpusSettings, LanguageSettings
from stages.ingest_corpus.stage import ingest_corpus

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
DUTCH = LanguageSettings(name="dutch", english_name="Dutch", code="nl", script="Latn", source_code="en")
TATAR = LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en")


CONFIG = load_config(["language=dutch", "experiment=smoke"])
CORPUS = load_config(["language=dutch"]).corpus
SMALL = CONFIG.corpus.split


def execution(folder: Path) -> Execution:
    return here(downloads=folder)


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
    shutil.rmtree(out / CHECKPOINTS)  # as it is when the artifact is published
    return out


def run_bitext(
    out: Path, corpus: Path, *cards: ResolvedCard, language: LanguageSettings = DUTCH, **others: Path
) -> Path:
    out.mkdir(parents=True)
    settings = IngestBitextSettings(
        language=language, bitext=CONFIG.bitext, cards=cards, decontamination=CORPUS.decontamination
    )
    ingest_bitext(settings, {"corpus": corpus, **others}, out, execution(out))
    shutil.rmtree(out / CHECKPOINTS)
    return out


def publish_killed_once(
    folder: Path, makes: str, ingest: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Ingest into an unfinished artifact, be killed while its files are hashed, do both again; return the artifact.

    Asserts that no shard was made twice, and that what both runs left but the result is no part of it.
    """
    artifact = folder / f"{makes}-0123456789ab"

    def attempt() -> dict[str, tuple[int, int]]:
        out = store.prepare(artifact, resumes=True)
        ingest(out)
        made = [path for path in out.glob(f"{CHECKPOINTS}/*/*") if path.is_dir() and path.parent.name != "draft"]
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in made}

    def killed(path: Path, sync: bool) -> str:
        raise KeyboardInterrupt

    first = attempt()
    assert first
    (store.unfinished(artifact) / "work").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(store, "file_sha256", killed)
        with pytest.raises(KeyboardInterrupt):
            store.publish(artifact, {}, CHECKPOINTS)
    assert attempt() == first
    store.publish(artifact, {}, CHECKPOINTS)
    assert not {CHECKPOINTS, "work"} & {path.name for path in artifact.iterdir()}
    return artifact
