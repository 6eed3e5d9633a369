"""`make translate`: lines into the language of a run, with the model that the run made."""

import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline import graph, runs
from pipeline.card_lock import Lock
from pipeline.config import CONF, choices, load_config
from pipeline.errors import UserError
from pipeline.execute import execute
from pipeline.plan import Step, only
from pipeline.settings import Config
from pipeline.sources import current_lock, refreshed_lock
from pipeline.store import replacing
from stages.build_hydra.settings import HydraHeads
from stages.shared.translation.settings import Language, Languages

SHOWN_LINES = 10
"""Numbers of flagged lines that are printed for each kind."""


@dataclass(frozen=True)
class Request:
    """What is to be translated; an empty string where nothing was given."""

    source: str
    """Language that the text is in: an English name in any case, or a code."""
    text: str
    file: str
    out: str
    """Where a file's translations go; printed where empty."""
    decoding: str
    """File of conf/decoding/; the configuration's where empty."""


def translate(overrides: Sequence[str], request: Request) -> int:
    """Translate a text or a file, line by line; make the model first where it is not there."""
    overrides = [*overrides, *([f"decoding={request.decoding}"] if request.decoding else [])]
    if not any(override.startswith("heads=") for override in overrides):
        overrides.append("heads=hydra")
    config = load_config(overrides)
    languages = Languages(
        source=source_language(request.source, config),
        target=Language(code=config.language.code, english_name=config.language.english_name),
    )
    lines, ended = read_request(request)
    model = made_model(config, overrides)
    if model is None:
        print("When they have ended, the same command translates.", file=sys.stderr)
        return 0
    from stages.shared.hydra.loading import load_translator  # imports torch
    from stages.shared.translation.translate import translate_lines

    settings = config.translation
    loaded = load_translator(model.folder, settings.precision, config.cluster.device, settings.threads)
    made = translate_lines(*loaded, lines, languages, settings)
    write_lines([one.text for one in made], ended, request.out)
    for note in flag_notes([one.flags for one in made]):
        print(f"note: {note}", file=sys.stderr)
    if request.out:
        print(f"{len(made)} lines translated into {request.out} by {model.folder.name}", file=sys.stderr)
    return 0


def source_language(name: str, config: Config) -> Language:
    """Return the language of the text. Raises UserError where the model has no vocabulary for it."""
    wanted = name.strip().lower()
    heads = config.heads
    if not wanted:
        raise UserError("which language is the text in? Give FROM=..., for example FROM=english")
    if wanted in (config.language.name, config.language.code):
        raise UserError(f"FROM={name}: the text is in {config.language.english_name} already; FROM is another language")
    if not isinstance(heads, HydraHeads):
        return _described(wanted)
    for code, english_name in heads.source_languages.items():
        if wanted in (code.lower(), english_name.lower()):
            return Language(code=code, english_name=english_name)
    known = ", ".join(f"{english_name} ({code})" for code, english_name in heads.source_languages.items())
    raise UserError(
        f"FROM={name}: no vocabulary of this model is for it. It reads {known}. A base model that knows more languages "
        "names them in heads.source_languages, for example ARGS='+heads.source_languages.fr=French'"
    )


def _described(name: str) -> Language:
    """Return a language by its file in conf/language/, or by the name that was given."""
    if name in choices("language"):
        values = yaml.safe_load((CONF / "language" / f"{name}.yaml").read_text(encoding="utf-8"))["language"]
        return Language(code=values["code"], english_name=values["english_name"])
    return Language(code=name, english_name=name.title())


def read_request(request: Request) -> tuple[list[str], bool]:
    """Return the lines and whether the last one ends in a line break.

    Raises UserError for what cannot be read or could not be written, before any model is made.
    """
    if bool(request.text) == bool(request.file):
        raise UserError("give either TEXT='...' or FILE=...")
    if request.out:
        folder = Path(request.out).resolve().parent
        if Path(request.out).is_dir() or not os.access(folder, os.W_OK):
            raise UserError(
                f"OUT={request.out}: no file can be written there; name one in a folder that you may write to"
            )
    if request.text:
        _check_text(request.text)
        return split_lines(request.text)
    try:
        return split_lines(Path(request.file).read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(
            f"FILE={request.file} is not UTF-8 at byte {error.start}; convert it, for example with iconv"
        ) from None
    except OSError as error:
        raise UserError(f"FILE={request.file} cannot be read: {error.strerror}") from None


def _check_text(text: str) -> None:
    """Raise UserError for bytes on the command line that are not UTF-8, each of which stands there as a surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        place = len(text[: error.start].encode("utf-8"))
        raise UserError(f"TEXT is not UTF-8 at byte {place}; type it in a terminal that writes UTF-8") from None


def split_lines(text: str) -> tuple[list[str], bool]:
    r"""Return the lines between line feeds, no other character ends one, and whether the last ends in one.

    >>> split_lines("one\n\ntwo"), split_lines("one\n"), split_lines("")
    ((['one', '', 'two'], False), (['one'], True), ([], False))
    """
    if not text:
        return [], False
    lines = text.split("\n")
    return (lines[:-1], True) if text.endswith("\n") else (lines, False)


def made_model(config: Config, overrides: Sequence[str]) -> Step | None:
    """Return the step of the model that translates, made where it was not: Hydra's, else the adapted one.

    None where jobs make it after this process has ended.
    """
    steps = _plan_model(config, current_lock(config))
    if steps[-1].finished:
        return steps[-1]
    steps = _plan_model(config, refreshed_lock(config, steps))
    with redirect_stdout(sys.stderr):  # where standard output is a file, it has as many lines as the input
        if execute([steps], [config], overrides) is None:
            return None
    runs.finish_run(steps)
    return steps[-1]


def _plan_model(config: Config, lock: Lock) -> list[Step]:
    name = "hydra_model" if isinstance(config.heads, HydraHeads) else "adapted_model"
    return only(graph.adapt(config, lock), lambda step: step.name == name)


def write_lines(lines: Sequence[str], ended: bool, out: str) -> None:
    """Print the lines, or write them so that the file is there whole or not at all."""
    if not out:
        for line in lines:
            print(line)
        return
    with replacing(Path(out).resolve()) as draft:
        draft.write_text("\n".join(lines) + "\n" * ended, encoding="utf-8", newline="\n")


def flag_notes(flags: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each kind of flag, with the numbers of the first lines that have it."""
    from stages.shared.translation.prompts import FLAGS

    found: Mapping[str, list[int]] = defaultdict(list)
    for number, names in enumerate(flags, start=1):
        for name in names:
            found[name].append(number)
    notes = []
    for name, meaning in FLAGS.items():
        if numbers := found.get(name):
            shown = ", ".join(map(str, numbers[:SHOWN_LINES])) + (", ..." if len(numbers) > SHOWN_LINES else "")
            notes.append(f"{len(numbers)} of {len(flags)} lines ({shown}): {meaning}")
    return notes
