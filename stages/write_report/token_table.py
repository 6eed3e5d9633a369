"""The searchable table of the report: every new token, and the source tokens that its row was made from."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.readable_token import shown_token
from stages.shared.token_mapping import TokenMapping, read_mapping, strongest
from stages.shared.token_text import Vocabulary

SCRIPT = Path(__file__).parent / "templates" / "tokens.js"
SOURCES = 4
"""Source tokens listed for a token, the heaviest."""
FALLBACKS = {"mean": "the mean source row", "normal": "drawn at random, as the source rows are distributed"}
"""What rows without source tokens are filled with."""


@dataclass(frozen=True)
class TokenTable:
    """What the page shows of the mapping."""

    data: str
    """JSON that may stand inside a script element."""
    script: str
    digest: str
    """Of the script, as a content security policy names it."""
    method: str
    total: int
    listed: int
    prior_share: float | None
    """How far rows lean on how a token is spelled, 0 to 1; None where they have no such prior."""
    calibrated: bool
    """The rows that predict were shifted afterwards."""
    warmed_up: bool
    """They were trained for a moment after that."""
    by: list[tuple[str, int]]
    """How many tokens were made how, without the ways that made none; empty where that is not recorded."""


def token_table(inputs: Mapping[str, Path], source: Vocabulary, target: Vocabulary, limit: int) -> TokenTable | None:
    """Return the first `limit` tokens in the order of ids; None where there is no initialized model."""
    if "initialized_model" not in inputs:
        return None
    mapping = read_mapping(inputs["initialized_model"])
    listed = min(limit, len(target))
    script = SCRIPT.read_text(encoding="utf-8")
    made_how = [mapping.how_made(row) for row in range(len(target))]
    return TokenTable(
        data=script_json(table_data(mapping, source, target, listed)),
        script=script,
        digest="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        method=mapping.method,
        total=len(target),
        listed=listed,
        prior_share=mapping.prior_share,
        calibrated=mapping.calibrated,
        warmed_up=mapping.warmed_up,
        by=[(name, made_how.count(name)) for name in mapping.names if name in made_how],
    )


def table_data(mapping: TokenMapping, source: Vocabulary, target: Vocabulary, listed: int) -> dict[str, Any]:
    """Return the table in short: texts once, and for each token numbers alone.

    `made` has for each token the place of a source token in `sources` and its weight in thousandths, in turns, and at
    the end how many more there are, where there are more. `how` is one letter a token, into `names`.
    """
    places: dict[int, int] = {}
    made: list[list[int]] = []
    for row in range(listed):
        found = strongest(mapping.weights, row)
        line: list[int] = []
        for column, weight in found[:SOURCES]:
            line += [places.setdefault(column, len(places)), round(1000 * weight)]
        made.append(line + ([len(found) - SOURCES] if len(found) > SOURCES else []))
    plain = ~(target.special | target.byte_fallback)[:listed]
    return {
        "tokens": [shown_token(target, row, " ") for row in range(listed)],
        "sources": [shown_token(source, column, " ") for column in places],
        "made": made,
        "names": mapping.names,
        "how": None if mapping.how is None else "".join(chr(97 + code) for code in mapping.how[:listed].tolist()),
        "fallback": FALLBACKS.get(mapping.fallback, "no source token"),
        "start": int(plain.argmax()) if plain.any() else 0,
    }


def script_json(value: Any) -> str:
    """Return JSON without a character that could end the script element around it or begin a comment in it.

    >>> script_json(["</script>", "<!--"])
    '["\\\\u003c/script\\\\u003e","\\\\u003c!--"]'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
