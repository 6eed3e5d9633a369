"""Placeholders and mark-up in real messages, and when two sides of a pair differ in them."""

from pathlib import Path

import pytest

from stages.shared.placeholders import MARKS, PLACEHOLDER, placeholders, placeholders_differ, without_placeholders

DATA = Path(__file__).parents[2] / "data"
PAIRS = [
    line.split("\t")[:2]
    for name in ("en-nl", "en-tt", "ru-tt")
    for line in (DATA / f"{name}.tsv").read_text().splitlines()
]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Delete $1 of $2?", "Delete   of  ?"),
        ("%s: %1$s, %d, %-5.2f, %(name)s, %1 %PRODUCTNAME", " :  ,  ,  ,  ,    "),
        ("{0} {name} {{PLURAL:$1|page|pages}} ${brand} $path$", "         "),
        ("Save &amp; exit &#39;now&#39; &brandShortName;", "Save   exit  now   "),
        ('<b>bold</b> <a href="x">link</a><br/>', " bold   link  "),
        ("50% of $ 5, 100 % sure, a < b > c, R&D; {a b}", "50% of $ 5, 100 % sure, a < b > c, R  {a b}"),
        ("100%", "100%"),
    ],
)
def test_what_is_a_placeholder(text, left):
    assert without_placeholders(text)[0] == left


@pytest.mark.parametrize(
    ("source", "target", "differs"),
    [
        ("Fetch of $1 failed", "Ophalen mislukt", True),
        ("Fetch of $1 failed", "Ophalen van $2 mislukt", True),
        ("$1 and $1", "$1 en nog eens", True),
        ("%s of %s", "%2$s: %1$s", False),
        ("<nick> is away", "<bijnaam> is weg", True),
        ("Press {0} or {1}", "Op {1} of {0} drukken", False),
        ("{{PLURAL:$1|page|pages}}", "{{PLURAL:$1|bladzijde|bladzijden}}", False),
        ("{{PLURAL:$1|page|pages}}", "{{GENDER:$1|hij|zij}}", True),
        ("It costs $5 million.", "Het kost 5 miljoen dollar.", False),
        ("It costs $5 million.", "Het kost 15 miljoen dollar.", True),
        ("50% of all, R&D < 3", "50 procent van alles", False),
    ],
)
def test_sides_that_differ(source, target, differs):
    assert placeholders_differ(source, target) == placeholders_differ(target, source) == differs


def test_translators_keep_placeholders():
    marked = [pair for pair in PAIRS if placeholders(pair[0])]
    assert len(marked) > 30
    assert sum(placeholders_differ(*pair) for pair in marked) / len(marked) < 0.15
    others = zip(marked, marked[1:] + marked[:1], strict=True)
    wrong = [(one[0], other[1]) for one, other in others if placeholders(one[1]) != placeholders(other[1])]
    assert all(placeholders_differ(*pair) for pair in wrong if not any("$" in text for text in pair))


def test_the_marks_miss_no_placeholder():
    texts = [text for pair in PAIRS for text in pair]
    assert all(MARKS.search(text) for text in texts if PLACEHOLDER.search(text))
