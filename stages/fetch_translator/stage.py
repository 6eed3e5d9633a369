"""fetch_translator: a pretrained model that translates, from the Hugging Face hub or a folder."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.fetch_translator.settings import FetchTranslatorSettings
from stages.shared.artifact import read_json
from stages.shared.linking import link_or_copy
from stages.shared.sources.cache import disk_errors
from stages.shared.sources.hub import open_repository
from stages.shared.translator_name import TranslatorFolder, translator_files

KEY = "back_translation"


def fetch_translator(
    settings: FetchTranslatorSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the model's folder: config, tokenizer and weights. The revision that was fetched is among the metrics.

    Raises UserError where the hub does not give it, or where it is no model of the wanted kind.
    """
    origin: dict[str, str] = {}
    if isinstance(settings.model, TranslatorFolder):
        folder = settings.model.path
        names = translator_files(path.name for path in folder.iterdir())
        check_files(names, str(folder))
        check_kind(folder, settings.kind)
        for name in names:  # no links: its owner may write into the files
            shutil.copyfile(folder / name, out / name)
    else:
        folder, names, origin = fetch(settings.model, settings, execution.downloads)
        for name in names:
            link_or_copy(folder / name, out / name)
    return {**origin, "bytes": sum((out / name).stat().st_size for name in names)}


def fetch(
    repository: str, settings: FetchTranslatorSettings, downloads: Path, endpoint: str | None = None
) -> tuple[Path, list[str], dict[str, str]]:
    """Return where a repository's files are, their names, and what was asked for and found.

    config.json comes first, so that a model of another kind shows before gigabytes are fetched.
    """
    try:
        with disk_errors(downloads):
            opened = open_repository(repository, "model", settings.revision, downloads, endpoint)
            names = translator_files(opened.files)
            check_files(names, repository)
            check_kind(opened.fetch("config.json").parent, settings.kind)
            for name in tqdm(names, desc=f"fetching {repository}", unit="file"):
                opened.fetch(name)
    except UserError as error:
        raise UserError(
            f"{KEY}.model={repository}: {error}. For back-translation a folder does as well ({KEY}.model=FOLDER), or "
            f"translations from elsewhere ({KEY}=file)"
        ) from error
    if settings.revision != opened.commit:
        print(
            f"note: revision '{settings.revision}' of {repository} is {opened.commit} today; pin it with "
            f"{KEY}.revision={opened.commit}",
            file=sys.stderr,
        )
    origin = {"repository": repository, "commit": opened.commit, "requested_revision": settings.revision}
    return opened.folder, names, origin


def check_files(names: Sequence[str], place: str) -> None:
    """Raise UserError where there is no config or no weights."""
    if "config.json" not in names or not any(name.endswith((".safetensors", ".bin")) for name in names):
        found = ", ".join(names) or "neither"
        raise UserError(
            f"{place} is no Hugging Face model: it needs config.json and weights (model.safetensors or "
            f"pytorch_model.bin), and has {found}"
        )


def check_kind(folder: Path, kind: str) -> None:
    """Raise UserError where the model is not of this kind by its config.json."""
    config = read_json(folder / "config.json")
    found = "seq2seq" if config.get("is_encoder_decoder") else "causal"
    if found != kind:
        raise UserError(f"this is a {found} model ({config.get('model_type')}): choose {KEY}={found}")
