"""What align_tokens sees of the configuration."""

import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.section import LocalPath, Section, with_sha256

Symmetrization = Literal["none", "agreement", "intersection", "grow_diag_final_and"]
Probability = Annotated[float, Field(ge=0, lt=1)]


class PairCleaning(Section):
    """Which pairs are not aligned, beside those that ingest_bitext leaves out already."""

    placeholders: bool
    """Take `$1`, `%s`, `{0}`, `&amp;`, `<b>` out of the text: they are no words."""
    copies: bool
    """Leave out pairs of two equal sides, whatever their length."""
    duplicates: bool
    """Leave out pairs that differ from an earlier one by case, digits or placeholders only."""
    length_ratio: Annotated[float, Field(gt=1)] | None
    """Largest ratio between the sides' words, for pairs whose longer side has more than 8; null for any."""


class AlignerSettings(Section):
    """What all aligners share."""

    symmetrization: Symmetrization
    """How the two directions make one count. none: P(target | source) alone, with the null word; agreement: the
    product of both posteriors; the others count links of both directions' best alignments."""
    cleaning: PairCleaning
    lexicon_pairs: PositiveInt | None
    """Train the lexicons on so many pairs, evenly spread; all pairs are counted. Null for all. Bounds the memory."""
    beam_threshold: Annotated[float, Field(le=-1)]
    """A pair is left out where log P(target | source) < -beam_threshold x that of the source unit's best; -4 is
    fast_align's own, -1e9 keeps every pair."""
    table_count: Annotated[float, Field(ge=0)]
    """Pairs with a smaller expected count are not written."""
    min_count: PositiveInt
    """Smallest count of a pair that the coverage figures take for evidence."""
    examples: NonNegativeInt
    """How many of the best-aligned words are listed."""


class FastAlignSettings(AlignerSettings):
    """fast_align over the training pairs, through systran-align: IBM Model 1."""

    method: Literal["fast_align"]
    iterations: Annotated[int, Field(ge=3)]
    """fast_align's -I. The expected counts are those of the last but one, as in the original."""


class FastAlignBinarySettings(AlignerSettings):
    """The program fast_align of the user: the same model."""

    method: Literal["fast_align_binary"]
    iterations: Annotated[int, Field(ge=3)]
    """Its -I. The expected counts are those of the last but one."""
    program: LocalPath
    """A name on the PATH or a path."""
    sha256: str
    """Of the program, taken when the run is planned (null in the YAML)."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        from stages.align_tokens.fast_align import executable  # imports numpy, which planning can do without

        missing = "alignment=fast_align_binary needs the program: alignment.program=PATH"
        if not isinstance(values, dict) or not values.get("program"):
            raise ValueError(missing)
        program = str(executable(str(values["program"]), shutil.which))
        return with_sha256({**values, "program": program}, "program", missing, Path("/"))


class ThotFastAlignSettings(AlignerSettings):
    """fast_align of sil-thot: IBM Model 2 with a diagonal prior while training."""

    method: Literal["thot_fast_align"]
    iterations: PositiveInt
    variational_bayes: bool
    """A sparse Dirichlet prior on the lexicon."""
    p0: Probability
    """Prior of the null word."""

    def own(self) -> dict[str, Any]:
        """Return the method and its own options."""
        return self.model_dump(include={"method", "iterations", "variational_bayes", "p0"})


class EflomalSettings(AlignerSettings):
    """eflomal of sil-thot (Östling and Tiedemann 2016): Gibbs sampling of an HMM with fertilities."""

    method: Literal["eflomal"]
    seed: NonNegativeInt
    samplers: PositiveInt
    """Independent samplers, averaged."""
    iterations: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt] | None
    """Of Model 1, of the HMM and with fertilities; null: chosen by it from the size of the bitext."""
    p0: Probability
    """Prior of the null word."""

    def own(self) -> dict[str, Any]:
        """Return the method and its own options."""
        return self.model_dump(include={"method", "seed", "samplers", "iterations", "p0"})


class TableSettings(Section):
    """A table that exists already, in fast_align's format."""

    method: Literal["table"]
    path: LocalPath
    """The table: source unit, target unit, log-probability, count; tab-separated, UTF-8."""
    sha256: str
    """Of the file, taken from it when the run is planned (null in the YAML): another table makes another run."""
    min_count: PositiveInt
    """Smallest count of a pair that the coverage figures take for evidence."""
    examples: NonNegativeInt
    """How many of the best-aligned words are listed."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        return with_sha256(values, "path", "alignment=table needs the table: alignment.path=FILE.tsv", Path.cwd())


AlignmentSettings = Annotated[
    FastAlignSettings | FastAlignBinarySettings | ThotFastAlignSettings | EflomalSettings | TableSettings,
    Field(discriminator="method"),
]


class AlignTokensSettings(Section):
    """The settings of the stage."""

    alignment: AlignmentSettings
