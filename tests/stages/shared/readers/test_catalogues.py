"""Catalogues of messages and help pages, on real samples of each format."""

import shutil
import zipfile

import pytest
from reader_case import HEADER, SAMPLES, language_pack, read, segments

from pipeline.errors import UserError
from stages.shared.documents import Segment
from stages.shared.readers.mediawiki import plain_text


def test_gettext_mo():
    found = segments(read(SAMPLES, "gettext", files="*.mo", accelerators="&"))
    assert Segment("Aspect Ratio", "Яклар нисбәте") in found
    assert not any("Project-Id-Version" in target or "Content-Type: text" in target for _, target in found)


def test_gettext_plural_forms_give_two_pairs():
    found = segments(read(SAMPLES, "gettext", files="*.mo", accelerators=""))
    sources = [source for source, _ in found]
    assert any("%(total_count)s selected" in source or "total" in source for source in sources)
    assert len([source for source in sources if source.startswith("%(name)s") or "total_count" in source]) >= 2


def test_gettext_pair_joins_two_translations_by_message(tmp_path):
    shutil.copytree(SAMPLES / "pivot", tmp_path / "in")
    options = {"files": "tt/**/*.po", "target_folder": "tt", "source_folder": "ru", "accelerators": "&"}
    (document,) = read(tmp_path / "in", "gettext_pair", languages=("ru", "tt"), **options)
    assert document.group == "card:tt/LC_MESSAGES/ui.po"  # that of the reader gettext: one group, one split
    assert Segment("Соотношение сторон", "Яклар нисбәте") in document.segments
    assert Segment("О программе", "Программа Турында") in document.segments  # of &About, whose mark one side lacks
    assert Segment("%(counter)s результат", "%(counter)s нәтиҗә") in document.segments
    shutil.copytree(tmp_path / "in" / "tt", tmp_path / "in" / "tt" / "more" / "tt")
    assert len(read(tmp_path / "in", "gettext_pair", languages=("ru", "tt"), **options)) == 1  # Russian lacks it
    shutil.rmtree(tmp_path / "in" / "ru")
    with pytest.raises(UserError, match="no pair of 'ru' and 'tt'"):
        read(tmp_path / "in", "gettext_pair", languages=("ru", "tt"), **options)


def test_gettext_po_skips_fuzzy_untranslated_and_personal():
    complete = segments(read(SAMPLES, "gettext", files="*.mo", accelerators=""))
    found = segments(read(SAMPLES, "gettext", files="*.po", accelerators=""))
    assert len(found) == len(complete) - 1  # one is fuzzy
    assert not {"Untranslated", "Translator credits"} & {source for source, _ in found}


@pytest.mark.parametrize(
    ("source", "target", "marks", "expected"),
    [
        ("_File", "_Bestand", "_~", ("File", "Bestand")),
        ("Ch~aracters", "Te~kens", "_~", ("Characters", "Tekens")),
        ("Black & White", "Zwart & wit", "&", ("Black & White", "Zwart & wit")),
        ("_underline_", "_onderstrepen_", "_~", ("_underline_", "_onderstrepen_")),
        ("a&nbsp;b", "a&nbsp;b", "&", ("a&nbsp;b", "a&nbsp;b")),
        ("file_name", "bestands_naam", "", ("file_name", "bestands_naam")),
    ],
)
def test_accelerators(tmp_path, source, target, marks, expected):
    path = tmp_path / "a.po"
    path.write_text(
        f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n\nmsgid "{source}"\nmsgstr "{target}"\n'
    )
    assert segments(read(tmp_path, "gettext", files="*.po", accelerators=marks)) == [expected]


def test_a_catalogue_is_cut_into_documents_of_one_group(tmp_path):
    entries = "".join(f'msgid "text {n}"\nmsgstr "tekst nummer {n}"\n\n' for n in range(400))
    (tmp_path / "a.po").write_text(HEADER + entries)
    documents = read(tmp_path, "gettext", files="*.po", accelerators="")
    assert len(documents) > 2
    assert {document.group for document in documents} == {"card:a.po"}
    assert len({document.id for document in documents}) == len(documents)
    assert all(2000 <= sum(len(s.target) for s in d.segments) < 2030 for d in documents[:-1])


def test_libreoffice_help_joins_by_id_and_skips_other_systems():
    (page,) = read(SAMPLES, "libreoffice_help", source="help/en-US/text", target="help/nl/text")
    assert page.group == page.id == "card:shared/find_toolbar.html"
    assert Segment("Find Bar", "Werkbalk Zoeken") in page.segments
    shortcut = next(s for s in page.segments if "toetscombinatie" in s.target)
    assert "Ctrl + F" in shortcut.target
    assert "Commando" not in shortcut.target


def test_mozilla_reads_ftl_properties_and_dtd(tmp_path):
    language_pack(tmp_path / "en.xpi", "en-GB")
    language_pack(tmp_path / "nl.xpi", "nl")
    documents = read(tmp_path, "mozilla", source="en.xpi", target="nl.xpi", source_locale="en-GB", target_locale="nl")
    found = segments(documents)
    assert Segment("Title en-GB", "Title nl") in found
    assert any(source == "Cancel" and target == "Annuleren" for source, target in found)
    assert any("localization/@/" in document.id for document in documents)


def test_mozilla_shows_brand_names(tmp_path):
    for locale, text in (("en-GB", "Close { -brand-short-name }?"), ("nl", "{ -brand-short-name } sluiten?")):
        with zipfile.ZipFile(tmp_path / f"{locale}.xpi", "w") as pack:
            pack.writestr(f"a/{locale}/brand.ftl", "-brand-short-name = Firefox\n")
            pack.writestr(f"a/{locale}/ask.ftl", f"ask = {text}\n    .accesskey = C\n")
    found = segments(
        read(tmp_path, "mozilla", source="en-GB.xpi", target="nl.xpi", source_locale="en-GB", target_locale="nl")
    )
    assert found == [Segment("Close Firefox?", "Firefox sluiten?")]


def test_mediawiki_takes_every_extension_as_a_group():
    documents = read(SAMPLES, "mediawiki", source="**/en.json", target="**/tt-cyrl.json", folder="i18n")
    assert {document.group for document in documents} == {
        "card:mediawiki/CategoryTree/i18n",
        "card:mediawiki/InputBox/i18n",
    }
    assert all("authors" not in target for _, target in segments(documents))


def test_wiki_markup_becomes_text():
    message = "'''[[Special:Log|the log]]''' has $1 {{PLURAL:$1|0=none|entry|entries}} by {{GENDER:$2|him|her}}"
    assert plain_text(message) == "the log has $1 entries by him"
    assert plain_text("see [https://example.org the page]") == "see the page"


def test_udhr_aligns_inside_articles():
    documents = read(SAMPLES, "udhr", source="udhr/eng.html", target="udhr/tat.html")
    assert len(documents) == 12  # preamble and articles 1-11
    article = next(document for document in documents if document.id == "card:udhr/tat.html#3")
    assert article.segments[0].source == "Everyone has the right to life, liberty and the security of person."
    assert all(source and target for source, target in segments(documents))
