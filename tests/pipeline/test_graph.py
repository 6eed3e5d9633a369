import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.sources import current_lock


def planned(config):
    return graph.adapt(config, current_lock(config))


def test_a_setting_re_makes_only_what_depends_on_it():
    base = {step.name: step for step in planned(load_config(["language=dutch"]))}
    changed = {step.name: step for step in planned(load_config(["language=dutch", "mapping=mean"]))}
    english = {"held_out_source", "replay_corpus"}  # watched on another text, as there is no bitext
    differ = {name for name in changed.keys() - english if base[name].fingerprint != changed[name].fingerprint}
    assert differ == {"initialized_model", "adapted_model", "evaluation_mapped", "evaluation_adapted", "report"}


def test_a_warm_up_reads_the_corpus_and_its_settings_count_only_with_it():
    plans = {
        name: {step.name: step for step in planned(load_config(["language=dutch", "mapping=mean", *overrides]))}
        for name, overrides in {
            "none": [],
            "other": ["distillation.tokens=99"],
            "distill": ["mapping.warmup=distill"],
            "distill other": ["mapping.warmup=distill", "distillation.tokens=99"],
        }.items()
    }
    models = {name: plan["initialized_model"] for name, plan in plans.items()}
    assert "corpus" in models["distill"].inputs
    assert "corpus" not in models["none"].inputs
    assert models["none"].fingerprint == models["other"].fingerprint
    assert len({models[name].fingerprint for name in ("none", "distill", "distill other")}) == 3
    assert len({plan["random_model"].fingerprint for plan in plans.values()}) == 1
    with pytest.raises(UserError, match=r"mapping\.warmup='distil'"):
        load_config(["language=dutch", "mapping.warmup=distil"])


def test_vectors_are_planned_where_the_mapping_needs_them(tmp_path):
    (tmp_path / "dictionary.tsv").write_text("house\thuis\n")
    given = ["language=dutch", "mapping=wechsel", "dictionary=file", f"dictionary.path={tmp_path / 'dictionary.tsv'}"]
    plans = {
        name: {step.name: step for step in planned(load_config(overrides))}
        for name, overrides in {
            "focus": ["language=dutch", "mapping=focus"],
            "omp": ["language=dutch", "mapping=omp"],
            "wechsel": given,
            "mean": ["language=dutch", "mapping=mean"],
        }.items()
    }
    names = ("bitext", "token_vectors", "source_vectors", "target_vectors")
    assert {name: [part for part in names if part in plan] for name, plan in plans.items()} == {
        "focus": ["token_vectors"],
        "omp": ["token_vectors"],
        "wechsel": ["bitext", "source_vectors", "target_vectors"],
        "mean": [],
    }
    assert plans["focus"]["token_vectors"].fingerprint == plans["omp"]["token_vectors"].fingerprint
    assert plans["wechsel"]["source_vectors"].inputs.keys() == {"bitext", "tokenizer"}
    before = plans["wechsel"]["initialized_model"]
    assert str(tmp_path) not in str(before.recipe)
    (tmp_path / "dictionary.tsv").write_text("house\thuis\nboat\tboot\n")
    after = {step.name: step for step in planned(load_config(given))}["initialized_model"]
    assert before.fingerprint != after.fingerprint


def test_a_mapping_without_alignment_needs_no_bitext():
    config = load_config(["language=dutch", "mapping=subtoken_mean", "bitext.cards=[]"])
    assert not {"bitext", "alignment"} & {step.name for step in planned(config)}
    with pytest.raises(UserError, match="mapping=subtoken_mean"):
        load_config(["language=dutch", "bitext.cards=[]"])


def test_a_dictionary_is_planned_where_there_is_one_and_it_is_used(tmp_path):
    words = tmp_path / "words.tsv"
    words.write_text("house\thuis\n")
    own = ["dictionary=file", f"dictionary.path={words}"]
    for given, expected in (
        (["language=dutch"], True),
        (["language=tatar"], False),
        (["language=tatar", *own], True),
        (["language=dutch", "dictionary=none"], False),
        (["language=dutch", "mapping=mean"], False),
    ):
        steps = {step.name: step for step in planned(load_config(given))}
        assert ("dictionary" in steps) is expected, given
        assert "alignment" not in steps or ("dictionary" in steps["alignment"].inputs) is expected
    with pytest.raises(UserError, match=r"dictionary=file needs the dictionary: dictionary.path=FILE.tsv"):
        load_config(["language=dutch", "dictionary=file"])
    with pytest.raises(UserError, match=r"data card udhr is parallel; remove it from dictionary.cards"):
        planned(load_config(["language=dutch", "dictionary.cards=[udhr]"]))


def test_pivots_are_planned_where_they_are_chosen_and_change_nothing_else(tmp_path):
    def steps(*overrides):
        return {step.name: step for step in planned(load_config(["language=tatar", *overrides]))}

    alone, both = steps(), steps("pivots=packaged")
    assert both.keys() - alone.keys() == {"bitext_ru", "alignment_ru"}
    differ = {name for name in alone if alone[name].fingerprint != both[name].fingerprint}
    assert differ == {"initialized_model", "adapted_model", "evaluation_mapped", "evaluation_adapted", "report"}
    assert both["initialized_model"].inputs.keys() - alone["initialized_model"].inputs.keys() == {"alignment_ru"}
    assert both["bitext_ru"].inputs.keys() == {"corpus", "bitext"}
    assert both["alignment_ru"].inputs["bitext"] is both["bitext_ru"]
    assert both["bitext_ru"].settings.language.source_code == "ru"
    assert {card.languages for card in both["bitext_ru"].settings.cards} == {("ru", "tt")}
    given = "+pivots.cards.ru=[udhr]", "+pivots.cards.tr=[udhr]"
    orders = [steps(*given), steps(*reversed(given))]
    assert orders[0]["initialized_model"].fingerprint == orders[1]["initialized_model"].fingerprint
    assert "bitext_ru" not in steps("pivots=packaged", "mapping=subtoken_mean")
    (tmp_path / "table.tsv").write_text("house\tөй\t-0.1\t12\n")
    with pytest.raises(UserError, match=r"pivots.cards: .*needs an aligner, and alignment=table has none"):
        steps("pivots=packaged", "alignment=table", f"alignment.path={tmp_path / 'table.tsv'}", "mapping=aligned")


def test_only_pairs_are_bitext():
    with pytest.raises(UserError, match="data card sample_text is monolingual; a bitext takes parallel ones"):
        planned(load_config(["language=dutch", "bitext.cards=[sample_text]"]))


def test_the_place_of_a_local_file_is_no_part_of_the_recipe(tmp_path):
    names = []
    for name in ("one", "other"):
        table = tmp_path / name / "table.tsv"
        table.parent.mkdir()
        table.write_text("huis\thouse\t-1\t20\n")
        steps = planned(load_config(["language=dutch", "alignment=table", f"alignment.path={table}"]))
        names.append([step.fingerprint for step in steps])
    assert names[0] == names[1]


def test_a_random_model_depends_on_its_text_and_not_on_where_it_is(tmp_path):
    def fingerprints(name, content):
        text = tmp_path / name
        text.write_text(content)
        given = ["base_model=tiny_random", f"base_model.source.text={text}"]
        return [step.fingerprint for step in planned(load_config(["language=dutch", *given]))]

    first = fingerprints("one.txt", "one\n")
    assert fingerprints("other.txt", "one\n") == first
    assert fingerprints("one.txt", "two\n") != first


def test_an_estimate_is_no_part_of_the_recipe():
    base = planned(load_config(["language=dutch"]))
    other = planned(load_config(["language=dutch", "base_model.disk_bytes=1"]))
    assert [step.fingerprint for step in base] == [step.fingerprint for step in other]
    foretold = planned(load_config(["language=dutch", "base_model.max_positions=1024"]))
    assert [step.fingerprint for step in base] == [step.fingerprint for step in foretold]
    assert other[0].settings.model_dump(mode="json")["base_model"]["disk_bytes"] == 1


def test_what_changes_only_speed_or_place_changes_no_name():
    base = planned(load_config(["language=dutch"]))
    moved = planned(load_config(["language=dutch", "cluster=one_gpu", "machine.artifacts=/elsewhere"]))
    assert [step.fingerprint for step in base] == [step.fingerprint for step in moved]


def test_without_baselines_the_fine_tuned_source_is_left_out():
    names = [step.name for step in planned(load_config(["language=dutch", "evaluation.baselines=[]"]))]
    assert "source_finetuned_model" not in names
    assert "evaluation_source" in names


def test_what_does_not_depend_on_the_language_is_stored_once():
    dutch = {step.name: step for step in planned(load_config(["language=dutch"]))}
    tatar = {step.name: step for step in planned(load_config(["language=tatar"]))}
    assert dutch["base_model"].folder == tatar["base_model"].folder
    shared = [name for name, step in dutch.items() if step.folder.parent.name == "shared"]
    assert shared == ["base_model"]
