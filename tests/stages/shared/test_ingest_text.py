"""Normalisation, split, overlap, cleaning and documents, as properties."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.cleaning import Cleaner
from stages.shared.deduplication import Seen, fingerprint
from stages.shared.documents import Document, Segment, cut
from stages.shared.language_identification import LanguageJudge, script_share
from stages.shared.normalisation import normalise
from stages.shared.overlap import GRAM_WORDS, SentenceIndex
from stages.shared.split import SPLITS, split_of
from stages.shared.tally import Tally
from stages.shared.text_settings import CleaningSettings, LanguageSettings, SplitSettings
from stages.shared.words import comparable

NAMES = st.text(min_size=1, max_size=30)
WORDS = st.lists(st.text("abcdeéëәөү", min_size=1, max_size=6), min_size=1, max_size=30)
DUTCH = LanguageSettings(name="dutch", english_name="Dutch", code="nl", script="Latn", source_code="en")
CLEANING = CleaningSettings(
    script_share=0.5,
    language_letters=40,
    language_threshold=0.8,
)


@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(), st.sampled_from(["&amp;", "&amp;lt;b>", "<b>", "<br/>", "<<b>b>", "\u2581", "\x00", "\ud800"]))
def test_normalised_text_is_clean(text, dirt):
    clean = normalise(text + dirt + text)
    assert clean == unicodedata.normalize("NFC", clean)
    assert "\u2581" not in clean
    assert "\n" not in clean
    assert "  " not in clean
    assert clean == clean.strip()
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in clean)
    clean.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vul <number> in en klik op <b>OK</b>.", "Vul <number> in en klik op OK."),
        ("eerste<br>tweede", "eerste tweede"),
        ("R&D &amp; verkoop", "R&D & verkoop"),
        ("als a < b en c > d", "als a < b en c > d"),
        ("cafe\u0301\u00ad", "café"),
        ("नमस्\u200dते", "नमस्\u200dते"),
    ],
)
def test_normalisation_by_example(text, expected):
    assert normalise(text) == expected


@given(NAMES, st.integers(0, 1000), st.floats(0, 0.45), st.floats(0, 0.45))
def test_split_depends_on_seed_and_name_only(group, seed, validation, test):
    split = SplitSettings(seed=seed, validation_share=validation, test_share=test)
    assert split_of(group, split) == split_of(group, split) in SPLITS


@given(NAMES, st.integers(0, 1000), st.floats(0.01, 0.4))
def test_a_larger_test_share_takes_no_group_out_of_test(group, seed, test):
    small = SplitSettings(seed=seed, validation_share=0.1, test_share=test)
    large = SplitSettings(seed=seed, validation_share=0.1, test_share=test + 0.1)
    assert split_of(group, small) != "test" or split_of(group, large) == "test"


def test_shares_hold_over_many_groups():
    split = SplitSettings(seed=1, validation_share=0.1, test_share=0.2)
    found = [split_of(f"page {number}", split) for number in range(5000)]
    assert found.count("test") / 5000 == pytest.approx(0.2, abs=0.02)
    assert found.count("validation") / 5000 == pytest.approx(0.1, abs=0.02)


def test_shares_that_leave_no_training_text():
    with pytest.raises(ValueError, match="leave nothing for training"):
        SplitSettings(seed=1, validation_share=0.5, test_share=0.5)


@settings(deadline=None)  # the first use builds tables
@given(WORDS)
def test_a_line_overlaps_with_itself_whatever_its_case_and_punctuation(words):
    index = SentenceIndex([" ".join(words)])
    assert index.overlaps("  1. " + ", ".join(words).upper().lower() + "!!")


@settings(deadline=None)  # the first use builds tables
@given(WORDS, WORDS, WORDS)
def test_thirteen_words_in_a_row_overlap(before, middle, after):
    middle = (middle * GRAM_WORDS)[:GRAM_WORDS]
    index = SentenceIndex([" ".join(["begin", *middle, "eind"])])
    assert index.overlaps(" ".join([*before, *middle, *after]))


@settings(deadline=None)  # the first use builds tables
@given(st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=5))
def test_overlap_is_symmetric(first, second):
    first, second = ([" ".join(words) for words in lines] for lines in (first, second))
    there = any(map(SentenceIndex(first).overlaps, second))
    back = any(map(SentenceIndex(second).overlaps, first))
    assert there == back
    assert there == any(map(SentenceIndex(first).restricted_to(second).overlaps, first))


def test_a_sentence_inside_a_line_overlaps():
    index = SentenceIndex(["Kies een bestand. Klik daarna op de knop om verder te gaan."])
    assert index.overlaps("Klik daarna op de knop om verder te gaan.")
    assert index.overlaps("Let op: dit duurt even. Kies een bestand!")
    assert not index.overlaps("Kies een ander bestand.")
    assert not SentenceIndex(["12,5 %"]).overlaps("7 %")


@given(st.text(), st.text())
def test_comparable_ignores_what_normalisation_changes(first, second):
    text = f"{first} {second}"
    if "&" not in text and "<" not in text:
        assert comparable(text.replace("\u2581", "_")) == comparable(" ".join(text.split()).replace("\u2581", "_"))


@given(st.lists(st.text("ab", max_size=40), max_size=40), st.integers(1, 60))
def test_cutting_loses_nothing(texts, size):
    segments = tuple(Segment("", text) for text in texts)
    parts = list(cut(Document("a", "g", segments), size))
    assert tuple(segment for part in parts for segment in part.segments) == segments
    assert {part.group for part in parts} <= {"g"}


def test_fingerprints_know_where_one_text_ends():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    seen = Seen()
    assert [seen.times("a", "b") for _ in range(3)] == [0, 1, 2]


def test_a_tally_that_loses_one_is_an_error():
    tally = Tally()
    tally.keep()
    tally.drop("short")
    tally.check("lines")
    tally.read += 1
    with pytest.raises(RuntimeError, match="3 read, but 1 kept and 1 dropped"):
        tally.check("lines")


def test_script_share():
    assert script_share("Әлифба", "Cyrl") == 1
    assert script_share("abcд", "Cyrl") == 0.25
    assert script_share("12", "Latn") == 0
    with pytest.raises(ValueError, match="not a script"):
        script_share("é", "Zzyy")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Bestand opslaan", None),
        ("Save", None),  # a message is too short to be judged
        ("The latest version is downloaded and ready to be installed on your computer.", "language"),
        ("Ничек файлларны уйнатырга", "script"),
        ("12 %", "no_letters"),
        ("", "empty"),
    ],
)
def test_judging_lines(line, reason):
    assert Cleaner(CLEANING, DUTCH).line(line) == reason


def test_messages_are_judged_together():
    cleaner = Cleaner(CLEANING, DUTCH)
    english = ["A testing setting is enabled", "Would you like to sign in?", "Explore add-ons", "Finish your setup"]
    assert [cleaner.line(message) for message in english] == [None] * 4
    assert cleaner.document(english) == "language"


def test_a_language_that_lid_176_does_not_know_is_not_judged():
    assert not LanguageJudge("xx", 0.1, 1).other("The latest version is downloaded and ready to be installed.")
    unknown = LanguageSettings(name="x", english_name="X", code="xx", script="Latn", source_code="en")
    assert "lid.176 does not know 'xx'" in Cleaner(CLEANING, unknown).notes[0]
