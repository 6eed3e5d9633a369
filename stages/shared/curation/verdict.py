"""What a rule says of a batch."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from stages.shared.curation.batch import Batch, Mask
from stages.shared.text_settings import LanguageSettings


@dataclass(frozen=True)
class Verdict:
    """Arrays have an element a document of the batch."""

    dropped: Mapping[str, Mask] = field(default_factory=dict)
    """Which documents go, by the name of the check that they fail; the first check counts."""
    texts: Mapping[int, str] = field(default_factory=dict)
    """New texts of the documents that are rewritten, by their number."""
    scores: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    """What was found in lines and words."""


Rule = Callable[[Batch, Any, LanguageSettings], Verdict]
"""A pure function of a batch, the rule's settings and the language; a document's verdict is that of it alone."""
