"""What evaluate_translation sees of the configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.section import Section
from stages.shared.duplicates.settings import BenchmarkFile
from stages.shared.text_lines import TextFile
from stages.shared.text_settings import LanguageSettings
from stages.shared.translation.settings import Languages, MatchSettings, TranslationSettings

Share = Annotated[float, Field(gt=0, le=1)]
SetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
BASELINES = ("copy", "random_in_distribution")
"""Systems that no model stands behind."""
MODELS = (
    "base",
    "base_parft",
    "base_parft_nfr",
    "hydra",
    "hydra_parft",
    "hydra_parft_nfr",
    "hydra_backft",
    "hydra_backft_nfr",
)
"""Systems that a run may make, in the order of the table."""
REPAIRED = "_nfr"
"""Ending of those whose prompts show the most similar translation."""


class HeldOutSet(Section):
    """The bitext's own test split."""

    kind: Literal["held_out"]
    least_words: PositiveInt
    """On each side; very short strings of user interfaces are noise."""

    @property
    def source_text(self) -> None:
        """There is no file."""

    @property
    def target_text(self) -> None:
        """There is no file: the split keeps these pairs out of training text."""


class FilesSet(Section):
    """Two files whose lines belong together, such as FLORES or one's own."""

    kind: Literal["files"]
    source: TextFile
    target: TextFile
    lines: Literal["odd", "even", "all"]
    """Which lines are taken, counted from 1: what was designed on the odd ones is judged on the even ones."""
    passage_lines: PositiveInt
    """Lines of the files that are drawn together when an interval is made, as neighbours may be of one article; 1 where
    each stands for itself."""

    @property
    def source_text(self) -> BenchmarkFile:
        """The source side as a benchmark, all its lines."""
        return BenchmarkFile(path=self.source.path, sha256=self.source.sha256)

    @property
    def target_text(self) -> BenchmarkFile:
        """The target side as a benchmark, all its lines."""
        return BenchmarkFile(path=self.target.path, sha256=self.target.sha256)


class TableSet(Section):
    """A file of pairs, such as Tatoeba's: source, target and whatever follows, tab-separated."""

    kind: Literal["table"]
    file: TextFile

    @property
    def source_text(self) -> BenchmarkFile:
        """The source side as a benchmark."""
        return BenchmarkFile(path=self.file.path, sha256=self.file.sha256, column=1)

    @property
    def target_text(self) -> BenchmarkFile:
        """The target side as a benchmark."""
        return BenchmarkFile(path=self.file.path, sha256=self.file.sha256, column=2)


LineSetSettings = Annotated[HeldOutSet | FilesSet | TableSet, Field(discriminator="kind")]


class TranslationScoringSettings(Section):
    """Which lines are translated, and how translations are scored; the same for every system."""

    sets: dict[SetName, LineSetSettings]
    """Test sets by name. A file that is not there is an error, unless its set is `optional: true`: then the set is left
    out when the run is planned."""
    only: tuple[SetName, ...] | None
    """The sets that are taken; null for all of them."""
    lines: PositiveInt
    """Of each set at most so many, drawn by the seed."""
    script_share: Share
    """A reference with a smaller share of its letters in the language's script is left out."""
    least_words: PositiveInt
    """Lines that share a sentence of so many words, or 13 words in a row, with training text are left out; so is a line
    that, however short, is as a whole a line or a sentence of it."""
    seed: NonNegativeInt
    """Decides which lines are drawn, the random references and the bootstrap."""
    bootstrap_samples: PositiveInt
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Share of the bootstrap samples inside the interval."""
    outputs: dict[SetName, dict[SetName, TextFile]]
    """Translations made elsewhere: by system and set, a file with a line for each line of the set as the artifact's
    `sets/SET.source.txt` has them."""

    @model_validator(mode="before")
    @classmethod
    def _where_present(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("sets"), Mapping):
            return values
        only = values.get("only")
        if only and (unknown := sorted(set(only) - set(values["sets"]))):
            raise ValueError(f"only: no test set is called {unknown[0]!r}; {', '.join(values['sets'])} are")
        taken = {name: given for name, given in values["sets"].items() if not only or name in only}
        return {**values, "sets": {name: one for name, given in taken.items() if (one := _present(given))}}

    @model_validator(mode="after")
    def _named(self) -> "TranslationScoringSettings":
        if not self.sets:
            raise ValueError("sets={}: a translation needs a test set; name one, for example {kind: held_out}")
        for system, files in self.outputs.items():
            if system in (*BASELINES, *MODELS):
                raise ValueError(f"outputs.{system}: the name is taken by a system of the table; choose another")
            if unknown := sorted(set(files) - set(self.sets)):
                raise ValueError(f"outputs.{system}: no test set is called {unknown[0]!r}; {', '.join(self.sets)} are")
        return self


def _present(given: Any) -> Any:
    """Return a set's values without `optional`, None for an optional one whose file is not there."""
    if not isinstance(given, Mapping) or "optional" not in given:
        return given
    values = {key: value for key, value in given.items() if key != "optional"}
    paths = [part.get("path") for part in values.values() if isinstance(part, Mapping)]
    missing = any(not path or not Path(path).is_file() for path in paths)
    return None if given["optional"] and missing else values


class EvaluateTranslationSettings(Section):
    """What evaluate_translation sees."""

    language: LanguageSettings
    translation: TranslationSettings
    languages: Languages
    translation_scoring: TranslationScoringSettings
    systems: tuple[str, ...]
    """Models in the order of the table; `system_<name>` is the input of each."""
    matching: MatchSettings | None
    """Matches in the prompts of the systems that were tuned with such; None for none."""

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; no matches are not named."""
        return {name: value for name, value in super().identity().items() if name != "matching" or value}
