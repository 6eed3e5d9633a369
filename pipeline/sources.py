"""Which version of each external file a plan uses: the committed lock, overlaid by what mirrors have now."""

import sys
from collections.abc import Iterable

from pipeline.card_lock import Lock, load_lock, overlaid, pin
from pipeline.cards import CARDS, ResolvedCard, load_cards, resolve_card
from pipeline.errors import UserError
from pipeline.plan import Step
from pipeline.settings import Config

LOCK = CARDS / "lock.json"


def current_lock(config: Config) -> Lock:
    """Return the committed lock with this machine's overlay over it; touches no network."""
    return overlaid(load_lock(LOCK), load_lock(config.artifacts / "lock.json"))


def overlay_notes(config: Config) -> list[str]:
    """Return a line for each file whose pinned version this machine's overlay replaces."""
    pinned, used, overlay = load_lock(LOCK), current_lock(config), config.artifacts / "lock.json"
    return [
        f"{key} {pinned[key]['version']} is replaced by {entry['version']} (overlay lock {overlay})"
        for key, entry in sorted(used.items())
        if key in pinned and entry != pinned[key]
    ]


def refreshed_lock(config: Config, steps: Iterable[Step]) -> Lock:
    """Return the lock after a look at the mirrors, where an unfinished step needs a file that is not in the cache.

    Prints a line for each file whose pinned version is gone. With every file in the cache nothing touches the network.
    """
    from stages.shared.sources.locking import refresh_lock

    execution = config.execution()
    needed = [card for step in steps if not step.finished for card in _cards(step)]
    _, lines = refresh_lock(needed, config.artifacts / "lock.json", execution.downloads, execution.debian_mirror)
    for line in lines:
        print(f"note: {line}", file=sys.stderr)
    return current_lock(config)


def _cards(step: Step) -> tuple[ResolvedCard, ...]:
    return getattr(step.settings, "cards", ())


def write_newest_lock(configs: Iterable[Config]) -> int:
    """Pin what the sources offer now for every language's cards that packages hold; return the number of files.

    Hub datasets are pinned by the commit in their card; what else is on the web when a run first fetches it.
    """
    from stages.shared.sources.locking import lock_cards

    cards, known = load_cards(), load_lock(LOCK)
    resolved, execution = [], None
    for config in configs:
        language, execution = config.language, config.execution()
        packaged = config.cards["packaged"]
        own = (*packaged.corpus, *packaged.bitext, *packaged.dictionaries)
        pairs = [(name, language.source_code) for name in own]
        pairs += [(name, code) for code, names in packaged.pivots.items() for name in names]
        resolved += [resolve_card(cards[name], source, language.code, {}) for name, source in dict.fromkeys(pairs)]
    if execution is None:
        raise UserError("there is no language file under conf/language")
    fresh = lock_cards(resolved, execution.downloads, execution.debian_mirror)
    pin(fresh, known, LOCK)
    return len(fresh)
