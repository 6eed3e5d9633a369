"""An explained token as tables for the terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stages.map_embeddings.explanation import AlignedPair, ExplainedToken, Explanation, Named
from stages.shared.readable_token import visible
from stages.shared.token_mapping import NOT_RECORDED

SHOWN = 10
"""Source tokens and aligned words in a table."""
HOW = {
    "aligned": "the base model's tokens that aligned words pair it with",
    "copied": "the base token of the same text or role",
    "similar": "no shared token: those whose vectors are most like its own",
    "smoothed": "no evidence of its own: lent by mapped tokens that begin with it or are part of it",
    "spelled": "the mean of the base model's tokens that spell it; of some numbers the first of these alone",
    "fallback": "nothing to go by",
    NOT_RECORDED: "made before this was written down; `how.npy` is missing in its artifact",
}
FALLBACKS = {
    "mean": "No source tokens: the row is the mean of all source rows.",
    "normal": "No source tokens: the row was drawn from the normal distribution of the source rows.",
    "independent": "No source tokens: the row was drawn, each number by itself.",
}


def explanation_tables(explanation: Explanation) -> Iterator[RenderableType]:
    """Yield what to print: for each token a heading and its tables."""
    for token in explanation.tokens:
        yield from _token(token, explanation)
    if not explanation.tied:
        yield Text("The head has rows of its own, made with the same weights; neighbours are those of the input rows.")


def _token(token: ExplainedToken, explanation: Explanation) -> Iterator[RenderableType]:
    written = "" if token.written == token.token else f", written {visible(token.written)}"
    yield Text(f"\n{token.token}   (#{token.id} of {explanation.vocabulary_size:,}{written})", style="bold")
    about = HOW.get(token.how, "")
    yield Text(f"how: {token.how}" + (f" ({about})" if about else "") + f"; mapping: {explanation.mapping.method}")
    yield from _afterwards(token, explanation)
    fallback = FALLBACKS.get(explanation.mapping.fallback, "No source tokens.")
    yield _sources(token.sources, fallback)
    yield _pairs(token, explanation.min_count)
    yield _neighbours(token.near_new, token.near_base)


def _afterwards(token: ExplainedToken, explanation: Explanation) -> Iterator[Text]:
    """Yield what was done to the row after the method had made it."""
    mapping = explanation.mapping
    if mapping.prior_share is not None:
        share = "not at all" if mapping.prior_share == 0 else f"by {mapping.prior_share:.0%}"
        here = f"; {token.leaning:.0%} of the weights below" if token.leaning else ""
        yield Text(f"prior: rows other than copies lean on how a token is spelled {share}{here}")
    by = "" if token.moved is None else f" by {token.moved:.1%} of the length of its sources' mean"
    head = "the row was" if explanation.tied else "the head's row was"
    if mapping.warmed_up:
        yield Text(f"warm-up{' and calibration' if mapping.calibrated else ''}: {head} moved{by} after that")
    elif mapping.calibrated and explanation.biased:
        yield Text("calibration: the head's bias was shifted after that, and the row left as it was")
    elif mapping.calibrated:
        yield Text(f"calibration: {head} shifted{by} after that, as all are, copies too, along one direction")


def _sources(sources: Sequence[Named], fallback: str) -> RenderableType:
    if not sources:
        return Text(fallback)
    table = _table(("source token", "left"), ("id", "right"), ("weight", "right"))
    for source in sources[:SHOWN]:
        _add(table, source.token, f"#{source.id}", f"{source.value:.4f}")
    left = sources[SHOWN:]
    if left:
        _add(table, f"and {len(left)} more", "", f"{sum(source.value for source in left):.4f}")
    return _titled("source tokens", table)


def _pairs(token: ExplainedToken, min_count: int) -> RenderableType:
    pairs = token.pairs
    if pairs is None:
        return Text("aligned words: none, this mapping uses no alignment")
    if not pairs:
        return Text("aligned words: the token is in no word of the alignment table")
    title = "aligned words that the token is in; | parts the tokens of a word"
    headings = ("source word", "left"), ("target word", "left"), ("expected count", "right"), ("", "left")
    table = _table(*headings)
    for pair in pairs[:SHOWN]:
        remarks = [f"pivot {pair.pivot}"] if pair.pivot else []
        remarks += [] if pair.used else [f"not used: {_reason(pair, token.how, min_count)}"]
        _add(table, pair.source, pair.target, f"{pair.expected_count:.1f}", ", ".join(remarks))
    if left := pairs[SHOWN:]:
        _add(table, f"and {len(left)} more", "", f"{sum(pair.expected_count for pair in left):.1f}", "")
    return _titled(title, table)


def _reason(pair: AlignedPair, how: str, min_count: int) -> str:
    return f"below {min_count}" if int(pair.expected_count) < min_count else f"the row is {how}"


def _neighbours(near_new: Sequence[Named], near_base: Sequence[Named]) -> RenderableType:
    headings = ("new token", "left"), ("cosine", "right"), ("base token", "left"), ("cosine", "right")
    table = _table(*headings)
    for place in range(max(len(near_new), len(near_base))):
        cells: list[str] = []
        for near in (near_new, near_base):
            cells += [near[place].token, f"{near[place].value:.3f}"] if place < len(near) else ["", ""]
        _add(table, *cells)
    return _titled("nearest rows", table)


def _titled(title: str, table: Table) -> Group:
    return Group(Text(title, style="italic"), table)  # rich would wrap a title of its own to the table's width


def _table(*columns: tuple[str, str]) -> Table:
    table = Table()
    for heading, justify in columns:
        table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # Text: a token may hold what rich would read as markup
