"""The most similar pair is found as by comparing with every one, and stands in the prompt in the right vocabularies."""

import numpy as np
import pytest
from hydra_models import LANGUAGES, PAIRS, PROMPT, save_bitext, save_models
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_case import pair_card, run_bitext, run_corpus, text_card
from pydantic import ValidationError

from stages.shared.hydra.loading import load_processor
from stages.shared.text_table import read_rows
from stages.shared.translation.memory import Match, TranslationMemory, match_figures, read_memory, show, text_keys
from stages.shared.translation.prompts import Line, make_prompts, segments
from stages.shared.translation.settings import MatchSettings, TranslationSettings
from stages.shared.translation.similar_texts import SimilarTexts
from stages.shared.words import comparable, words

MATCHING = MatchSettings(
    similarity=0.5,
    least_words=2,
    most_words=60,
    match="{source_language}: {match_source}\n{target_language}: {match_target}\n",
)
TEXTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=6).map(" ".join), max_size=15)


def edits(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for number, word in enumerate(one, 1):
        before, row = row, [number]
        for place, second in enumerate(other, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (word != second)))
    return row[-1]


def most_similar(text, texts, least):
    """Compare with every text; return the first of the most similar ones and its similarity."""
    best = None
    for number, other in enumerate(texts):
        mine, its = words(text), words(other)
        longest = max(len(mine), len(its))
        similarity = (longest - edits(mine, its)) / longest if mine and its else 0
        if similarity >= least and (best is None or similarity > best[1]):
            best = (number, similarity)
    return best


@settings(max_examples=40)
@given(TEXTS, TEXTS, st.sampled_from([0.1, 0.34, 0.5, 0.75, 0.99]))
def test_the_index_finds_what_comparing_with_every_text_finds(texts, asked, least):
    index = SimilarTexts(texts, least)
    for text in [*asked, *texts, "a a a x", "x y"]:
        assert index.best(text, np.ones(len(texts), bool)) == most_similar(text, texts, least)


def test_of_real_sentences_too():
    sources = [source for source, _ in PAIRS]
    index = SimilarTexts(sources, 0.3)
    found = {}
    for place, text in enumerate(sources[:40]):
        others = [*sources[:place], "", *sources[place + 1 :]]
        found[place] = index.best(text, np.arange(len(sources)) != place)
        assert found[place] == most_similar(text, others, 0.3)
    assert any(found.values())


def test_what_may_not_be_taken_is_not():
    index = SimilarTexts(["the old house", "the big house"], 0.5)
    both, first, none = (np.array(allowed) for allowed in ([True, True], [True, False], [False, False]))
    assert index.best("The big house!", both) == (1, 1.0)
    assert index.best("the big house", first).number == 0
    assert index.best("the big house", none) is None
    assert index.best("1 2 3", both) is None


def test_no_pair_sees_itself_nor_another_with_its_source_or_its_translation():
    pairs = [
        ("Open the big file", "Зур файлны ач"),
        ("open the big file 2", "Файлны ач"),
        ("Open a big file", "зур файлны ач!"),
        ("Open the old file", "Иске файлны ач"),
    ]
    memory = TranslationMemory(pairs, MATCHING)
    found = memory.find(pairs)
    assert [found[number] for number in (0, 2)] == [Match(*pairs[3], 0.75), Match(*pairs[1], 0.75)]
    assert TranslationMemory(pairs[:3], MATCHING).find(pairs[:1]) == [None]
    real = TranslationMemory(PAIRS, MATCHING)
    matches = real.find(PAIRS)
    assert 0 < match_figures(matches)["matched"] < len(PAIRS)
    for pair, match in zip(PAIRS, matches, strict=True):
        if match:
            assert list(match[:2]) in PAIRS
            assert all(comparable(mine) != comparable(its) for mine, its in zip(pair, match[:2], strict=True))
            assert MATCHING.similarity <= match.similarity < 1


def test_no_held_out_text_of_an_ingested_bitext_is_in_its_memory(tmp_path):
    corpus = run_corpus(tmp_path / "corpus", text_card())
    bitext = run_bitext(tmp_path / "bitext", corpus, pair_card())
    memory = read_memory(bitext, MATCHING)
    held_out = list(read_rows(bitext / "test.parquet", ["source_text", "target_text"]))
    assert len(memory.pairs) > 100
    assert len(held_out) > 5
    for side, keys in enumerate((memory.sources, memory.targets)):
        assert not np.isin(text_keys([pair[side] for pair in held_out]), keys).any()


def test_long_and_short_pairs_are_no_matches(tmp_path):
    save_bitext(tmp_path / "bitext")
    memory = read_memory(tmp_path / "bitext", MATCHING.model_copy(update={"least_words": 3, "most_words": 9}))
    lengths = [len(text.split()) for pair in memory.pairs for text in pair]
    assert (min(lengths), max(lengths)) == (3, 9)
    held_out = {tuple(pair) for pair in PAIRS[200:]} - {tuple(pair) for pair in PAIRS[:200]}
    assert held_out
    assert not held_out & set(memory.pairs)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def processor(folders):
    return load_processor(folders["hydra"])


TEMPLATE = "Translate.\n{source_language}: {text}\n{target_language}:"
MATCH = Match("The house is big", "Йорт зур", 0.75)


def test_the_match_stands_before_the_line_each_side_in_its_own_vocabulary(processor):
    shown = show(MATCH, LANGUAGES, MATCHING)
    ids = processor.encode(segments("The tree is big", LANGUAGES, TEMPLATE, False, shown))
    offset = processor.offset("en")
    places = [place for place, number in enumerate(ids) if number < offset]
    first, last = places[0], places[-1] + 1
    assert places == list(range(first, last))
    texts = [
        processor.tokenizers["en"].decode([number - offset for number in ids[1:first]]),
        processor.tokenizers["tt"].decode(ids[first:last]),
        processor.tokenizers["en"].decode([number - offset for number in ids[last:]]),
    ]
    assert texts == [
        "Translate.\nEnglish: The house is big\nTatar:",
        " Йорт зур",
        "\nEnglish: The tree is big\nTatar:",
    ]


def test_a_plain_model_reads_the_match_as_one_text(folders):
    plain = load_processor(folders["base"])
    shown = show(MATCH, LANGUAGES, MATCHING)
    text = "Translate.\nEnglish: The house is big\nTatar: Йорт зур\nEnglish: The tree is big\nTatar:"
    assert plain.encode(segments("The tree is big", LANGUAGES, TEMPLATE, False, shown)) == plain.encode([("en", text)])


def test_without_a_match_the_prompt_is_the_plain_one(processor):
    assert show(None, LANGUAGES, MATCHING) == show(MATCH, LANGUAGES, None) == ()
    plain = [("en", "Translate.\nEnglish: A tree\nTatar:")]
    assert processor.encode(segments("A tree", LANGUAGES, TEMPLATE, False)) == processor.encode(plain)


def asking(prompt):
    return TranslationSettings(
        prompt=prompt,
        new_tokens_per_token=0.1,
        new_tokens=4,
        limit_step=4,
        batch_tokens=400,
        precision="float32",
        threads=1,
        decoding={"method": "greedy"},
    )


def test_a_match_that_does_not_fit_is_left_out_and_told(processor):
    shown = show(MATCH, LANGUAGES, MATCHING)
    lines = [Line("A big tree"), Line("A big tree", shown), Line("", shown)]
    (plain, matched), flags = make_prompts(lines, processor, 512, LANGUAGES, asking(PROMPT))
    assert flags == [(), (), ("empty",)]
    positions = matched.length - 1
    assert plain.length < positions
    cut, flags = make_prompts(lines, processor, positions, LANGUAGES, asking(PROMPT))
    assert [prompt.ids for prompt in cut] == [plain.ids, plain.ids]
    assert flags == [(), ("without_example",), ("empty",)]


def test_a_special_tokens_name_in_a_match_is_not_shown_where_the_prompt_has_such_tokens(processor):
    special = processor.special_tokens("en")[0]
    shown = show(Match(f"The {special} house", "Йорт", 0.6), LANGUAGES, MATCHING)
    lines = [Line("A big tree", shown)]
    assert make_prompts(lines, processor, None, LANGUAGES, asking(PROMPT))[1] == [()]
    assert make_prompts(lines, processor, None, LANGUAGES, asking(special + PROMPT))[1] == [("without_example",)]


@pytest.mark.parametrize("match", ["{match_source}", "{match_source} {match_target} {text}", "{match_target}{", "{a}"])
def test_a_template_has_the_fields_that_it_must_have(match):
    with pytest.raises(ValidationError, match=r"match_source|brace"):
        MatchSettings(similarity=0.5, least_words=1, most_words=9, match=match)
