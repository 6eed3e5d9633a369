"""Rules that rewrite: mojibake, script, C4's lines."""

import ftfy
import pytest
from curation_case import DATA, DUTCH, TATAR, batch, language, one, pages, settings
from ftfy.badness import is_bad
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stages.shared.curation.batch import Batch
from stages.shared.curation.mojibake import suspects
from stages.shared.language_identification import letters, script_share
from stages.shared.normalisation import normalise

REAL = [line for name in ("dutch", "tatar") for page in pages(name) for line in page.split("\n")]
REAL += [line.split("\t")[1] for line in (DATA / "curation" / "languages.tsv").read_text("utf-8").splitlines()]


def garbled(line, encoding):
    """Return a line as it looks where its UTF-8 was read with another encoding; sloppily, as browsers do."""
    return line.encode().decode(f"sloppy-{encoding}" if encoding.startswith("windows") else encoding)


@pytest.mark.parametrize("encoding", ["windows-1252", "windows-1251", "latin-1", "macroman"])
def test_lines_that_ftfy_would_mend_are_suspects(encoding):
    missed = []
    for line in REAL:
        wrong = garbled(line, encoding).replace("\n", " ")
        if is_bad(wrong) and not len(suspects(batch(wrong))):
            missed.append(wrong)
    assert not missed


@hypothesis_settings(deadline=None)
@given(st.text("aZ ÂÃœàé€™“”вЂГўС¡©°ΒΞ├±√‚Äâ\x80\xa0 ,.", max_size=12))
def test_nothing_bad_is_passed_over(text):
    if any(is_bad(line) for line in text.split("\n")):
        assert len(suspects(batch(text)))


def test_garbled_lines_are_mended_and_others_left_alone():
    clean = "Dit is één regel – met een “citaat”.\nEn één gewone regel, geïllustreerd."
    wrong = garbled(clean.split("\n")[0], "windows-1252")
    found = one("mojibake", [wrong + "\n" + clean, clean])
    assert found.texts == [ftfy.fix_encoding(wrong) + "\n" + clean, clean]
    assert found.counts["mojibake"] == {"lines_repaired": 1}
    assert found.texts[0].split("\n")[0] == clean.split("\n")[0]


def test_real_text_is_not_changed():
    found = one("mojibake", pages("dutch") + pages("tatar"))
    assert found.texts == pages("dutch") + pages("tatar")


@pytest.mark.parametrize("language", [DUTCH, TATAR])
def test_lines_stay_by_the_script_share(language):
    lines = [*REAL, "12 345", "Bestand — файл", "файл ә"]
    found = one("script", ["\n".join(lines)], language)
    kept = [line for line in lines if letters(line) and script_share(line, language.script) >= 0.5]
    assert found.texts[0].split("\n") == kept
    counts = found.counts["script"]
    assert counts["lines_without_letters"] == 1
    assert counts.total() == len(lines) - len(kept)


def test_a_document_in_another_script_goes():
    found = one("script", pages("tatar")[:3] + pages("dutch")[:1])
    assert found.checks == ["no_line_left"] * 3 + [None]
    assert found.scores["script.share"][3] == 1


PROSE = "Dit is een gewone zin van genoeg woorden."


def c4(text, **changed):
    found = one("c4", [text], **({"min_sentences": 1} | changed))
    return found.texts[0], found.checks[0], dict(found.counts["c4"])


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Geen teken aan het eind", "lines_no_terminal_mark"),
        ("De zin breekt af...", "lines_no_terminal_mark"),
        ("Twee woorden.", "lines_few_words"),
        ("Zet JavaScript aan om verder te gaan.", "lines_line_phrase"),
        ("Deze site maakt gebruik van cookies voor u.", "lines_line_phrase"),
        (f"Een {'l' * 1001} woord is dit.", "lines_long_word"),
    ],
)
def test_c4_drops_lines(line, count):
    assert c4(f"{PROSE}\n{line}\n{PROSE}") == (f"{PROSE}\n{PROSE}", None, {count: 1})


@pytest.mark.parametrize("line", ["Lorem ipsum dolor sit amet.", "Hier begint code { en meer."])
def test_c4_drops_documents_with_phrases_of_placeholders_and_code(line):
    assert c4(f"{PROSE}\n{line}")[1] == "document_phrase"
    assert c4(f"{PROSE}\n{line}", document_phrases=())[1] is None
    assert c4(f"{PROSE}\n{line[:-1]}")[1] is None  # the line is gone for want of a mark


def test_c4_wants_sentences():
    text = "Een zin is dit! En nog een “zin.” Is dit de derde? Ja."
    assert c4(text, min_sentences=4)[1] is None
    assert c4(text, min_sentences=5)[1] == "min_sentences"
    assert c4("Zonder teken aan het eind", terminal_marks="", min_sentences=1)[1] is None


@pytest.mark.parametrize(
    ("code", "line", "sentences"),
    [
        ("de", "Er sagte: „Ich komme morgen ganz sicher wieder.“", 1),
        ("de", "„Kommst du wirklich?“ Sie nickte und sagte: ‚Vielleicht.‘", 2),
        ("de", "Das Schild sagte nur: »Bitte nicht ›Halt!‹", 1),
        ("da", "Han sagde stille: »Jeg kommer i morgen.«", 1),
        ("cs", "„Přijdu zítra!“ řekl a šel domů.", 2),
        ("hr", "Rekao je: „Vraćam se sutra ujutro.“", 1),
        ("bg", "Той каза: „Утре пак ще дойда.“", 1),
        ("et", "Ta ütles: „Ma tulen homme tagasi.“", 1),
        ("lt", "Jis pasakė: „Rytoj vėl ateisiu.“", 1),
        ("el", "Τι ώρα είναι τώρα\u037e", 1),
        ("el", "Πού πας\u037e Πότε θα γυρίσεις στο σπίτι\u037e", 2),
        ("hy", "Ես ապրում եմ Երևանում: Նա ապրում է Գյումրիում:", 2),
    ],
)
def test_c4_knows_how_sentences_end(code, line, sentences):
    found = one("c4", [normalise(line)], language(code), min_sentences=sentences)
    assert (found.texts[0], found.checks[0]) == (normalise(line), None)
    assert found.scores["c4.sentences"][0] == sentences


def test_c4_knows_whose_mark_it_is():
    assert c4("Dit is een opsomming van dingen;")[1] == c4("Dit zijn de dingen:")[1] == "no_line_left"


def test_c4_takes_citations_out():
    text = "Dat staat er [12] zo in [citation needed] geschreven."
    assert c4(text) == ("Dat staat er zo in geschreven.", None, {"citations": 2})
    assert c4(text, remove_citations=False)[0] == text


def test_settings_of_a_rule_are_those_of_the_preset():
    assert settings("c4").document_phrases == ("lorem ipsum", "{")
    assert isinstance(batch("a"), Batch)
