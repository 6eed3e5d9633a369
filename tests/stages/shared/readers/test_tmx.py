import gzip

import pytest

from pipeline.errors import UserError
from stages.shared.readers.broken import Skipped

HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n<tmx version="1.4"><header srclang="en" adminlang="en"/><body>'
OPTIONS = {"role": "parallel", "files": "*.tmx*", "source": "en", "target": "nl", "group_lines": 2}


def unit(english, dutch, code="nl"):
    sides = ((language, text) for language, text in (("en", english), (code, dutch)) if text is not None)
    return "<tu>" + "".join(f'<tuv xml:lang="{lang}"><seg>{text}</seg></tuv>' for lang, text in sides) + "</tu>\n"


def write(path, *units):
    path.write_text(HEAD + "".join(units) + "</body></tmx>")


def pairs(documents):
    return [tuple(segment) for document in documents for segment in document.segments]


def test_units_of_both_languages_in_groups(tmp_path, read):
    write(
        tmp_path / "a.tmx", unit("One &amp; all.", "Een &amp; al."), unit("Two.", "Twee.", "nl-NL"), unit("3", "Drie.")
    )
    documents = read(tmp_path, "tmx", **OPTIONS)
    assert pairs(documents) == [("One & all.", "Een & al."), ("Two.", "Twee."), ("3", "Drie.")]
    assert [document.group for document in documents] == ["card:a.tmx#1", "card:a.tmx#3"]


def test_units_of_another_language_are_told_and_other_programs_codes_left_out(tmp_path, read):
    bold = '<bpt i="1">&lt;b&gt;</bpt>Een<ept i="1">&lt;/b&gt;</ept> <hi>huis</hi>'
    write(tmp_path / "a.tmx", unit("A house", bold), unit("Ein", "Eins", "de"), unit("lone", None))
    notes = []
    assert pairs(read(tmp_path, "tmx", notes=notes, **OPTIONS)) == [("A house", "Een huis")]
    assert notes == ["data card card: left out: units without both en and nl: 2"]


def test_a_compressed_memory_is_streamed(tmp_path, read):
    body = "".join(unit(f"sentence {n}", f"zin {n}") for n in range(5000))
    (tmp_path / "a.tmx.gz").write_bytes(gzip.compress((HEAD + body + "</body></tmx>").encode()))
    found = pairs(read(tmp_path, "tmx", **OPTIONS))  # many times the 100 kB that one unit may be long
    assert (len(found), found[-1]) == (5000, ("sentence 4999", "zin 4999"))


def test_entities_of_the_file_are_not_expanded(tmp_path, read):
    doctype = '<!DOCTYPE tmx [<!ENTITY own "secret"><!ENTITY file SYSTEM "file:///etc/passwd">]>'
    for name in ("own", "file"):
        body = HEAD.replace("<tmx", f"{doctype}<tmx") + unit("a", f"b &{name};") + unit("c", "d") + "</body></tmx>"
        (tmp_path / "a.tmx").write_text(body)
        skipped = Skipped()
        assert pairs(read(tmp_path, "tmx", skipped, **OPTIONS)) == [("c", "d")]
        assert skipped.documents == 1
        assert f"unit 1: the entity &{name}; is not one of HTML's" in skipped.examples[0]


def test_a_bomb_of_entities_is_refused(tmp_path, read):
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<!DOCTYPE tmx [<!ENTITY l0 "boom">{levels}]>'
    (tmp_path / "a.tmx").write_text(HEAD.replace("<tmx", f"{body}<tmx") + unit("a", "&l9;") + "</body></tmx>")
    with pytest.raises(UserError, match=r"a\.tmx: (after tu 0: not well-formed|unit 1: the entity &l9;)"):
        read(tmp_path, "tmx", **OPTIONS)
