"""Documents that went, to look at: ten of each reason."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from stages.shared.text_table import read_rows

EXAMPLES = 10


def examples(dropped: Path) -> Mapping[str, list[dict[str, str]]]:
    """Return id, check and excerpt of ten documents for each reason, by a hash of their ids: of any source."""
    found: dict[str, list[tuple[bytes, dict[str, str]]]] = {}
    for name, reason, check, excerpt in read_rows(dropped, ["id", "reason", "check", "excerpt"]):
        if excerpt is None:
            continue
        listed = found.setdefault(reason, [])
        order = hashlib.blake2b(name.encode(), digest_size=8).digest()
        listed.append((order, {"id": name, "check": check or "", "excerpt": excerpt}))
        if len(listed) > 2 * EXAMPLES:
            found[reason] = sorted(listed, key=lambda pair: pair[0])[:EXAMPLES]
    return {
        reason: [shown for _, shown in sorted(listed, key=lambda pair: pair[0])[:EXAMPLES]]
        for reason, listed in sorted(found.items())
    }
