"""Each line has its translation, in its place, whatever its neighbours are."""

import pytest
from hydra_case import write_pair

from pipeline.errors import UserError
from stages.shared.decoding.settings import BeamSettings, GreedySettings, MinimumBayesRiskSettings
from stages.shared.hydra.loading import load_translator
from stages.shared.translation.prompts import Line, Prompt, make_batches, make_prompts
from stages.shared.translation.settings import Language, Languages, TranslationSettings
from stages.shared.translation.translate import first_line, translate_lines

ENGLISH, TATAR = (Language(code=code, english_name=name) for code, name in (("en", "English"), ("tt", "Tatar")))
INTO_TATAR = Languages(source=ENGLISH, target=TATAR)
LINES = ["the house", "", "a book is big", "  \t", "the the the house", "бу house", "a " * 60, "the book", "the house"]


def settings(**changes):
    values = {
        "prompt": "{source_language}: {text}\n{target_language}:",
        "new_tokens_per_token": 1.0,
        "new_tokens": 4,
        "limit_step": 4,
        "batch_tokens": 400,
        "precision": "float32",
        "threads": 2,
        "decoding": GreedySettings(method="greedy"),
    }
    return TranslationSettings(**(values | changes))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"), "llama", True)


@pytest.fixture(scope="module")
def loaded(folders):
    return load_translator(folders[2])


@pytest.mark.parametrize(
    "decoding",
    [GreedySettings(method="greedy"), BeamSettings(method="beam", beams=3, length_penalty=0.5, n_best=1)],
    ids=["greedy", "beam"],
)
def test_lines_keep_their_number_and_order_and_do_not_depend_on_their_neighbours(loaded, decoding):
    chosen = settings(decoding=decoding)
    together = translate_lines(*loaded, LINES, INTO_TATAR, chosen)
    assert len(together) == len(LINES)
    assert together[0] == together[-1]
    for line, made in zip(LINES, together, strict=True):
        assert translate_lines(*loaded, [line], INTO_TATAR, chosen) == [made]
        assert "\n" not in made.text
    expected = {1: "empty", 3: "empty", 5: "mixed_script", 6: "too_long"}
    for number, made in enumerate(together):
        assert (expected.get(number) in made.flags) == (number in expected)
        assert not {"empty", "mixed_script", "too_long"} & set(made.flags) - {expected.get(number)}
    assert together[6].text == ""
    assert any(made.text for made in together)


def test_where_the_limit_does_not_fit_it_is_what_is_left_if_that_is_twice_the_line(loaded, capsys):
    text, asked, processor = "the house is big", settings(new_tokens_per_token=6.0), loaded[1]
    tokens = len(processor.encode([("en", text)])) - 1
    (whole,), flags = make_prompts([Line(text)], processor, None, INTO_TATAR, asked)
    assert (whole.limit > 6 * tokens, flags) == (True, [()])
    least = len(whole.ids) + 2 * tokens
    for positions in (whole.length + 1, whole.length, whole.length - 1, least):
        (prompt,), flags = make_prompts([Line(text)], processor, positions, INTO_TATAR, asked)
        assert (prompt.ids, flags) == (whole.ids, [()])
        assert prompt.limit == min(whole.limit, positions - len(whole.ids))
    assert make_prompts([Line(text)], processor, least - 1, INTO_TATAR, asked) == ([], [("too_long",)])
    assert "reading lines: 100%" in capsys.readouterr().err


def test_backwards_only_the_line_is_written_in_its_own_vocabulary(folders):
    processor = load_translator(folders[2])[1]
    processor.swap_head("en")
    text = "бу йорт"
    (prompt,), _ = make_prompts([Line(text)], processor, None, INTO_TATAR.backwards(), settings())
    parts = [("en", "Tatar:"), ("tt", f" {text}"), ("en", "\nEnglish:")]
    assert list(prompt.ids) == processor.encode(parts)
    assert {processor.vocabulary_at(number) for number in processor.encode([("tt", text)])} == {"tt"}
    plain = load_translator(folders[1])[1]
    (prompt,), _ = make_prompts([Line(text)], plain, None, INTO_TATAR.backwards(), settings())
    assert list(prompt.ids) == plain.encode([("tt", f"Tatar: {text}\nEnglish:")])


def test_backwards_a_prompt_of_special_tokens_refuses_the_names_of_both_vocabularies(folders):
    processor = load_translator(folders[2])[1]
    processor.swap_head("en")
    chat = settings(prompt="</s>{text}</s>")
    lines = [
        Line("бу йорт"),
        *(Line(f"бу {token}") for name in ("en", "tt") for token in processor.special_tokens(name)),
    ]
    prompts, flags = make_prompts(lines, processor, None, INTO_TATAR.backwards(), chat)
    assert [prompt.number for prompt in prompts] == [0]
    assert set(flags[1:]) == {("special_token",)}
    end = processor.tokenizers["en"].eos_token_id + processor.offset("en")
    assert prompts[0].ids.count(end) == 2


def test_the_adapted_model_alone_and_the_source_model_translate_as_well(folders):
    for folder in folders[:2]:
        made = translate_lines(*load_translator(folder), LINES, INTO_TATAR, settings())
        assert len(made) == len(LINES)
        assert made[1].flags == ("empty",)


def test_a_language_without_a_vocabulary_is_named(loaded):
    french = Language(code="fr", english_name="French")
    with pytest.raises(UserError, match=r"for French \('fr'\). It has: tt, en, de"):
        translate_lines(*loaded, LINES, Languages(source=french, target=TATAR), settings())
    with pytest.raises(UserError, match="writes with the vocabulary 'tt'"):
        translate_lines(*loaded, LINES, Languages(source=TATAR, target=ENGLISH), settings())


def test_a_special_token_in_a_line_is_text_unless_the_prompt_has_such_tokens(loaded):
    lines = ["the <s> house"]
    (plain,) = translate_lines(*loaded, lines, INTO_TATAR, settings())
    assert "special_token" not in plain.flags
    (marked,) = translate_lines(*loaded, lines, INTO_TATAR, settings(prompt="</s>{text}</s>"))
    assert marked.flags == ("special_token",)


def test_the_model_stops_at_the_end_of_a_line(loaded):
    _, processor = loaded
    ends = {processor.tokenizers["tt"].decode([number]) for number in processor.stop_ids()}
    assert any("\n" in end for end in ends)
    assert {"<s>", "</s>"} <= ends


@pytest.mark.parametrize("first", ["", "\u2028", "\x85", " \u2028\x85 "])
def test_a_line_that_begins_with_another_break_is_not_lost(loaded, first):
    _, processor = loaded
    end = processor.tokenizers["tt"].eos_token_id

    def read(text):
        ids = processor.tokenizers["tt"](text, add_special_tokens=False).input_ids
        return first_line(processor, [*ids, end], processor.stop_ids())

    assert read(f"{first}бу йорт\u2028зур") == ("бу йорт", ())
    assert read(f"{first}\nбу йорт") == ("", ("nothing_written",))


def test_batches_have_one_limit_and_no_more_tokens_than_asked():
    prompts = [Prompt(number, (1,) * (number % 7 + 1), 4 * (number % 3 + 1)) for number in range(50)]
    batches = make_batches(prompts, 60, 2)
    assert sorted(prompt.number for batch in batches for prompt in batch) == list(range(50))
    for batch in batches:
        assert len({prompt.limit for prompt in batch}) == 1
        assert len(batch) == 1 or 2 * len(batch) * max(prompt.length for prompt in batch) <= 60
    assert len(batches) < 40


@pytest.mark.parametrize("prompt", ["{text} {more}", "no text", "{", "{0}"])
def test_a_prompt_has_the_fields_that_it_may_have(prompt):
    with pytest.raises(ValueError, match=r"text|brace"):
        settings(prompt=prompt)


def test_the_next_best_texts_come_with_the_best(loaded):
    (made,) = translate_lines(
        *loaded,
        ["the house"],
        INTO_TATAR,
        settings(decoding=BeamSettings(method="beam", beams=3, length_penalty=0.5, n_best=3)),
    )
    alone = settings(decoding=BeamSettings(method="beam", beams=3, length_penalty=0.5, n_best=1))
    assert translate_lines(*loaded, ["the house"], INTO_TATAR, alone)[0].text == made.text
    assert len(made.others) == 2


def test_minimum_bayes_risk_takes_one_of_the_texts_that_are_drawn(loaded):
    drawn = {"method": "temperature", "seed": 1, "temperature": 1.0}
    decoding = MinimumBayesRiskSettings(method="mbr", candidates=4, sampling=drawn)
    made = translate_lines(*loaded, LINES, INTO_TATAR, settings(decoding=decoding))
    assert len(made) == len(LINES)
    assert all(one.others == () for one in made)
    assert made == translate_lines(*loaded, LINES, INTO_TATAR, settings(decoding=decoding))
