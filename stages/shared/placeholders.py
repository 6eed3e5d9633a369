"""What stands in a message for something else, and mark-up: `$1`, `%s`, `{0}`, `&amp;`, `<b>`."""

import re
from collections import Counter

PLACEHOLDER = re.compile(
    r"""
    \$\d+ | \$\{[^{}\s]*\} | \$[A-Za-z_]\w*\$?            # $1 ${name} $name $name$
    | %\([^()\s]*\)[a-z] | %(?:\d+\$)?[-+\#0]*\d*(?:\.\d+)?(?:l{0,2}[diuxX]|[sfcg@])\b | %\d+ | %[A-Z_]{2,}
    | \{\{[^{}]*\}\} | \{[^{}\s]*\}                       # {{PLURAL:..}} {0} {name}
    | &(?:[A-Za-z][\w.-]*|\#\w+);                         # &amp; &#39; &brandShortName;
    | </?[A-Za-z][^<>]*>                                  # <b> </a>
    """,
    re.VERBOSE,
)
MARKS = re.compile("[$%{&<]")
"""Every placeholder has one: found faster."""
NUMBERED = re.compile(r"%\d+\$")
FUNCTION = re.compile(r"\{\{([^{}:|]*)[:|].*\}\}")
AMOUNT = re.compile(r"[$%](\d+)")


def without_placeholders(text: str) -> tuple[str, int]:
    """Return a text with a space for each placeholder, and how many there were."""
    return PLACEHOLDER.subn(" ", text) if MARKS.search(text) else (text, 0)


def placeholders(text: str) -> Counter[str]:
    """Return the placeholders of a text as translators must keep them, and how often each is there.

    That is without the numbers by which `%1$s` is put elsewhere, and without the words inside `{{PLURAL:$1|a|b}}`.

    >>> placeholders("%2$s: {{PLURAL:$1|dag|dagen}} of {0}")
    Counter({'%s': 1, '{{PLURAL}}': 1, '{0}': 1})
    """
    if not MARKS.search(text):
        return Counter()
    return Counter(FUNCTION.sub(r"{{\1}}", NUMBERED.sub("%", found)) for found in PLACEHOLDER.findall(text))


def placeholders_differ(source: str, target: str) -> bool:
    """Tell whether a side holds a placeholder that the other one lacks, or holds less often.

    `$5` and `%5` may also be a price and a share: then it is enough that the other side has the number.
    """
    ours, theirs = placeholders(source), placeholders(target)
    return _lacks(target, ours - theirs) or _lacks(source, theirs - ours)


def _lacks(text: str, wanted: Counter[str]) -> bool:
    return any(not _has_amount(text, mark) for mark in wanted)


def _has_amount(text: str, mark: str) -> bool:
    amount = AMOUNT.fullmatch(mark)
    return amount is not None and re.search(rf"(?<![\d$%]){amount[1]}(?!\d)", text) is not None
