"""Which source tokens the rows of an initialized model were made from: the files beside its weights, and a reader."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, load_npz

from stages.shared.mapping_files import FIGURES_FILE, HOW_FILE, WEIGHTS_FILE

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class TokenMapping:
    """The source tokens of each row of an initialized model."""

    method: str
    """Name of the init method."""
    fallback: str
    """What fills rows without source tokens: `mean`, `normal` or `unk`."""
    weights: csr_matrix
    """Shape (target tokens, source tokens)."""
    how: np.ndarray | None
    """Code of each target token, into `names`; None in artifacts from before it was recorded."""
    names: tuple[str, ...]
    """The ways in which a row may be made, in the order of their codes."""
    prior_share: float | None
    """How far rows other than copies lean on how a token is spelled, 0 to 1; None where that was not chosen."""
    calibrated: bool
    """Whether the tables were shifted after the mapping, which the weights do not show."""
    warmed_up: bool
    """Whether the tables were trained for a moment after that."""

    def how_made(self, row: int) -> str:
        """Return how a row was made, `not recorded` where the artifact does not say."""
        return NOT_RECORDED if self.how is None else self.names[self.how[row]]


def read_mapping(folder: Path) -> TokenMapping:
    """Read the mapping that lies in an initialized model's folder."""
    figures = json.loads((folder / FIGURES_FILE).read_text(encoding="utf-8"))
    how = folder / HOW_FILE
    return TokenMapping(
        method=figures["method"],
        fallback=figures["fallback"],
        weights=csr_matrix(load_npz(folder / WEIGHTS_FILE)),
        how=np.load(how, allow_pickle=False) if how.is_file() else None,
        names=tuple(figures["by"]),  # JSON keeps the order in which the mapping wrote them, that of the codes
        prior_share=figures.get("prior_share"),
        calibrated=figures.get("calibration_strength", 0) > 0,
        warmed_up="warmup" in figures,
    )


def strongest(weights: csr_matrix, row: int) -> list[tuple[int, float]]:
    """Return the source tokens of a row with their weights, the heaviest first and equal ones by id."""
    part = slice(weights.indptr[row], weights.indptr[row + 1])
    found = zip(weights.indices[part].tolist(), weights.data[part].tolist(), strict=True)
    return sorted(found, key=lambda pair: (-abs(pair[1]), pair[0]))
