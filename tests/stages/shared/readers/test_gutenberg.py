"""On headers and licences as Project Gutenberg's files have had them over the years."""

import pytest

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped
from stages.shared.readers.gutenberg import book, paragraphs

# The first and last lines of book 24675 as it was given out in 2008.
OLD = """Project Gutenberg's Ontboezemingen, by Gabriël

This eBook is for the use of anyone anywhere at no cost and with
almost no restrictions whatsoever.  You may copy it, give it away or
re-use it under the terms of the Project Gutenberg License included
with this eBook or online at www.gutenberg.org


Title: Ontboezemingen

Author: Gabriël (AKA  Carel van Nievelt)

Release Date: February 23, 2008 [EBook #24675]

Language: Dutch

Character set encoding: ISO-8859-1

*** START OF THIS PROJECT GUTENBERG EBOOK ONTBOEZEMINGEN ***




Produced by Branko Collin and the Online Distributed
Proofreading Team at http://www.pgdp.net




BEREISDE LIEDEN.

Hebt ge wel eens een neef, of broêr, of vriend van een eerste zeereis
zien t'huiskomen? Hebt ge, wanneer 't verdoolde schaap per Zierikzeesche
boot zou arriveren, _hem_ in dat Zeeuwsche stedeken opgewacht?

[Illustratie: De boot]

       *     *     *     *     *

Te Brugge lag
een kind zo zacht,
het sliep.




End of Project Gutenberg's Ontboezemingen, by Gabriël

*** END OF THIS PROJECT GUTENBERG EBOOK ONTBOEZEMINGEN ***

***** This file should be named 24675-8.txt or 24675-8.zip *****
"""
EXPECTED = [
    "BEREISDE LIEDEN.",
    "Hebt ge wel eens een neef, of broêr, of vriend van een eerste zeereis zien t'huiskomen? Hebt ge, wanneer 't "
    "verdoolde schaap per Zierikzeesche boot zou arriveren, hem in dat Zeeuwsche stedeken opgewacht?",
    "Te Brugge lag",
    "een kind zo zacht,",
    "het sliep.",
]
OPTIONS = {"files": "*.txt", "document_bytes": 100_000}
BODY = "HOOFDSTUK I.\n\nHet begon te regenen.\n\nHet einde."


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_book_in_the_old_form(tmp_path, read, lines, encoding):
    (tmp_path / "24675-8.txt").write_bytes(OLD.replace("\n", "\r\n").encode(encoding))
    (document,) = read(tmp_path, "gutenberg", **OPTIONS)
    assert lines([document]) == [EXPECTED]
    assert (document.group, document.url) == ("card:24675-8.txt", "https://www.gutenberg.org/ebooks/24675")


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (
            "\ufeffThe Project Gutenberg eBook of X\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n\n",
            "\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nUpdated editions will replace the previous one.\n",
        ),
        (
            "Project Gutenberg's X\n\n***START OF THE PROJECT GUTENBERG EBOOK X, A VERY LONG\nTITLE***\n\n\n"
            "E-text prepared by Y\n\n",
            "\n\n***END OF THE PROJECT GUTENBERG EBOOK X***\n\n******* This file should be named\n",
        ),
        (
            "**The Project Gutenberg Etext of X**\n\n**START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START**\n"
            "Why?\n"
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n",
            "\n\nEnd of the Project Gutenberg Etext of X\n",
        ),
        (
            "Project Gutenberg Etext\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.07.02.92*END*\n",
            "\n\nEinde van dit Project Gutenberg EBoek\n",
        ),
        ("", ""),
    ],
    ids=["new", "2005", "1993", "1992", "none"],
)
def test_the_forms_of_header_and_licence(head, tail):
    assert book(head.lstrip("\ufeff") + BODY + tail) == BODY


def test_a_book_that_speaks_of_its_end_keeps_it():
    said = f"{BODY}\n\nEnd of a Project Gutenberg anecdote.\n\n{BODY * 30}\n"
    text = f"*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{said}"
    assert book(text + "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n").endswith("Het einde.")
    assert "anecdote" in book(text + "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n")


def test_long_books_are_cut_between_paragraphs_and_stay_one_group(tmp_path, read):
    (tmp_path / "pg1.txt").write_text("\n\n".join(f"Alinea nummer {n}." for n in range(200)))
    documents = read(tmp_path, "gutenberg", **(OPTIONS | {"document_bytes": 500}))
    assert len(documents) > 5
    assert {document.group for document in documents} == {"card:pg1.txt"}
    assert {document.url for document in documents} == {"https://www.gutenberg.org/ebooks/1"}


def test_verse_keeps_its_lines_and_prose_does_not():
    verse = "Ik ween om bloemen in den knop gebroken\nEn voor den uchtend van haar bloei vergaan"
    assert list(paragraphs(verse.replace("gebroken", "dicht"))) == verse.replace("gebroken", "dicht").split("\n")
    assert len(list(paragraphs(f"{'woord ' * 11}\n{'woord ' * 11}\neinde"))) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (OLD.replace("*** START", "START").encode("cp1252"), "without a mark of where the book begins"),
        (OLD[: OLD.index("End of Project")].encode("cp1252"), r"pg1\.txt: file: .*none of where it ends"),
        (OLD.replace("ISO-8859-1", "UTF-8").encode("cp1252"), r"pg1\.txt: file, byte 45: invalid UTF-8 \(0xeb\)"),
        (OLD.replace("neef", "ne\0f").encode("cp1252"), r"pg1\.txt: file, character \d+: NUL"),
        (b"x" * 200_000, r"pg1\.txt: file: 200,000 bytes, more than 100,000"),
        (b"", r"pg1\.txt: file: no text in its 0 bytes"),
    ],
)
def test_broken_books_are_named_and_skipped(tmp_path, read, data, message):
    (tmp_path / "pg1.txt").write_bytes(data)
    (tmp_path / "pg2.txt").write_text(BODY)
    with pytest.raises(UserError, match=message):
        read(tmp_path, "gutenberg", **OPTIONS)
    skipped = Skipped()
    assert [document.group for document in read(tmp_path, "gutenberg", skipped, **OPTIONS)] == ["card:pg2.txt"]
    assert (skipped.files, skipped.documents) == (1, 0)
