"""On the dumps that gensim's package carries, and on wikitext of the kinds that they lack."""

import bz2
import time
from pathlib import Path

import gensim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped
from stages.shared.readers.wikitext import Namespaces, lines_of, without_links, without_nested

DUMPS = Path(gensim.__file__).parent / "test" / "test_data"
PAGE_BYTES = 2_000_000
DUTCH = Namespaces(("Bestand", "Categorie"))


def test_a_real_dump(read, lines):
    # In UTF-16; one article among templates and redirects.
    documents = read(DUMPS, "wikimedia", max_bytes=PAGE_BYTES, files="bgwiki-*.bz2")
    (document,) = documents
    assert document.url.startswith("https://bg.wikipedia.org/wiki/%D0%93")
    text = lines(documents)[0]
    assert text[:2] == ["Григориански календар", text[1]]
    assert text[1].startswith("Григорианският календар (понякога наричан")
    assert "Описание" in text
    assert not any(mark in line for line in text for mark in ("{{", "}}", "[[", "]]", "'''", "==", "<", "Категория:"))


def test_real_articles_with_tables(read, lines):
    documents = read(DUMPS, "wikimedia", max_bytes=PAGE_BYTES, files="enwiki-table-markup.xml.bz2")
    assert len(documents) == 5
    assert all(len(set(text)) > 5 for text in lines(documents))
    assert not any(
        mark in line for text in lines(documents) for line in text for mark in ("{|", "||", "style=", "colspan")
    )


def dump(*pages):
    namespaces = '<namespace key="6">Bestand</namespace><namespace key="14">Categorie</namespace>'
    site = f"<siteinfo><base>https://nl.wikipedia.org/wiki/Hoofdpagina</base><namespaces>{namespaces}</namespaces></siteinfo>"
    body = "".join(
        f"<page><title>{title}</title><ns>{ns}</ns><id>{n}</id>{redirect}<revision><text>{text}</text></revision></page>"
        for n, (title, ns, redirect, text) in enumerate(pages, start=1)
    )
    return f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">{site}{body}</mediawiki>'.encode()


def test_articles_only(tmp_path, read, lines):
    pages = [
        ("Gent", 0, "", "Gent is een stad. [[Bestand:x.jpg|duim|De [[Leie]]]]\n[[Categorie:Stad]]"),
        ("Overleg:Gent", 1, "", "Zeg."),
        ("Gand", 0, '<redirect title="Gent" />', "#DOORVERWIJZING [[Gent]]"),
        ("Sint-Niklaas (stad)", 0, "", "Ook een stad."),
    ]
    (tmp_path / "a.xml.bz2").write_bytes(bz2.compress(dump(*pages)))
    notes = []
    documents = read(tmp_path, "wikimedia", notes=notes, files="*.bz2")
    assert notes == [
        "data card card: left out: pages of other namespaces than the articles': 1",
        "data card card: left out: redirects: 1",
    ]
    assert lines(documents) == [["Gent", "Gent is een stad."], ["Sint-Niklaas (stad)", "Ook een stad."]]
    assert [document.url for document in documents] == [
        "https://nl.wikipedia.org/wiki/Gent",
        "https://nl.wikipedia.org/wiki/Sint-Niklaas_%28stad%29",
    ]


def test_memory_does_not_grow_with_the_dump(tmp_path, read):
    article = ("Titel", 0, "", "Een zin over niets. " * 50)
    (tmp_path / "a.xml").write_bytes(dump(*[article] * 500))  # five times what one page may have
    assert len(read(tmp_path, "wikimedia", files="*.xml")) == 500


@pytest.mark.parametrize("cut", [40, 300, 700])
def test_a_dump_that_is_cut_off_keeps_what_came_before(tmp_path, read, cut):
    pages = dump(*((f"Titel {n}", 0, "", f"Zin {n * 7919 % 1000}.") for n in range(200)))
    (tmp_path / "a.xml.bz2").write_bytes(bz2.compress(pages)[:-cut])
    (tmp_path / "b.xml").write_bytes(pages[:-cut])
    with pytest.raises(UserError, match=r"b\.xml: after page 19\d: not well-formed XML"):
        read(tmp_path, "wikimedia", files="b.*")
    with pytest.raises(UserError, match=r"a\.xml\.bz2: after page \d+: the compressed data is cut off"):
        read(tmp_path, "wikimedia", files="a.*")
    skipped = Skipped()
    assert 190 <= len(read(tmp_path, "wikimedia", skipped, files="b.*")) < 200
    assert skipped.files == 1


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        (
            "'''Gent''' is ''een'' [[stad (plaats)|stad]].<ref name=a>Zie<br/></ref><ref name=a />",
            ["Gent is een stad."],
        ),
        ("== Kop ==\n=== Leeg ===\n== Tekst ==\n* een\n** twee", ["Tekst", "een", "twee"]),
        ("== Boven ==\n=== Onder ===\nregel", ["Boven", "Onder", "regel"]),
        ("a {{sjabloon|{{b}}|c}} b\n{| class=x\n| cel\n{| genest |}\n|}\nna", ["a b", "na"]),
        ("a{{x|}}b {{y|\n{| c\n|}}}d", ["ab d"]),
        ("een {{nooit gesloten\ntwee", ["een nooit gesloten", "twee"]),
        ("Gent (Frans: {{lang|fr|Gand}}) en (,) of ( , x)", ["Gent (Frans:) en of (x)"]),
        ("[http://x.example de site] en [[Bestand:a.jpg|b [[c]] d]]dit", ["de site en dit"]),
        ("&nbsp;x &amp;mdash; y <!-- weg\n --> < z > w__NOTOC__", ["x &mdash; y < z > w"]),
        ("<math>x^2</math>\n<gallery>\na.jpg|b\n</gallery>", []),
    ],
)
def test_wikitext(wikitext, expected):
    assert lines_of(wikitext, DUTCH) == expected


@given(st.text(alphabet="{|}[]' a\n=*<>!", max_size=60))
def test_any_wikitext_ends_and_loses_no_unmarked_text(text):
    assert all(line.strip() for line in lines_of(text, DUTCH))
    plain = text.translate(str.maketrans("", "", "{|}[]'<>!=*"))
    assert without_links(without_nested(plain), DUTCH) == plain


MARKS = ["{{", "{|", "[[", "[[Bestand:", "[", "[http://x", "<ref>", "<ref", "<!--", "<", "|", "|x|"]


@pytest.mark.parametrize("mark", [*MARKS, " ", "==", "(", "!", "''", "\n|x|", "\n!"])
def test_a_page_of_open_marks_takes_no_time(mark):
    begin = time.perf_counter()
    lines_of(mark * 20_000, DUTCH)
    assert time.perf_counter() - begin < 10
