"""Which lines are translated, and what systems without a model make of them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import UserError
from stages.evaluate_translation.baselines import outputs_from_files, random_in_distribution
from stages.evaluate_translation.line_sets import LineSet, Selection, SetLine, TrainingText, read_lines, select
from stages.evaluate_translation.output_facts import language_share, output_facts, repetition
from stages.evaluate_translation.settings import FilesSet, HeldOutSet, TableSet, TranslationScoringSettings
from stages.shared.text_lines import TextFile
from stages.shared.text_settings import LanguageSettings
from stages.shared.text_table import PAIR, write_rows

TATAR = LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en")
PAIRS = [tuple(line.split("\t")) for line in Path("tests/data/en-tt.tsv").read_text(encoding="utf-8").splitlines()]
LINES = [SetLine(*pair, f"line {number}") for number, pair in enumerate(PAIRS)]
ANY = Selection(lines=1000, seed=1, script="Cyrl", script_share=0.5, least_words=4)


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {"path": path}


def own_set(references):
    """Return a set of such references, each line of an origin of its own."""
    names = [f"line {number}" for number in range(len(references))]
    return LineSet("own", names, references, names, {})


def scoring(tmp_path, **changes):
    values = {"sets": {"own": {"kind": "held_out", "least_words": 2}}, "only": None, "lines": 9, "script_share": 0.5}
    values |= {"least_words": 4, "seed": 1, "bootstrap_samples": 10, "confidence": 0.9, "outputs": {}}
    return TranslationScoringSettings.model_validate(values | changes)


def test_held_out_pairs_are_lines_of_some_words(tmp_path):
    rows = [("1", "g", "c", "One house\nTwo trees", "Een huis\nTwee bomen"), ("2", "h", "c", "Open\nit now", "Nu open")]
    write_rows(tmp_path / "test.parquet", PAIR, [*rows, ("3", "h", "c", "House", "Huis")])
    found = read_lines(HeldOutSet(kind="held_out", least_words=2), tmp_path)
    assert found == [("One house", "Een huis", "g"), ("Two trees", "Twee bomen", "g"), ("Open it now", "Nu open", "h")]


def test_files_give_every_second_line_and_must_fit_together(tmp_path):
    values = {"kind": "files", "source": write(tmp_path / "s", "a", "b", "c"), "target": write(tmp_path / "t", *"xyz")}
    values["passage_lines"] = 2
    assert read_lines(FilesSet(**values, lines="even"), tmp_path) == [("b", "y", "passage 1")]
    assert read_lines(FilesSet(**values, lines="odd"), tmp_path) == [("a", "x", "passage 1"), ("c", "z", "passage 2")]
    short = values | {"target": write(tmp_path / "short", "x")}
    with pytest.raises(UserError, match=r"s has 3 lines, .*short 1: "):
        read_lines(FilesSet(**short, lines="all"), tmp_path)


def test_a_table_is_source_and_target_whatever_follows(tmp_path):
    table = TableSet(kind="table", file=write(tmp_path / "t.tsv", "a\tb\ttat", "c\td"))
    assert read_lines(table, tmp_path) == [("a", "b", "line 1"), ("c", "d", "line 2")]
    with pytest.raises(UserError, match="line 2: no tab"):
        read_lines(TableSet(kind="table", file=write(tmp_path / "u.tsv", "a\tb", "c")), tmp_path)


def test_what_is_left_out_is_counted_and_the_rest_keeps_its_order(tmp_path):
    trained = "Башка сүзләр. Бу җөмлә өйрәнү текстында бар."
    write_rows(tmp_path / "train.parquet", ("id", "group", "card", "text"), [("1", "g", "c", trained)])
    pairs = [("One", "Бер йорт"), ("One", "Бер  йорт"), ("Two", "Ike yort"), ("", "Өч"), ("Four", "Дүрт йорт")]
    pairs.append(("Five", "бу җөмлә өйрәнү текстында бар"))
    lines = [SetLine(*pair, group) for pair, group in zip(pairs, "abcdef", strict=True)]
    found = select("own", lines, TrainingText({tmp_path / "train.parquet": "text"}), ANY)
    assert (found.sources, found.references) == (["One", "Four"], ["Бер йорт", "Дүрт йорт"])
    assert found.groups == ["a", "e"]
    assert found.counts == {
        "pairs": 6,
        "empty_or_repeated": 2,
        "other_script": 1,
        "in_training_text": 1,
        "short_in_training_text": 0,
        "not_drawn": 0,
    }


def test_a_source_that_was_learnt_with_another_translation_is_no_test(tmp_path):
    learnt = ("1", "g", "c", "One house is big enough", "Бер йорт җитәрлек зур")
    write_rows(tmp_path / "train.parquet", PAIR, [learnt])
    pairs = [("One house is big enough.", "Бер өй дә бик җитә", "g"), ("Two of them", "Аларның икесе", "g")]
    table = tmp_path / "train.parquet"
    found = select(
        "own", [SetLine(*pair) for pair in pairs], TrainingText({table: "target_text"}, {table: "source_text"}), ANY
    )
    assert (found.sources, found.counts["in_training_text"]) == (["Two of them"], 1)


def test_a_short_line_that_was_learnt_whole_is_no_test_but_one_that_shares_a_short_sentence_is(tmp_path):
    write_rows(tmp_path / "corpus.parquet", ("text",), [("Бу җөмлә бар. Мин белмим!",)])
    write_rows(tmp_path / "pairs.parquet", ("source_text", "target_text"), [("Thank you.", "Рәхмәт сезгә")])
    targets = {tmp_path / "corpus.parquet": "text", tmp_path / "pairs.parquet": "target_text"}
    trained_on = TrainingText(targets, {tmp_path / "pairs.parquet": "source_text"})
    pairs = [("I don't know.", "мин белмим"), ("thank you", "Рәхмәт"), ("Thanks", "Рәхмәт сезгә."), ("1", "2 йорт")]
    pairs += [("I don't know. Ask him.", "Мин белмим. Аннан сора."), ("Who knows?", "Кем белә?")]
    found = select("own", [SetLine(*pair, "g") for pair in pairs], trained_on, ANY)
    assert found.sources == ["1", "I don't know. Ask him.", "Who knows?"]
    assert (found.counts["in_training_text"], found.counts["short_in_training_text"]) == (0, 3)


def test_the_lines_drawn_depend_on_the_seed_alone():
    first = select("own", LINES, TrainingText({}), Selection(20, 1, "Cyrl", 0.5, 4))
    other = select("own", LINES[::-1], TrainingText({}), Selection(20, 1, "Cyrl", 0.5, 4))
    assert len(first.sources) == 20
    assert set(first.sources) == set(other.sources)
    assert first.sources != select("own", LINES, TrainingText({}), Selection(20, 2, "Cyrl", 0.5, 4)).sources
    places = [PAIRS.index(pair) for pair in zip(first.sources, first.references, strict=True)]
    assert places == sorted(places)


def test_a_set_without_a_line_is_an_error():
    with pytest.raises(UserError, match="test set 'own' has no line left"):
        select("own", [SetLine("Two", "Ike yort", "g")], TrainingText({}), ANY)


@given(st.integers(2, 30), st.integers(0, 5))
def test_random_references_are_all_of_them_and_never_the_own(count, seed):
    lines = own_set([f"ref {n}" for n in range(count)])
    output = random_in_distribution(lines, seed)
    assert sorted(output) == sorted(lines.references)
    assert all(mine != own for mine, own in zip(output, lines.references, strict=True))


@given(
    st.lists(st.sampled_from("stu"), min_size=2, max_size=12).filter(lambda texts: len(set(texts)) > 1),
    st.integers(0, 5),
)
def test_random_references_are_never_the_own_text_where_some_come_twice(references, seed):
    output = random_in_distribution(own_set(references), seed)
    assert all(mine != own for mine, own in zip(output, references, strict=True))


def test_a_single_line_has_no_random_reference():
    for references in (["x"], ["x", "x"]):
        with pytest.raises(ValueError, match="'own' has one reference alone"):
            random_in_distribution(own_set(references), 1)


def test_outputs_from_files_have_a_line_for_each_line(tmp_path):
    sets = {"own": own_set(["x", "y"])}
    good, bad = TextFile(**write(tmp_path / "good", "q", "")), TextFile(**write(tmp_path / "bad", "q"))
    assert outputs_from_files({"google": {"own": good}}, sets) == {("own", "google"): ["q", ""]}
    with pytest.raises(UserError, match=r"bad has 1 lines, test set 'own' has 2: translate .*sets/own.source.txt"):
        outputs_from_files({"google": {"own": bad}}, sets)


def test_an_optional_set_whose_file_is_not_there_is_left_out_and_another_refused(tmp_path):
    missing = {"kind": "table", "file": {"path": str(tmp_path / "no.tsv")}}
    own = {"kind": "held_out", "least_words": 2}
    assert list(scoring(tmp_path, sets={"own": own, "tatoeba": missing | {"optional": True}}).sets) == ["own"]
    with pytest.raises(ValidationError, match=r"no\.tsv is not a file"):
        scoring(tmp_path, sets={"own": own, "tatoeba": missing})
    assert list(scoring(tmp_path, sets={"own": own, "tatoeba": missing}, only=["own"]).sets) == ["own"]
    with pytest.raises(ValidationError, match="only: no test set is called 'oun'; own are"):
        scoring(tmp_path, only=["oun"])
    with pytest.raises(ValidationError, match="needs a test set"):
        scoring(tmp_path, sets={"tatoeba": missing | {"optional": True}})


def test_settings_come_back_as_the_worker_reads_them(tmp_path):
    table = {"kind": "table", "file": write(tmp_path / "t.tsv", "a\tb"), "optional": True}
    settings = scoring(tmp_path, sets={"tatoeba": table}, outputs={"google": {"tatoeba": write(tmp_path / "g", "x")}})
    again = TranslationScoringSettings.model_validate(json.loads(json.dumps(settings.model_dump(mode="json"))))
    assert again == settings
    with pytest.raises(ValidationError, match="no test set is called 'flores'"):
        scoring(tmp_path, outputs={"google": {"flores": write(tmp_path / "g", "x")}})
    for name in ("copy", "hydra"):
        with pytest.raises(ValidationError, match=f"outputs.{name}: the name is taken by a system of the table"):
            scoring(tmp_path, outputs={name: {}})


def test_facts_tell_real_tatar_from_copies_loops_and_nothing():
    sources, references = ([pair[side] for pair in PAIRS[:120]] for side in (0, 1))
    tatar = output_facts(references, sources, references, TATAR)
    assert tatar["length_ratio"] == 1
    assert tatar["language_share"] > 0.8
    assert tatar["script_share"] > 0.7
    assert tatar["copied"] < 0.05
    copies = output_facts(sources, sources, references, TATAR)
    assert copies["copied"] == 1
    assert copies["language_share"] == 0
    loops = output_facts(["йорт бар йорт бар йорт бар"] * 120, sources, references, TATAR)
    assert loops["repetition"] == 0.5
    nothing = output_facts([""] * 120, sources, references, TATAR)
    assert (nothing["empty"], nothing["length_ratio"], nothing["language_share"]) == (1, 0, None)


def test_too_little_text_has_no_language():
    assert language_share(["Бу кыска."], "tt") is None
    assert language_share(["Бу кыска."] * 40, "no such language") is None
    assert repetition([]) == 0
