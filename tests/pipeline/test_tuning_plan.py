"""Tuning in the plan: what it needs, what it leaves as it was, what it costs; and in the report."""

import json

import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.estimate import checkpoints_bytes, estimate
from pipeline.sources import current_lock
from pipeline.tuning_plan import plan_instructions
from stages.write_report.page import TEMPLATES, page_environment
from stages.write_report.table import number
from stages.write_report.tuning import read_tuning, tuning_figures

DUTCH = ["language=dutch"]
RECIPES = ["tweety_dutch", "chocollama_dutch", "chocollama3_dutch", "tokentrans_dutch"]
RECIPES += ["tweety_tatar", "tweety_armenian", "tweety_italian"]


def planned(*overrides):
    config = load_config([*DUTCH, *overrides])
    return {step.name: step for step in graph.adapt(config, current_lock(config))}, config


def planned_one(*overrides):
    steps, config = planned("tuning=sft", "instructions=packaged", *overrides)
    return steps["instruct_model"], config


def test_sft_then_dpo_and_nothing_else_is_another():
    plain, _ = planned()
    tuned, config = planned("tuning=sft_dpo", "instructions=packaged")
    new = {"instructions", "instruct_model", "preferences", "preferred_model"}
    assert tuned.keys() - plain.keys() == new
    same = plain.keys() - {"report"}
    assert {name: tuned[name].fingerprint for name in same} == {name: plain[name].fingerprint for name in same}
    assert tuned["instruct_model"].inputs["model"] is tuned["adapted_model"]
    assert tuned["preferred_model"].inputs["model"] is tuned["instruct_model"]
    assert tuned["preferred_model"].inputs["data"] is tuned["preferences"]
    assert new <= tuned["report"].inputs.keys()
    costs = {name: estimate(tuned[name], config) for name in ("instruct_model", "preferred_model")}
    assert costs["instruct_model"].tokens == 110 * 300 * 2  # conversations, their tokens, epochs
    assert costs["preferred_model"].tokens == 110 * 300 * 2  # two answers, one epoch
    assert costs["preferred_model"].seconds > costs["instruct_model"].seconds  # the reference reads them too
    weights = plan_instructions(tuned["instruct_model"], config).shape.parameters
    assert weights < config.base_model.parameters  # with a smaller vocabulary
    assert costs["instruct_model"].disk_bytes > 3 * 12 * weights  # checkpoints are float32, whatever the model is
    shared = plan_instructions(*planned_one("cluster=multi_gpu", "cluster.processes=2", "cluster.sharding=full"))
    assert checkpoints_bytes(shared) == 3 * 16 * weights
    lora = "{r: 8, alpha: 16, dropout: 0.0, target_modules: [q_proj]}"
    small, config = planned("tuning=sft", "instructions=packaged", f"tuning.sft.lora={lora}")
    assert estimate(small["instruct_model"], config).disk_bytes < 12 * weights


def test_benchmarks_are_kept_out_of_conversations_as_out_of_the_corpus(tmp_path):
    (tmp_path / "quiz.txt").write_text("een regel\n")
    quiz = f"+corpus.decontamination.benchmarks.quiz={{path: {tmp_path / 'quiz.txt'}}}"
    tuned, _ = planned("tuning=sft_dpo", "instructions=packaged", quiz)
    for name in ("instructions", "preferences"):
        assert tuned[name].settings.decontamination == tuned["corpus"].settings.corpus.decontamination
        assert "quiz" in tuned[name].settings.decontamination.benchmarks


def test_sft_alone():
    steps, _ = planned("tuning=sft", "instructions=packaged")
    assert "instruct_model" in steps
    assert "preferences" not in steps
    assert "preferred_model" not in steps


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["tuning=sft"], "tuning.sft needs conversations: choose instructions=packaged"),
        (["tuning=sft_dpo"], "tuning.dpo needs preferences: choose instructions=packaged"),
        (["tuning=sft_dpo", "tuning.sft=null", "instructions=packaged"], "tuning.dpo needs the model of tuning.sft"),
        (["tuning=sft", "instructions=packaged", "tuning.sft.lora={r: 8}"], "tuning.sft.lora.alpha has no value"),
        (["tuning=sft", "instructions=packaged", "tuning.sft.warmup_share=1"], "tuning.sft.warmup_share=1"),
    ],
)
def test_what_cannot_be_is_told(overrides, told):
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        load_config([*DUTCH, *overrides])


def test_a_card_of_another_role_or_language_is_refused():
    with pytest.raises(
        UserError, match=r"gutenberg is monolingual, not instructions; remove it from instructions\.cards"
    ):
        planned("tuning=sft", "instructions.cards=[gutenberg]")
    with pytest.raises(UserError, match="debian_faq does not cover 'tt'"):
        planned("language=tatar", "tuning=sft", "instructions=packaged")


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_experiment_is_the_other_with_tuning_after_it(recipe):
    base, instruct = (load_config([*DUTCH, f"experiment={recipe}{end}"]) for end in ("", "_instruct"))
    untuned = type(base).model_fields.keys() - {"instructions", "tuning", "planning"}
    assert {name for name in untuned if getattr(instruct, name) != getattr(base, name)} == set()
    assert instruct.tuning.dpo.global_batch == 64
    assert instruct.tuning.sft.lora == instruct.tuning.dpo.lora is not None  # all weights fit no GPU
    assert len(instruct.instructions.cards) == (5 if recipe.endswith("_dutch") else 1)


def test_chocollama_s_own_way_is_the_paper_s():
    tuning = load_config([*DUTCH, "tuning=chocollama", "instructions=chocollama"]).tuning
    assert (tuning.dpo.learning_rate, tuning.dpo.global_batch, tuning.dpo.epochs) == (5e-7, 64, 1)
    assert tuning.sft.lora is tuning.dpo.lora is None


@pytest.fixture
def tuned(tmp_path):
    """Write what two tuned models say of themselves."""
    held_out = {
        "instruct_model": {"rows": 4, "loss_before": 3.5, "loss_after": 2.25},
        "preferred_model": {"pairs": 4, "reward_accuracy": 0.75, "reward_margin": 0.125},
    }
    for name, figures in held_out.items():
        folder = tmp_path / name
        folder.mkdir()
        line = {"method": "sft" if "rows" in figures else "dpo", "rows": {"train": 10, "held_out": 4}, "steps": 5}
        line |= {"tokens": 1234, "held_out": figures, "encoding": {"train": {"rows": 11, "truncated": 3}}}
        (folder / "tuning.json").write_text(json.dumps(line))
        answer = {"prompt": "Wat <is> dit?", "reference": "Dat.", "before": "", "after": f"antwoord van {name}"}
        (folder / "answers.json").write_text(json.dumps([answer]))
    return {name: tmp_path / name for name in held_out}


def test_the_report_has_a_line_a_method_and_answers_side_by_side(tuned):
    environment = page_environment(TEMPLATES)
    environment.filters["number"] = number
    language = load_config(DUTCH).language
    page = environment.get_template("tuning.html.j2").render(tuning=read_tuning(tuned), language=language)
    assert "3.500 before, 2.250 after" in page
    assert "75.0 % (reward margin 0.125)" in page
    assert "Truncated: 3." in page
    assert "Wat &lt;is&gt; dit?" in page
    places = [page.index(text) for text in ("(nothing)", "van instruct_model", "van preferred_model", "Dat.")]
    assert places == sorted(places)
    assert tuning_figures(tuned)["instruct_model"]["held_out"]["loss_after"] == 2.25


def test_without_tuning_there_is_no_such_section():
    assert read_tuning({}) is None
    assert tuning_figures({}) == {}
