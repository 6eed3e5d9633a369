from pathlib import Path

import pytest

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped

SAMPLES = Path(__file__).parents[3] / "data" / "readers"
PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>Vacature: kok - Site</title>
<link rel="canonical" href="https://example.org/kok"><style>p {}</style></head><body>
<header><a href="/">Site</a></header><nav><ul><li><a href="/a">Alle banen</a></li></ul></nav>
<div class="cookie-consent">Wij gebruiken cookies.</div>
<main><h1>Kok</h1><p>Wij zoeken een <b>k</b>ok
voor <a href="x">ons</a> restaurant.<br>Jij kookt.</p><script>x = "<p>nee</p>"</script>
<ul><li>32 uur<li>in Gent</ul><table><tr><td>Loon</td><td>goed</td></tr></table>
<p><a href="/b">Meer vacatures als kok</a> | <a href="/c">Deel</a></p></main><footer>Colofon</footer></body></html>"""
OPTIONS = {"files": "**/*.html*", "body": None, "drop": None, "title": None, "group": "file"}


def test_the_main_part_of_a_page(tmp_path, read, lines):
    (tmp_path / "kok.html").write_text(PAGE)
    (document,) = read(tmp_path, "html", **OPTIONS)
    assert lines([document]) == [
        ["Kok", "Wij zoeken een kok voor ons restaurant.", "Jij kookt.", "32 uur", "in Gent", "Loon", "goed"]
    ]
    assert document.url == "https://example.org/kok"


def test_a_card_s_own_rules(tmp_path, read, lines):
    (tmp_path / "zaak").mkdir()
    (tmp_path / "zaak" / "kok.html").write_text(PAGE)
    own = OPTIONS | {"body": "//main/p | //main", "drop": "//table", "title": "//title", "group": "folder"}
    (document,) = read(tmp_path, "html", **own)
    assert document.group == "card:zaak"
    assert lines([document])[0][:2] == ["Vacature: kok - Site", "Kok"]
    assert lines([document])[0][-2:] == ["in Gent", "Meer vacatures als kok | Deel"]
    with pytest.raises(UserError, match=r"body: .*'//\[' is not XPath .*give one like"):
        read(tmp_path, "html", **(OPTIONS | {"body": "//["}))


def test_a_page_without_text_in_the_named_part_is_told(tmp_path, read):
    (tmp_path / "a.html").write_text(PAGE)
    (tmp_path / "b.html").write_text("<html><body><p>Elders</p></body></html>")
    notes = []
    pages = read(tmp_path, "html", notes=notes, **(OPTIONS | {"body": "//main"}))
    assert [(page.id, bool(page.segments)) for page in pages] == [("card:a.html", True), ("card:b.html", False)]
    assert notes == ["data card card: pages without text in the part that `reader` names: 1 (the first: b.html)"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">' + b"<p>caf\xe9 \x80", "café €"),
        (b'<?xml version="1.0" encoding="iso-8859-5"?><html><p>' + "текст".encode("iso-8859-5"), "текст"),
        ("<p>café".encode("utf-16"), "café"),
        ("\ufeff<p>café".encode(), "café"),
        (b"<p>caf&eacute; &amp; &#8364;", "café & €"),
    ],
)
def test_encodings_that_pages_declare(tmp_path, read, lines, data, expected):
    (tmp_path / "a.html").write_bytes(data)
    assert lines(read(tmp_path, "html", **OPTIONS)) == [[expected]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<p>caf\xe9", r"a\.html: page, byte 7: invalid UTF-8 \(0xe9\)"),
        (b"<p>a\0b", r"a\.html: page, character 5: NUL"),
        (b'<meta charset="martian"><p>x', r"a\.html: page: not the text in martian that it says it is"),
        (
            b"<html><body>" + b"<div>" * 300 + b"diep",
            r"a\.html: page: HTML that the parser gives up on \(Excessive depth",
        ),
        (b"<html><body>" + b"<div>" * 15_000, r"a\.html: page: HTML that the parser gives up on \(Excessive depth"),
        (b"<p>" + b"x " * 60_000, r"a\.html: file: more than 100,000 bytes"),
        (b"<p>" + b"x\n" * 60_000, r"a\.html: file: more than 100,000 bytes"),
        (b"", r"a\.html: page: not HTML \(Document is empty\)"),
    ],
)
def test_broken_pages_are_named_and_skipped(tmp_path, read, data, message):
    (tmp_path / "a.html").write_bytes(data)
    (tmp_path / "b.html").write_text(PAGE)
    with pytest.raises(UserError, match=message):
        read(tmp_path, "html", **OPTIONS)
    skipped = Skipped()
    assert [document.id for document in read(tmp_path, "html", skipped, **OPTIONS)] == ["card:b.html"]
    assert (skipped.files, skipped.documents) == (0, 1)


def test_a_real_help_page(read, lines):
    (document,) = read(SAMPLES, "html", **(OPTIONS | {"files": "help/nl/**/*.html"}))
    assert lines([document])[0][0] == "Werkbalk Zoeken"
    assert not any("function" in line for line in lines([document])[0])
