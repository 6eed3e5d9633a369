import pytest

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped

LAW = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE toestand SYSTEM "law.dtd">
<toestand xmlns="http://example.org/bwb" bwb-id="BWBR0000001"><meta-data><al>intern</al></meta-data>
<wetgeving><intitule>Wet van 1 mei, houdende <nadruk>regels</nadruk></intitule>
<artikel><kop><label>Artikel</label> <nr>1</nr> <titel>Begrippen</titel></kop>
<lid><lidnr>1</lidnr><al>In deze wet wordt verstaan onder:<noot><al>Zie elders.</al></noot></al>
<lijst><li><li.nr>a.</li.nr><al>minister: Onze Minister&nbsp;X;</al></li></lijst></lid></artikel></wetgeving></toestand>
"""
OPTIONS = {
    "files": "*.xml*",
    "document": "toestand",
    "paragraphs": ["intitule", "titel", "al"],
    "drop": ["meta-data", "noot"],
    "id": "bwb-id",
    "url": "https://wetten.overheid.nl/{id}",
}


def test_a_law_is_read_by_the_names_of_its_elements(tmp_path, read, lines):
    (tmp_path / "BWBR0000001_2024.xml").write_text(LAW)
    (document,) = read(tmp_path, "xml", **OPTIONS)
    assert lines([document]) == [
        [
            "Wet van 1 mei, houdende regels",
            "Begrippen",
            "In deze wet wordt verstaan onder:",
            "minister: Onze Minister X;",
        ]
    ]
    assert (document.id, document.group) == (
        "card:BWBR0000001_2024.xml#BWBR0000001",
        "card:BWBR0000001_2024.xml",
    )
    assert document.url == "https://wetten.overheid.nl/BWBR0000001"


def test_many_documents_of_a_file_are_of_one_group(tmp_path, read, lines):
    body = "".join(f"<doc><p>Alinea {n}</p></doc>" for n in range(3000))
    (tmp_path / "a.xml").write_text(f"<corpus>{body}</corpus>")
    own = OPTIONS | {"document": "doc", "paragraphs": ["p"], "drop": [], "id": None, "url": None}
    documents = read(tmp_path, "xml", **own)
    assert lines(documents) == [[f"Alinea {n}"] for n in range(3000)]
    assert {document.group for document in documents} == {"card:a.xml"}
    assert len({document.id for document in documents}) == 3000


def test_a_name_that_comes_again_gets_the_document_s_number(tmp_path, read):
    names = ["wet", "wet", "wet#2", "", "wet"]
    body = "".join(f'<doc id="{name}"><p>Alinea</p></doc>' for name in names)
    (tmp_path / "a.xml").write_text(f"<corpus>{body}</corpus>")
    own = OPTIONS | {"document": "doc", "paragraphs": ["p"], "drop": [], "id": "id", "url": None}
    found = [document.id.partition("#")[2] for document in read(tmp_path, "xml", **own)]
    assert found == ["wet", "wet#2", "wet#2#3", "4", "wet#5"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAW[:-60], r"a\.xml: after toestand 0: not well-formed XML"),
        ("", r"a\.xml: after toestand 0: not well-formed XML"),
        ("<other/>", r"a\.xml: file: no text in its 8 bytes"),
        (
            LAW.replace("Begrippen", "&eigen;"),
            "toestand BWBR0000001: the entity &eigen;",
        ),
        ("<toestand>" + "<al>x</al>" * 30_000 + "</toestand>", r"no end of one within 100,000 bytes"),
        ("<toestand>" + "<a>" * 10_000, r"after toestand 0: not well-formed XML \(.*depth"),
        (LAW.replace("Begrippen", "caf\udce9"), r"not well-formed XML \(.*(encoding|UTF-8|invalid)"),
        (LAW.replace("Begrippen", "x\0y"), r"not well-formed XML"),
    ],
)
def test_broken_files_are_named_and_skipped(tmp_path, read, lines, content, message):
    (tmp_path / "a.xml").write_bytes(content.encode("utf-8", "surrogateescape"))
    (tmp_path / "b.xml").write_text(LAW)
    with pytest.raises(UserError, match=message):
        read(tmp_path, "xml", **OPTIONS)
    skipped = Skipped()
    assert len(read(tmp_path, "xml", skipped, **OPTIONS)) == 1
    assert skipped.files + skipped.documents == 1
