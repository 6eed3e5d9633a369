"""What `heads=hydra` adds to a plan, and what depends on what."""

import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.estimate import USUAL, estimate
from pipeline.sources import current_lock
from stages.evaluate_translation.settings import MODELS

SMOKE = ["language=dutch", "experiment=smoke"]


def planned(*overrides):
    config = load_config([*SMOKE, *overrides])
    return {step.name: step for step in graph.adapt(config, current_lock(config))}


@pytest.fixture(scope="module")
def hydra():
    return planned("heads=hydra")


def test_without_heads_nothing_is_translated(hydra):
    plain = planned()
    assert not {"hydra_model", "translation", "base_parft_model"} & set(plain)
    assert all(hydra[name].fingerprint == step.fingerprint for name, step in plain.items() if name != "report")


def test_both_models_are_tuned_on_the_same_pairs_and_compared(hydra):
    base, tuned = hydra["base_parft_model"], hydra["hydra_parft_model"]
    assert base.settings == tuned.settings
    assert base.inputs["bitext"] is tuned.inputs["bitext"] is hydra["bitext"]
    assert base.inputs["model"] is base.inputs["base_model"] is tuned.inputs["base_model"] is hydra["base_model"]
    assert tuned.inputs["model"] is hydra["hydra_model"]
    assert hydra["translation"].settings.systems == ("base", "base_parft", "hydra", "hydra_parft")
    assert hydra["translation"].inputs["system_hydra_parft"] is tuned
    assert hydra["report"].inputs["translation"] is hydra["translation"]


def test_another_decoding_makes_all_written_texts_anew_and_no_model(hydra):
    beam = planned("heads=hydra", "decoding=beam")
    changed = {name for name, step in beam.items() if step.fingerprint != hydra[name].fingerprint}
    assert changed == {"translation", "report"} | {name for name in hydra if name.startswith("evaluation_")}
    # Greedy decoding is not named: what was evaluated before there was another is not evaluated anew.
    named = [steps["evaluation_source"].recipe["settings"]["generation"] for steps in (hydra, beam)]
    assert ["decoding" in generation for generation in named] == [False, True]


def test_back_translation_adds_a_system(hydra):
    found = planned("heads=hydra", "back_translation=hydra", "mapping=mean")
    assert found["hydra_backft_model"].inputs["bitext"] is found["back_translation"]
    assert found["back_translation"].inputs["model"] is found["hydra_model"]
    assert found["hydra_backft_model"].inputs["equal_to"] is found["bitext"]
    assert "equal_to" not in found["hydra_parft_model"].inputs
    assert found["translation"].settings.systems[-1] == "hydra_backft"
    assert found["translation"].inputs["back_translation"] is found["back_translation"]
    assert "back_translation" not in hydra["translation"].inputs
    assert found["bitext"].stage is hydra["bitext"].stage  # though the mapping needs none


def test_matches_add_systems_tuned_on_the_same_pairs_and_change_no_other(hydra):
    found = planned("heads=hydra", "repair=nfr")
    assert found["translation"].settings.systems == ("base", "base_parft", "hydra", "hydra_parft", "hydra_parft_nfr")
    plain, repaired = found["hydra_parft_model"], found["hydra_parft_nfr_model"]
    assert plain.fingerprint == hydra["hydra_parft_model"].fingerprint
    assert "matching" not in plain.recipe["settings"]
    assert repaired.recipe["settings"]["matching"]["similarity"] == 0.5
    assert repaired.inputs["bitext"] is plain.inputs["bitext"] is repaired.inputs["memory"]
    assert found["translation"].fingerprint != hydra["translation"].fingerprint
    both = planned("heads=hydra", "repair=nfr", "back_translation=hydra")
    assert both["hydra_parft_nfr_model"].fingerprint == repaired.fingerprint
    backft = both["hydra_backft_nfr_model"].inputs
    assert (backft["bitext"], backft["memory"]) == (both["back_translation"], both["bitext"])
    assert both["translation"].settings.systems[-2:] == ("hydra_backft", "hydra_backft_nfr")
    base = planned("heads=hydra", "repair=nfr", "repair.systems=[base_parft,hydra_parft]")
    assert base["hydra_parft_nfr_model"].fingerprint == repaired.fingerprint
    assert "base_parft_nfr_model" in base


@pytest.mark.parametrize("method", ["seq2seq", "causal"])
def test_a_pretrained_model_is_fetched_and_translates_back(method):
    name = "Helsinki-NLP/opus-mt-nl-en"
    found = planned("heads=hydra", f"back_translation={method}", f"back_translation.model={name}")
    fetched = found["translator"]
    assert fetched.stage.uses_network
    assert not found["back_translation"].stage.uses_network
    assert (fetched.settings.model, fetched.settings.kind, fetched.settings.revision) == (name, method, "main")
    assert found["back_translation"].inputs["model"] is fetched
    assert found["hydra_backft_model"].inputs["bitext"] is found["back_translation"]


def test_the_papers_system_is_planned_with_its_mapping_its_pivot_and_its_best_tuning():
    config = load_config(["language=tatar", "experiment=hydra_tower_tatar"])
    found = {step.name: step for step in graph.adapt(config, current_lock(config))}
    assert found["initialized_model"].settings.mapping.method == "trans_tokenize"
    for name, source in (("bitext", "en"), ("bitext_ru", "ru")):
        assert [card.name for card in found[name].settings.cards] == ["nllb"]
        assert found[name].settings.language.source_code == source
    assert found["translator"].settings.model.startswith("facebook/nllb-200-")
    back = found["back_translation"].settings.back_translation
    assert (back.method, back.from_code, back.into_code) == ("seq2seq", "tat_Cyrl", "eng_Latn")
    assert set(found["translation"].settings.systems) == {name for name in MODELS if name != "base_parft_nfr"}


def test_translation_needs_bitext():
    with pytest.raises(UserError, match="heads=hydra: translation is tuned and measured on bitext"):
        load_config([*SMOKE, "heads=hydra", "mapping=mean", "bitext.cards=[]"])


def test_an_encoder_does_not_translate():
    with pytest.raises(UserError, match=r"heads=hydra: a model trained with training.objective=masked writes no text"):
        load_config(["language=dutch", "training.objective=masked", "heads=hydra"])


def test_questions_are_asked_of_three_models_where_they_are_wanted(hydra):
    found = planned("heads=hydra", "question_answering=tests")
    asked = found["question_answering"]
    assert asked.settings.systems == ("base", "adapted", "hydra")
    assert asked.inputs["system_adapted"] is found["adapted_model"]
    assert set(found) - set(hydra) == {"question_answering"}
    same = {name for name, step in hydra.items() if found[name].fingerprint == step.fingerprint}
    assert same == {"base_model"}  # the questions are kept out of all training text


def sets_of(folder, text):
    """Return the overrides of a run that is measured on two lines, as files and as a table."""
    (folder / "lines.txt").write_text(text)
    (folder / "pairs.tsv").write_text("".join(f"a\t{line}\n" for line in text.splitlines()))
    lines = f"{{path: {folder / 'lines.txt'}}}"
    own = f"{{kind: files, source: {lines}, target: {lines}, lines: even, passage_lines: 1}}"
    return [
        "translation_scoring.only=null",
        f"+translation_scoring.sets.own={own}",
        f"+translation_scoring.sets.pairs={{kind: table, file: {{path: {folder / 'pairs.tsv'}}}}}",
    ]


def test_a_plan_counts_what_translating_takes(tmp_path):
    def cost(name, *overrides):
        config = load_config([*overrides, f"machine.artifacts={tmp_path}"])
        steps = {step.name: step for step in graph.adapt(config, current_lock(config))}
        return estimate(steps[name], config), config

    default = ("language=dutch", "heads=hydra", "translation_scoring.only=[held_out]")
    evaluated, config = cost("translation", *default)
    lines = config.translation_scoring.lines * len(("base", "base_parft", "hydra", "hydra_parft"))
    assert evaluated.seconds / lines == pytest.approx(2.5, rel=0.1)  # as measured with the default model on two cores
    beam, config = cost("translation", *default, "decoding=beam")
    usual = USUAL["evaluate_translation"][0]
    assert beam.seconds - usual == pytest.approx(config.decoding.beams * (evaluated.seconds - usual))
    tower = ("language=tatar", "experiment=hydra_tower_tatar")
    fetched, config = cost("translator", *tower)
    assert fetched.disk_bytes == pytest.approx(5.5e9, rel=0.01)
    small, _ = cost("translator", *tower, "back_translation.parameters=75_000_000")
    assert (small.disk_bytes, round(small.seconds)) == (300_000_000, 60)
    made = [cost("back_translation", *default, "back_translation=hydra", f"back_translation.lines={n}") for n in (1, 2)]
    assert made[1][0].seconds - made[0][0].seconds == pytest.approx(2.4, rel=0.1)


def test_what_translation_is_measured_on_is_kept_out_of_corpus_and_pairs(hydra, tmp_path):
    overrides = sets_of(tmp_path, "Een regel.\nNog een regel.\n")
    found = planned("heads=hydra", *overrides)
    benchmarks = found["bitext"].settings.decontamination.benchmarks
    assert benchmarks == found["corpus"].settings.corpus.decontamination.benchmarks
    assert benchmarks["translation_scoring.own"].path == tmp_path / "lines.txt"
    assert benchmarks["translation_scoring.pairs"].column == 2
    assert all(found[name].fingerprint != hydra[name].fingerprint for name in ("corpus", "bitext"))
    assert (
        found["corpus"].recipe["settings"]["corpus"]["decontamination"]["benchmarks"]
        == (found["bitext"].recipe["settings"]["decontamination"]["benchmarks"])
    )
    plain = planned(*overrides)
    assert all(plain[name].fingerprint == hydra[name].fingerprint for name in plain if name != "report")
    assert "decontamination" not in plain["bitext"].recipe["settings"]


def test_questions_are_kept_out_by_what_of_them_is_in_the_new_language():
    config = load_config([*SMOKE, "heads=hydra", "question_answering=tests"])
    benchmarks = config.sections()["decontamination"].benchmarks
    assert {name: file.keys for name, file in benchmarks.items()} == {
        f"question_answering.{name}": ("question", "answers", "choices") for name in config.question_answering.sets
    }


def test_of_replayed_text_the_source_side_is_kept_out(tmp_path):
    (tmp_path / "source.txt").write_text("A line.\nAnother line.\n")
    source = f"+translation_scoring.sets.own.source={{path: {tmp_path / 'source.txt'}}}"
    overrides = [*sets_of(tmp_path, "Een regel.\nNog een regel.\n"), source.replace("+", "++")]
    asked = ["question_answering=tests", "replay=tests", "++replay.share=0.25"]
    found = planned("heads=hydra", *overrides, *asked)
    both = [found[name].settings.corpus.decontamination.benchmarks for name in ("replay_corpus", "corpus")]
    assert both[0].keys() == both[1].keys()
    assert [one["translation_scoring.own"].path.name for one in both] == ["source.txt", "lines.txt"]
    assert [one["translation_scoring.pairs"].column for one in both] == [1, 2]
    keys = [one["question_answering.declaration"].keys for one in both]
    assert keys == [("context",), ("question", "answers", "choices")]
    plain = [planned(*given, "replay=tests", "++replay.share=0.25")["replay_corpus"] for given in ([], overrides)]
    assert plain[0].fingerprint == plain[1].fingerprint != found["replay_corpus"].fingerprint


def test_the_other_domain_is_kept_out_of_corpus_replay_and_pairs(tmp_path):
    (tmp_path / "lines.txt").write_text("een huis\n")
    other = f"leaderboard.other_domain={{path: {tmp_path / 'lines.txt'}, sha256: null, lines: all}}"
    config = load_config([*SMOKE, other])
    corpora = (config.sections()["corpus"], config.replayed_corpus())
    for decontamination in (config.sections()["decontamination"], *(corpus.decontamination for corpus in corpora)):
        assert set(decontamination.benchmarks) == {"other_domain"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["question_answering=tests"], "prompts in two vocabularies need a Hydra model: give heads=hydra"),
        (["heads=hydra", "question_answering=files"], "question_answering.*sets"),
        (["heads=hydra", "question_answering=tests", "question_answering.shots=[0,0]"], "a number stands there twice"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(overrides, message):
    with pytest.raises(UserError, match=message):
        load_config([*SMOKE, *overrides])
