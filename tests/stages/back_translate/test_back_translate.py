"""Clean lines with machine-made sources, by tiny models of this run and pretrained ones, and files."""

import json
import shutil

import pytest
import torch
from hydra_models import EXECUTION, LANGUAGES, PAIRS, PROMPT, save_bitext, save_models
from pydantic import ValidationError
from tiny_translators import save_marian, save_nllb
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from pipeline.errors import UserError
from stages.back_translate.seq2seq import translate_seq2seq
from stages.back_translate.settings import BackTranslateSettings, ModelBackTranslation, Seq2SeqBackTranslation
from stages.back_translate.stage import back_translate, draw_lines
from stages.shared.text_table import read_rows
from stages.shared.translation.prompts import token_limit
from stages.shared.translation.settings import TranslationSettings

SHORT = {"prompt": PROMPT, "new_tokens_per_token": 0.1, "new_tokens": 4, "limit_step": 4, "batch_tokens": 4096}
SHORT |= {"threads": 1, "precision": "float32", "decoding": {"method": "greedy"}}
# A random model ends a text only by chance, so it draws: some lines are whole, some are cut off.
LONG = SHORT | {"new_tokens": 64, "decoding": {"method": "temperature", "temperature": 1.0, "seed": 3}}
DRAWN = {"lines": 8, "seed": 1, "least_words": 3, "most_words": 12}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_bitext(folder / "bitext")
    return save_models(folder) | {"corpus": folder / "corpus"}


def run(given, inputs, out, translation=LONG):
    out.mkdir()
    settings = BackTranslateSettings(back_translation=given, translation=translation, languages=LANGUAGES)
    counts = back_translate(settings, inputs, out, EXECUTION)
    assert counts == json.loads((out / "back_translation.json").read_text())
    return counts, list(read_rows(out / "train.parquet", ["source_text", "target_text"]))


@pytest.mark.parametrize("method", ["base", "hydra"])
def test_a_model_writes_the_sources_of_real_lines(made, tmp_path, method):
    inputs = {"model": made[method], "corpus": made["corpus"]}
    counts, pairs = run(DRAWN | {"method": method}, inputs, tmp_path / "out")
    targets = {target for _, target in PAIRS[:200]}
    assert counts["lines"] == DRAWN["lines"]
    assert 0 < counts["kept"] == len(pairs) <= DRAWN["lines"] - counts["flags"]["unfinished"] < DRAWN["lines"]
    assert all(source.strip() and source != target and target in targets for source, target in pairs)
    assert run(DRAWN | {"method": method}, inputs, tmp_path / "again") == (counts, pairs)


FETCHED = DRAWN | {"model": "someone/model", "revision": "main", "parameters": 1}
SEQ2SEQ = FETCHED | {"method": "seq2seq", "from_code": None, "into_code": None, "prefix": "", "beams": 2}
CODES = {"from_code": "tat_Cyrl", "into_code": "eng_Latn"}


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translators")
    return {"marian": save_marian(folder / "marian"), "nllb": save_nllb(folder / "nllb")}


@pytest.mark.parametrize(("name", "changes"), [("marian", {}), ("nllb", CODES)])
def test_a_sequence_to_sequence_model_writes_the_sources(made, translators, tmp_path, name, changes):
    inputs = {"model": translators[name], "corpus": made["corpus"]}
    counts, pairs = run(SEQ2SEQ | changes, inputs, tmp_path / "out")
    assert counts["lines"] == DRAWN["lines"]
    assert 0 < counts["kept"] == len(pairs) <= DRAWN["lines"] - counts["flags"]["unfinished"] < DRAWN["lines"]
    assert {target for _, target in pairs} <= {target for _, target in PAIRS[:200]}
    assert all(source and "\n" not in source and "</s>" not in source for source, _ in pairs)


def written(folder, lines, **changes):
    given = Seq2SeqBackTranslation(**SEQ2SEQ | changes)
    return translate_seq2seq(lines, folder, given, TranslationSettings(**SHORT), EXECUTION)


def test_it_writes_what_transformers_own_generate_does(translators):
    line = PAIRS[3][1]
    for name, changes in (("marian", {}), ("nllb", CODES)):
        tokenizer = AutoTokenizer.from_pretrained(translators[name])
        model = AutoModelForSeq2SeqLM.from_pretrained(translators[name])
        forced = {}
        if changes:
            tokenizer.src_lang = changes["from_code"]
            forced["forced_bos_token_id"] = tokenizer.convert_tokens_to_ids(changes["into_code"])
        given = tokenizer(line, return_tensors="pt")
        limit = token_limit(given.input_ids.shape[1], TranslationSettings(**SHORT))
        ids = model.generate(**given, num_beams=2, max_new_tokens=limit, do_sample=False, **forced)
        expected = " ".join(tokenizer.decode(ids[0], skip_special_tokens=True).split())
        assert expected
        # Shorter and longer neighbours do not matter.
        assert written(translators[name], ["Йорт", line, f"{line} {line}"], **changes)[1].text == expected


def test_pickled_weights_do_as_well(translators, tmp_path):
    folder = shutil.copytree(translators["marian"], tmp_path / "pickled")
    torch.save(AutoModelForSeq2SeqLM.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    lines = [target for _, target in PAIRS[:3]]
    assert written(folder, lines) == written(translators["marian"], lines)


def test_the_languages_decide_what_is_written(translators):
    lines = [target for _, target in PAIRS[:6]]
    there = written(translators["nllb"], lines, **CODES)
    back = written(translators["nllb"], lines, from_code="eng_Latn", into_code="tat_Cyrl")
    assert [one.text for one in there] != [one.text for one in back]
    prefixed = written(translators["marian"], lines, prefix="English: ")
    assert [one.text for one in prefixed] != [one.text for one in written(translators["marian"], lines)]


def test_a_line_that_does_not_fit_is_left_out(translators):
    long, short = written(translators["marian"], ["йорт " * 200, PAIRS[0][1]])
    assert (long.text, long.flags) == ("", ("too_long",))
    assert short.text


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("nllb", {}, "translates between many languages: name two"),
        ("nllb", CODES | {"into_code": "en"}, "back_translation.into_code=en: the model has no such language code"),
        ("nllb", CODES | {"from_code": "йорт"}, "back_translation.from_code=йорт: the model has no such"),
        ("marian", CODES, "has no language codes; leave from_code and into_code out"),
    ],
)
def test_wrong_language_codes_are_told(translators, name, changes, said):
    with pytest.raises(UserError, match=said):
        written(translators[name], ["йорт"], **changes)


def test_one_code_without_the_other_is_refused():
    with pytest.raises(ValidationError, match="from_code and into_code go together"):
        Seq2SeqBackTranslation(**SEQ2SEQ | {"from_code": "tat_Cyrl"})


def test_a_causal_model_is_asked_with_its_own_prompt(made, tmp_path):
    inputs = {"model": made["base"], "corpus": made["corpus"]}
    given = FETCHED | {"method": "causal", "prompt": PROMPT}
    same = run(given, inputs, tmp_path / "same")
    assert same == run(DRAWN | {"method": "base"}, inputs, tmp_path / "base")
    assert run(given | {"prompt": "{text}:"}, inputs, tmp_path / "other") != same


def test_files_give_their_pairs_without_copies_and_gaps(tmp_path):
    for name, lines in (("source", ["A house", "", "Йорт бар"]), ("target", ["Йорт", "Китап", "йорт  бар"])):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {"method": "file", "source": {"path": tmp_path / "source"}, "target": {"path": tmp_path / "target"}}
    counts, pairs = run(given, {}, tmp_path / "out", None)
    assert pairs == [("A house", "Йорт")]
    assert (counts["lines"], counts["kept"]) == (3, 1)
    (tmp_path / "source").write_text("Йорт\nКитап\nйорт бар\n", encoding="utf-8")
    with pytest.raises(UserError, match="none of 3 lines has a translation"):
        run(given, {}, tmp_path / "none", None)


def test_lines_are_drawn_by_the_seed_whatever_their_order():
    given = ModelBackTranslation(method="base", lines=5, seed=1, least_words=2, most_words=9)
    lines = [target for _, target in PAIRS]
    drawn = draw_lines(lines, given)
    assert drawn == draw_lines([*lines[::-1], *lines], given)
    assert drawn != draw_lines(lines, given.model_copy(update={"seed": 2}))
    assert len(drawn) == 5
    assert all(2 <= len(line.split()) <= 9 for line in drawn)
    with pytest.raises(ValidationError, match="most_words=1 is less than least_words=2"):
        ModelBackTranslation(method="base", lines=5, seed=1, least_words=2, most_words=1)
