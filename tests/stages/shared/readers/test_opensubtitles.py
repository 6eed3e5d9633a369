import gzip
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped
from stages.shared.readers.subtitles import clean_line, clean_subtitles, is_advert

FILM = """<?xml version="1.0" encoding="utf-8"?>
<document id="4567890"><meta><subtitle><language>Dutch</language></subtitle></meta>
<s id="1"><time id="T1S" value="00:00:10,000" />Ondertiteling door: <i>Piet</i><time id="T1E" value="x" /></s>
<s id="2"><time id="T2S" value="00:00:20,000" />- Kom je mee
naar huis?</s><s id="3">[deur slaat dicht]</s>
<s id="4"><w id="4.1">Ja</w> <w id="4.2">,</w> <w id="4.3">goed</w></s></document>
"""
OPTIONS = {"files": "**/*.xml*", "versions": "first"}


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(FILM.encode()) if name.endswith("gz") else FILM.encode())


def test_a_film_is_a_document(tmp_path, read, lines):
    write(tmp_path, "1999/133093/1.xml", "1999/133093/2.xml", "2001/7/9.xml.gz")
    notes = []
    documents = read(tmp_path, "opensubtitles", notes=notes, **OPTIONS)
    assert lines(documents) == [["Kom je mee naar huis?", "Ja , goed"]] * 2
    assert [document.group for document in documents] == ["card:1999/133093", "card:2001/7"]
    assert notes == [
        "data card card: left out: lines of adverts: 2",
        "data card card: left out: marks for the hard of hearing: 2",
        "data card card: left out: further subtitles of films that were read: 1",
    ]
    every = read(tmp_path, "opensubtitles", notes=notes, **(OPTIONS | {"versions": "all"}))
    assert [document.group for document in every] == ["card:1999/133093"] * 2 + ["card:2001/7"]
    assert notes[3:] == [
        "data card card: left out: lines of adverts: 3",
        "data card card: left out: marks for the hard of hearing: 3",
    ]


def test_films_of_the_moses_form_are_known_by_their_ids(tmp_path, read):
    (tmp_path / "x.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "x.nl").write_text("een\ntwee\ndrie\n")
    ids = [f"en/{film}.xml.gz\tnl/{film}.xml.gz\t1\t1" for film in ("1999/1/1", "1999/1/1", "2000/2/2")]
    (tmp_path / "x.ids").write_text("\n".join(ids) + "\n")
    options = {"source": "*.en", "target": "*.nl", "group_lines": 1, "ids": "*.ids"}
    documents = read(tmp_path, "moses", role="parallel", **options)
    assert [document.id for document in documents] == ["card:x.nl#nl/1999/1/1.xml.gz", "card:x.nl#nl/2000/2/2.xml.gz"]
    assert [len(document.segments) for document in documents] == [2, 1]


@pytest.mark.parametrize(
    "line",
    [
        "Vertaling: Ron Haanstra",
        "Vertaling & synchronisatie: Quality over Quantity (QoQ) Releases",
        "Ondertiteling door Piet de Vries",
        "Download deze ondertitel op www.opensubtitles.org",
        "Gedownload van www.bierdopper.com",
        "Subtitles by TELEFILM",
        "Synced & corrected by kinglouisxx",
        "Untertitel von Anke",
        "Sous-titres par Jean",
        "Advertise your product or brand here",
        "Please rate this subtitle at osdb.link/abc",
        "Bezoek https://x.example voor meer",
    ],
)
def test_adverts(line):
    assert is_advert(line)


@pytest.mark.parametrize(
    "line",
    [
        "De vertaling is van mij.",
        "Vertaal dat eens.",
        "Vertaling? Nee, dank je.",
        "Ik download geen films.",
        "Download dat bestand maar.",
        "Synchroniseer de horloges.",
        "Kan je de ondertiteling aanzetten?",
    ],
)
def test_what_people_say_is_no_advert(line):
    assert not is_advert(line)
    assert clean_subtitles([line], Counter()) == [line]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("- JAN: Kom.", "Kom."),
        ("DE MAN (FLUISTEREND): Stil.", "Stil."),
        ("DR. O'NEIL: Stil.", "Stil."),
        ("ЖЕНЩИНА: Да.", "Да."),
        ("♪ La la la ♪", "La la la"),
        ("Hij zei: stil.", "Hij zei: stil."),
        ("Luister: ze komen.", "Luister: ze komen."),
        ("OK: 10 uur", "10 uur"),
        ("- Hallo. - Dag.", "Hallo. - Dag."),
    ],
)
def test_marks_and_speakers(line, expected):
    assert clean_line(line, Counter()) == expected


def test_noises_over_several_lines_and_the_formats_own_marks():
    said = ["{\\an8}<i>Hoor je dat?</i>", "[muziek", "zwelt aan] Ja.", "(GELACH)", "♪♪", "..."]
    assert clean_subtitles(said, Counter()) == ["Hoor je dat?", "Ja."]


@given(st.lists(st.text(alphabet="ab ([{<>}])♪-:\n.A", max_size=30), max_size=8))
def test_cleaning_ends_and_keeps_letters_only(said):
    assert all(any(map(str.isalpha, line)) and "♪" not in line for line in clean_subtitles(said, Counter()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FILM[:-30], r"1\.xml: after s [34]: not well-formed XML"),
        ("<document><p>x</p></document>", r"1\.xml: file: no <s>, which OPUS puts sentences in"),
        (FILM.replace("naar", "na\udcffar"), r"1\.xml: after s \d: not well-formed XML"),
        ("", r"1\.xml: after s 0: not well-formed XML"),
        ("<document>" + "x " * 90_000, r"1\.xml: after s 0: (no end of one within 100,000 bytes|not well-formed)"),
    ],
)
def test_broken_films_are_named_and_skipped(tmp_path, read, content, message):
    write(tmp_path, "1999/1/1.xml", "1999/2/1.xml")
    (tmp_path / "1999" / "1" / "1.xml").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=message):
        read(tmp_path, "opensubtitles", **OPTIONS)
    skipped = Skipped()
    assert [document.group for document in read(tmp_path, "opensubtitles", skipped, **OPTIONS)] == ["card:1999/2"]
    assert (skipped.files, skipped.documents) == (0, 1)


@pytest.mark.parametrize("content", [FILM[:-30], "<document><p>x</p></document>", ""])
def test_in_the_place_of_broken_subtitles_the_film_s_next_are_read(tmp_path, read, content):
    write(tmp_path, "1999/1/1.xml", "1999/1/2.xml.gz", "1999/1/3.xml", "1999/1/4.xml", "1999/2/1.xml")
    (tmp_path / "1999" / "1" / "1.xml").write_text(content)
    (tmp_path / "1999" / "1" / "2.xml.gz").write_bytes(gzip.compress(FILM.encode())[:-9])
    skipped = Skipped()
    found = read(tmp_path, "opensubtitles", skipped, **OPTIONS)
    assert [document.id for document in found] == ["card:1999/1/3.xml", "card:1999/2/1.xml"]
    assert (skipped.files, skipped.documents) == (0, 2)
    skipped = Skipped()
    every = read(tmp_path, "opensubtitles", skipped, **(OPTIONS | {"versions": "all"}))
    assert [document.group for document in every] == ["card:1999/1"] * 2 + ["card:1999/2"]
    assert (skipped.files, skipped.documents) == (0, 2)
