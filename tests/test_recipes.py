"""Each paper's recipe, end to end on a random model of its architecture: all its choices, tiny sizes, tests/data."""

import json

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from pipeline import graph, runs, store, worker
from pipeline.config import CONF, load_config
from pipeline.curves import pair
from pipeline.curves_graph import curves
from pipeline.errors import UserError
from pipeline.estimate import estimate
from pipeline.gpu_memory import check_trainings
from pipeline.plan import step_file, unique
from pipeline.provenance import ROOT
from pipeline.sources import current_lock
from pipeline.translate import Request, translate
from stages.shared.training.schedule import make_schedule
from stages.shared.training.settings import optimizer_steps
from stages.write_report.translation import SYSTEMS

RECIPES = {
    "tweety_tatar": ("tatar", "tiny_random_mistral"),
    "tweety_armenian": ("tatar", "tiny_random_mistral"),
    "tweety_dutch": ("dutch", "tiny_random_mistral"),
    "tweety_italian": ("dutch", "tiny_random_untied"),
    "chocollama_dutch": ("dutch", "tiny_random_untied"),
    "chocollama3_dutch": ("dutch", "tiny_random_untied"),
    "tokentrans_dutch": ("dutch", "tiny_random_untied"),
    "mistral_ft_dutch": ("dutch", "tiny_random_mistral"),
}
"""A language that tests/data has text of, and a random model with the architecture of the recipe's base model."""
INSTRUCT = {
    "tweety_tatar_instruct": "tiny_random_mistral",
    "tweety_armenian_instruct": "tiny_random_mistral",
    "tweety_italian_instruct": "tiny_random_untied",
    "tweety_dutch_instruct": "tiny_random_mistral",
    "chocollama_dutch_instruct": "tiny_random_untied",
    "chocollama3_dutch_instruct": "tiny_random_untied",
    "tokentrans_dutch_instruct": "tiny_random_untied",
}
"""With SFT and DPO after them, and such a model."""
OWN_DATA = {"tweety_tatar_instruct": "tt", "tweety_armenian_instruct": "hy", "tweety_italian_instruct": "it"}
"""Of these the conversations are files of one's own, below a folder of the language's code."""
ALL = (*RECIPES, *INSTRUCT, "hydra_tower_tatar")
"""What the last one adds to a training, translation, has tests of its own."""
LANGUAGES = {
    "tweety_tatar": "tatar",
    "tweety_armenian": "armenian",
    "tweety_italian": "italian",
    "hydra_tower_tatar": "tatar",
}
"""The languages that recipes are for, where it is not Dutch."""
NEW_TOKENIZER = {
    "tweety_tatar",
    "tweety_armenian",
    "tweety_dutch",
    "tweety_italian",
    "tokentrans_dutch",
    "tweety_dutch_instruct",
    "tokentrans_dutch_instruct",
    "hydra_tower_tatar",
    *OWN_DATA,
}
LORA = ("chocollama_dutch", "chocollama3_dutch", "tokentrans_dutch")
ADAPTERS = {*LORA, *(f"{recipe}_instruct" for recipe in LORA)}
ONE_PROCESS = {
    *("tweety_tatar", "tweety_armenian", "tweety_tatar_instruct", "tweety_armenian_instruct"),
    "hydra_tower_tatar",
}
"""The others are for eight GPUs."""
LARGER_GPU = {"hydra_tower_tatar"}
TUNED = ("instruct_model", "preferred_model")
IN_EVERY_RUN = ("chocollama_dutch",)
TINY = [
    "corpus=tests",
    "bitext=tests",
    "dictionary=none",
    "replay.cards=[sample_text]",
    "tokenizer.vocabulary_size=900",
    "training.tokens=3000",
    "training.sequence_length=64",
    "training.global_batch=4",
    "training.validation_tokens=500",
    "evaluation.baselines=[]",
    "evaluation.scoring.bytes=2000",
    "evaluation.scoring.window=256",
    "evaluation.scoring.bootstrap_samples=50",
    "evaluation.generation.prompts=[]",
    "evaluation.generation.held_out_prompts=1",
    "evaluation.generation.max_new_tokens=3",
    "cluster.workers=1",
    "machine.tracking=false",
    "leaderboard.other_domain.path=null",
]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes")


def planned(recipe, *overrides):
    """Return the steps of a recipe in its language, and its config; for conversations of one's own, tests/data's."""
    data = ["instructions=tests"] if recipe in OWN_DATA else []
    config = load_config([f"language={LANGUAGES.get(recipe, 'dutch')}", f"experiment={recipe}", *data, *overrides])
    return graph.adapt(config, current_lock(config)), config


def make(overrides):
    """Make all that a config plans, in this process; return the steps by name."""
    config = load_config([*TINY, *overrides])
    return make_steps(unique([graph.adapt(config, current_lock(config))]), config)


def make_steps(steps, config):
    for step in steps:
        step.work.mkdir(parents=True, exist_ok=True)
        store.write_json(step.work / "step.json", step_file(step, config.execution(), processes=1, nodes=1))
        assert worker.main([str(step.work / "step.json")]) == 0, step.name
    return {step.name: step for step in steps}


def test_every_recipe_is_tried():
    others = {"smoke", "curves_dutch", "curves_dutch_gpu"}
    assert {path.stem for path in (CONF / "experiment").glob("*.yaml")} - others == set(ALL)


@pytest.mark.parametrize("recipe", ALL)
def test_a_recipe_is_planned_for_its_language_with_what_it_is_about(recipe):
    steps, config = planned(recipe)
    names = {step.name for step in steps}
    assert (set(TUNED) <= names) == (recipe in INSTRUCT)
    assert ({"tokenizer", "initialized_model", "random_model"} <= names) == (recipe in NEW_TOKENIZER)
    assert {"adapted_model", "evaluation_source", "evaluation_adapted", "report"} <= names
    assert (config.training.adapter.method == "lora") == (recipe in ADAPTERS)
    assert config.training.precision == "bfloat16"


def test_a_recipe_that_translates_with_a_large_model_computes_and_answers_in_its_precision():
    _, config = planned("hydra_tower_tatar", "question_answering=tests")
    assert config.translation.precision == config.question_answering.precision == "bfloat16"
    smaller = load_config(["language=tatar", "heads=hydra", "question_answering=tests"])
    assert smaller.translation.precision == smaller.question_answering.precision == "float32"


@pytest.mark.parametrize("recipe", ALL)
def test_a_recipe_fits_the_gpus_that_it_is_planned_for(recipe):
    steps, config = planned(recipe, "cluster=slurm")
    assert config.cluster.gpu == ("h200" if recipe in LARGER_GPU else "h100")
    assert config.cluster.processes == (1 if recipe in ONE_PROCESS else 8)
    check_trainings([(step, config) for step in steps])


def test_the_baseline_of_own_tokens_has_the_usual_cosine_after_its_warm_up():
    _, config = planned("mistral_ft_dutch")
    steps = optimizer_steps(config.training.tokens, config.training)
    schedule = make_schedule(config.training, steps)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rise = round(0.1 * steps)
    usual = get_cosine_schedule_with_warmup(optimizer, rise, steps).lr_lambdas[0]
    for step in (0, 100, rise - 1, rise, steps // 2, steps - 1):
        assert schedule.factor(step, since=0) == pytest.approx(usual(step), abs=2 / rise)


def test_a_baseline_is_planned_with_as_many_tokens_as_the_paper_counted():
    steps, config = planned("tokentrans_dutch")
    tokens = {step.name: estimate(step, config).tokens for step in steps if step.stage.name == "continue_pretraining"}
    assert tokens == {"adapted_model": 22.6e9, "source_finetuned_model": pytest.approx(32e9, rel=0.001)}


def test_what_the_user_says_of_the_cluster_counts_more_than_the_recipe():
    steps, config = planned("tweety_dutch", "cluster=one_gpu", "cluster.processes=1")
    assert (config.cluster.processes, config.cluster.micro_batch) == (1, 2)
    with pytest.raises(
        UserError, match=r"adapted_model needs about .*would fit: cluster=multi_gpu cluster\.processes=2"
    ):
        check_trainings([(step, config) for step in steps])


@pytest.mark.parametrize("recipe", OWN_DATA)
def test_where_conversations_of_ones_own_go_is_told(recipe):
    if (ROOT / "data").is_dir():
        pytest.skip("this machine has data of its own")
    config = load_config([f"language={recipe.split('_')[1]}", f"experiment={recipe}"])
    with pytest.raises(UserError, match=rf"data/conversations/{OWN_DATA[recipe]}.*put the files there"):
        graph.adapt(config, current_lock(config))


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.parametrize(
    "recipe", [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_a_recipe_runs_to_its_report(recipe, artifacts):
    from transformers import AutoModelForCausalLM

    language, base_model = RECIPES[recipe]
    chosen = [f"language={language}", f"experiment={recipe}", f"base_model={base_model}"]
    steps = make([*chosen, f"machine.artifacts={artifacts}"])
    training = json.loads((steps["adapted_model"].folder / "training.json").read_text())
    assert training["validation"]["loss_after"] < training["validation"]["loss_before"]
    results = json.loads((steps["report"].folder / "results.json").read_text())
    untrained = {"mapped", "random"} if recipe in NEW_TOKENIZER else set()
    assert {system["name"] for system in results["systems"]} == {"source", "adapted"} | untrained
    adapted = AutoModelForCausalLM.from_pretrained(steps["adapted_model"].folder)
    base = AutoModelForCausalLM.from_pretrained(steps["base_model"].folder)
    assert type(adapted) is type(base)
    assert (adapted.config.vocab_size == base.config.vocab_size) == (recipe not in NEW_TOKENIZER)
    page = (steps["report"].folder / "report.html").read_text()
    assert ("and by the new one" in page) == (recipe in NEW_TOKENIZER)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.parametrize("recipe", INSTRUCT)
def test_an_instruct_recipe_ends_with_a_model_that_was_tuned_twice(recipe, artifacts):
    chosen = ["language=dutch", f"experiment={recipe}", f"base_model={INSTRUCT[recipe]}"]
    # The real data is elsewhere; the model has a context of 512 tokens, and no template.
    tiny = ["instructions=tests", "tuning.answers.prompts=1", "tuning.answers.max_new_tokens=3"]
    tiny += ["tuning.sft.chat_template=chatml", "tuning.sft.learning_rate=5e-3"]
    tiny += ["tuning.sft.epochs=4"]  # an epoch is a single step, and the first one's learning rate is 0
    tiny += [f"tuning.{method}.{name}" for method in ("sft", "dpo") for name in ("max_length=256", "held_out_rows=8")]
    steps = make([*chosen, *tiny, f"machine.artifacts={artifacts}"])
    tuned = {name: json.loads((steps[name].folder / "tuning.json").read_text()) for name in TUNED}
    assert tuned["instruct_model"]["held_out"]["loss_after"] < tuned["instruct_model"]["held_out"]["loss_before"]
    assert tuned["preferred_model"]["held_out"]["pairs"] > 0
    assert ("tokenizer" in steps) == (recipe in NEW_TOKENIZER)
    page = (steps["report"].folder / "report.html").read_text()
    assert ">Instruction tuning</h2>" in page


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fresh_accelerator")
def test_replay_gives_every_system_the_same_text(artifacts):
    chosen = ["language=dutch", "base_model=tiny_random", "mapping=mean", "replay=tests", "replay.share=0.3"]
    # Whole documents are taken, of up to a thousand tokens: fewer tokens would miss the share by a document.
    chosen += ["training.tokens=20000", "evaluation.baselines=[source_finetuned]"]
    steps = make([*chosen, f"machine.artifacts={artifacts}"])
    ours, theirs = (
        json.loads((steps[name].folder / "tokens.json").read_text()) for name in ("packed_tokens", "source_tokens")
    )
    assert ours["replay"]["share"] == pytest.approx(0.3, abs=0.05)
    assert ours["tokens"] == pytest.approx(20000, rel=0.1)
    assert (ours["bytes"], ours["replay"]["bytes"]) == (theirs["bytes"], theirs["replay"]["bytes"])
    assert steps["adapted_model"].metrics()["tokens"] == ours["tokens"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fresh_accelerator")
def test_curves_are_drawn_from_real_trainings(artifacts):
    chosen = ["language=dutch", "base_model=tiny_random", "mapping=trans_tokenize", "curves.replay=[none,tests]"]
    chosen += ["curves.seeds=[1,2]", "training.watch.every_steps=4", "training.schedule=constant"]
    pairings = pair([*TINY, *chosen, f"machine.artifacts={artifacts}"])
    config = pairings[0].config
    steps = make_steps(unique([curves(config, current_lock(config), pairings)]), config)
    found = json.loads((steps["training_curves"].folder / "training_curves.json").read_text())
    assert len(found["trainings"]) == 8
    ends = {(one["system"], one["replay"], one["seed"]): one["curves"]["target"] for one in found["trainings"]}
    for replay in ("none", "tests"):
        ours, theirs = ends["adapted", replay, 2], ends["source_finetuned", replay, 2]
        assert ours["bytes"][-1] == pytest.approx(theirs["bytes"][-1])  # the same text
        assert ours["flops"][-1] != pytest.approx(theirs["flops"][-1], rel=0.05)
        assert len(ours["bytes"]) > 3
    assert {(row["at_equal"], row["replay"]) for row in found["comparisons"] if row["text"] == "target"} == {
        (axis, replay) for axis in ("bytes", "flops") for replay in ("none", "tests")
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fresh_accelerator")
def test_an_encoder_ends_with_its_trained_model(artifacts):
    chosen = ["language=dutch", "base_model=tiny_random_encoder", "mapping=mean", "training.objective=masked"]
    steps = make([*chosen, f"machine.artifacts={artifacts}"])
    assert list(steps)[-1] == "adapted_model"
    assert not {"report", "random_model"} & set(steps)
    training = json.loads((steps["adapted_model"].folder / "training.json").read_text())
    assert training["validation"]["loss_after"] < training["validation"]["loss_before"]
    assert "bits_per_byte_after" not in training["validation"]


LINES = ["", "Open the file.", "Казан is a city", "a house " * 300, "Close the window."]
TUNED_ON_PAIRS = ("base", "base_parft", "hydra", "hydra_parft")


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.parametrize(
    ("chosen", "systems"),
    [
        (["mapping=mean"], TUNED_ON_PAIRS),
        pytest.param(
            [
                *("repair=nfr", "repair.similarity=0.3", "back_translation=hydra", "back_translation.most_words=8"),
                "parallel_tuning.least_words=1",  # a random model writes few words,
                "decoding=temperature",  # and by the likeliest token ends no line
            ],
            (*TUNED_ON_PAIRS, "hydra_parft_nfr", "hydra_backft", "hydra_backft_nfr"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_hydra_run_is_linked_and_reported_and_translates_a_file_line_by_line(chosen, systems, tmp_path, capsys):
    fewer = ["training.tokens=1000", "parallel_tuning.tokens=1000", "translation_scoring.bootstrap_samples=20"]
    overrides = [*TINY, "language=tatar", "experiment=smoke", "heads=hydra", *fewer, *chosen]
    overrides.append(f"machine.artifacts={tmp_path}")
    config = load_config(overrides)
    plan = unique([graph.adapt(config, current_lock(config))])
    steps = make_steps(plan, config)
    runs.begin_run(plan, config, overrides)
    runs.finish_run(plan)
    latest = tmp_path / "tatar" / "latest"
    found = json.loads((latest / "translation.json").read_text())
    assert steps["translation"].fingerprint.startswith(found["run"])
    assert [entry["system"] for entry in found["sets"]] == ["copy", "random_in_distribution", *systems]
    page = (latest / "report.html").read_text()
    assert all(f'<th scope="row">{SYSTEMS[name]}</th>' in page for name in systems)

    def translated(lines):
        (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines))
        capsys.readouterr()
        assert translate(overrides, Request("english", text="", file=str(tmp_path / "in"), out="", decoding="")) == 0
        return capsys.readouterr()

    again = "hydra_backft" in systems  # in a process of its own, which takes its time
    if again:
        store.remove(steps["hydra_model"].folder)
    printed = translated(LINES)
    assert (f"hydra_model -> {steps['hydra_model'].folder.name}" in printed.err) == again
    *texts, rest = printed.out.split("\n")
    assert (len(texts), rest) == (len(LINES), "")
    assert [place for place, text in enumerate(texts) if not text] == [0, 3]
    assert "1 of 5 lines (3): letters of several scripts" in printed.err
    assert "1 of 5 lines (4): too long" in printed.err
    assert translated(LINES[::-1]).out.split("\n")[:-1] == texts[::-1]
