import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import graph, local_config
from pipeline.__main__ import PLANNED, main
from pipeline.config import CONF, languages, load_config, split_sweep
from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.sources import current_lock


def planned(config):
    return graph.adapt(config, current_lock(config))


GROUPS = [path for path in sorted(CONF.glob("*/*.yaml")) if path.parent.name not in ("language", "experiment")]
SIDES = ("source", "target")
EXPERIMENTS = [path.stem for path in sorted((CONF / "experiment").glob("*.yaml"))]


@pytest.mark.parametrize("choice", GROUPS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_every_choice_composes_and_plans(choice, tmp_path):
    (tmp_path / "table.tsv").write_text("house\thuis\t-0.1\t12\n")
    needed = {
        "alignment/table": [f"alignment.path={tmp_path / 'table.tsv'}"],
        "alignment/fast_align_binary": [f"alignment.program={sys.executable}"],
        "dictionary/file": [f"dictionary.path={tmp_path / 'table.tsv'}"],
        "back_translation/file": [
            f"back_translation.{end}.path={tmp_path / 'table.tsv'}" for end in ("source", "target")
        ],
        "base_model/tiny_random_encoder": ["training.objective=masked"],
        "question_answering/files": [
            "heads=hydra",
            f"+question_answering.sets.own={{kind: jsonl, file: {{path: {tmp_path / 'table.tsv'}}}}}",
        ],
        "question_answering/tests": ["heads=hydra"],
        "merging/late": ["pivots=packaged"],
        **{f"back_translation/{kind}": ["back_translation.model=an/example"] for kind in ("causal", "seq2seq")},
    }.get(f"{choice.parent.name}/{choice.stem}", ["instructions=packaged"] if choice.parent.name == "tuning" else [])
    if choice.parent.name in ("back_translation", "repair"):
        needed = [*needed, "heads=hydra"]
    language = "tatar" if choice.parent.name in ("pivots", "merging") else "dutch"
    config = load_config([f"language={language}", f"{choice.parent.name}={choice.stem}", *needed])
    if choice.name == "chocollama.yaml" and choice.parent.name == "corpus" and not (ROOT / "data").is_dir():
        with pytest.raises(
            UserError, match=r"data/job_descriptions/nl; put the files there, as the data card says"
        ) as said:
            planned(config)
        assert [line.split()[2] for line in str(said.value).splitlines()] == [
            "job_descriptions:",
            "staatsblad:",
            "dutch_legislation:",
        ]
        return
    last = "adapted_model" if config.training.objective == "masked" else "report"  # no encoder is evaluated yet
    assert planned(config)[-1].name == last


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_plans(experiment):
    language = "tatar" if experiment.endswith("_tatar") else "dutch"
    own = "instructions: own" in (CONF / "experiment" / f"{experiment}.yaml").read_text()  # files that are not here
    data = ["instructions=tests"] if own else []
    planned(load_config([f"language={language}", f"experiment={experiment}", *data]))


def test_what_a_plain_training_leaves_out_is_not_hashed():
    plain, lora = (load_config(["language=dutch", f"adapter={adapter}"]).training for adapter in ("none", "lora"))
    assert not {"adapter", "optimizer", "objective"} & set(plain.identity())
    assert lora.identity()["adapter"]["r"] == 8
    assert {**lora.identity(), "adapter": None} == {**plain.identity(), "adapter": None}


def test_a_kept_tokenizer_has_no_leaderboard_and_nothing_to_explain(capsys):
    for command in (["leaderboard", "--plan"], ["explain", "--token=huis"]):
        assert main([*command, "language=dutch", "mapping=keep"]) == 2
        assert "mapping=keep has no" in capsys.readouterr().err


@pytest.mark.parametrize("language", languages())
def test_every_language_composes_and_plans(language):
    assert planned(load_config([f"language={language}"]))[0].stage.name == "fetch_base_model"


@pytest.fixture
def local(tmp_path, monkeypatch):
    file = tmp_path / "local.yaml"
    monkeypatch.setattr(local_config, "LOCAL", file)
    return file


def mistake(overrides):
    with pytest.raises(UserError) as caught:
        load_config(["language=dutch", *overrides])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "which language?"),
        (["language="], "which language?"),
        (["language=klingon"], "unknown language 'klingon'"),
        (["language=duch"], "Did you mean 'dutch'?"),
        (["language=dutch", "mapping=men"], "unknown mapping 'men'. Did you mean 'mean'?"),
        (["language=dutch", "maping=mean"], "unknown key 'maping'. Did you mean 'mapping'?"),
        (["language=dutch", "training.sed=3"], "unknown key in training 'sed'. Did you mean 'seed'?"),
        (["language=dutch", "+training.sed=3"], "unknown key in training 'sed'. Did you mean 'seed'?"),
        (["language=dutch", "+trainin.sed=3"], "unknown key 'trainin'. Did you mean 'training'?"),
        (["language=dutch", "training.tokens=many"], "training.tokens='many': input should be a valid integer"),
        (["language=dutch", "training.seed=1,2"], "put -m before it"),
        (["language=dutch", "training.seed"], "cannot read the overrides"),
        (["language=dutch", "training=null"], "unknown training 'null'. Available: chocollama, default"),
        (["language=dutch", "experiment=null"], "unknown experiment 'null'. Available: chocollama3_dutch,"),
        (["language=dutch", "mapping="], "unknown mapping ''"),
        (["language=dutch", "mapping={a: 1}"], "unknown mapping '{a:1}'"),
        (["language=dutch", "+mapping=mean"], "write mapping=mean without +"),
        (["language=dutch", "++mapping=mean"], "write mapping=mean without +"),
        (["language=dutch", "mapping@other=mean"], "leave @other out"),
        (["language=dutch", "+training.phases.0=3"], "training.phases"),
        (["language=dutch", "training.seed=???"], "training.seed"),
        (["language=dutch", "training.weight_decay=inf"], "training.weight_decay=inf: input should be a finite number"),
        (["language=dutch", "cluster.processes=0"], "cluster.processes=0: input should be greater than 0"),
        (["language=dutch", "cluster.flops_per_second=0"], "cluster.flops_per_second=0: input should be greater"),
        (["language=dutch", "cluster.micro_batch=0"], "cluster.micro_batch=0: input should be greater than 0"),
        (["language=dutch", "cluster.workers=-3"], "cluster.workers=-3: input should be greater than 0"),
        (["language=dutch", "cluster.checkpoint_seconds=-1"], "cluster.checkpoint_seconds=-1: input should be greater"),
        (["language=dutch", "cluster.device=tpu"], "cluster.device='tpu': input should be 'cpu' or 'cuda'"),
        (["language=dutch", "planning.source_token_ratio=0"], "planning.source_token_ratio=0"),
        (["language=dutch", "evaluation.baselines=[source_finetund]"], "input should be 'source_finetuned'"),
        (
            ["language=dutch", "+alignment.foo=3"],
            "unknown key in alignment 'foo'. Available: beam_threshold, cleaning, examples",
        ),
        (
            ["language=dutch", "+base_model.source.foo=3"],
            "unknown key in base_model.source 'foo'. Available: dtype",
        ),
        (
            ["language=dutch", "+training.phases.0.foo=3"],
            "unknown key in training.phases.0 'foo'. Available: embedding_learning_rate, learning_rate, name",
        ),
        (["language=dutch", "alignment.min_count=0"], "alignment.min_count=0: input should be greater than 0"),
        (["language=dutch", "alignment.method=tabel"], "unknown alignment.method 'tabel'. Did you mean 'table'?"),
        (["language=dutch", "alignment=table", "alignment.path=3"], "alignment: path=3 is no path"),
        (["language=dutch", "alignment=table", "alignment.path=/nowhere"], "alignment: path: /nowhere is not a file"),
        (["language=dutch", "alignment=table", "alignment.path=/"], "alignment: path: / is not a file"),
        (["language=dutch", "base_model=tiny_random", "base_model.source.text=no.txt"], "no.txt is not a file"),
        (["language=dutch", "alignment=table"], "alignment: alignment=table needs the table: alignment.path=FILE.tsv"),
        (["language=tatar", "mapping=wechsel"], "init method 'wechsel' needs a dictionary: give dictionary=file"),
        (["language=dutch", "dictionary=file", "dictionary.path=/nowhere"], "/nowhere is not a file"),
        (["language=dutch", "vectors.tokens.ngram_min=7"], "ngram_min=7 is above ngram_max=6"),
        (["language=dutch", "corpus.cards=[]"], "corpus.cards=[]: a corpus needs at least one data card"),
        (["language=dutch", "corpus.cards=[udhr,iso_codes,udhr]"], "named more than once: udhr"),
        (["language=dutch", "bitext.cards=[udhr,udhr]"], "named more than once: udhr"),
        (["language=dutch", "language.source_code=nl"], "language.source_code='nl' is the target language's own"),
        (["language=dutch", "heads=hydra", "+heads.source_languages.nl=Dutch"], "'nl' is the target language itself"),
        (["language=dutch", "translation.prompt='no line'"], "must have {text}"),
        (
            ["language=dutch", "back_translation=seq2seq"],
            "back_translation.model=None: names no model; give one on the hub",
        ),
        (
            ["language=dutch", "heads=hydra", "repair=nfr", "repair.systems=[hydra_backft]"],
            "no such system is tuned with back_translation",
        ),
        (["language=dutch", "repair=nfr"], "repair=nfr: without a Hydra model nothing is translated; give heads=hydra"),
        (["language=dutch", "back_translation=base"], "back_translation=base: without a Hydra model nothing"),
        (
            ["language=dutch", "training.objective=masked"],
            "SmolLM2-135M-Instruct is a decoder; give training.",
        ),
        (["language=dutch", "base_model=tiny_random_encoder"], "tiny-random-encoder is an encoder; give training"),
        (["language=dutch", "heads=hydra", "question_answering=files"], "sets: names no questions; name a file: '+"),
        (["language=dutch", "repair=nfr", "repair.match=x"], "must have {match_source} and {match_target}, once each"),
        (["language=dutch", "repair=nfr", "repair.similarity=1"], "repair.similarity=1: input should be less than 1"),
        (["language=dutch", "decoding=bean"], "unknown decoding 'bean'. Did you mean 'beam'?"),
        (["language=dutch", "decoding.method=gready"], "unknown decoding.method 'gready'. Did you mean 'greedy'?"),
        (["language=dutch", "decoding=beam", "decoding.beams=1"], "decoding.beams=1: input should be greater"),
        (["language=dutch", "pivots=packaged"], "pivots.cards=None: the language's file names no pivots"),
        (["language=dutch", "+pivots.cards.en=[udhr]"], "pivots.cards.en: 'en' is the source language itself"),
        (["language=tatar", "+pivots.cards.tt=[udhr]"], "pivots.cards.tt: 'tt' is the target language itself"),
        (["language=tatar", "+pivots.cards.ru=[udhr,udhr]"], "named more than once: udhr"),
        (
            ["language=dutch", "replay.share=0.1", "replay.cards=[]"],
            "a share of the training text needs cards and a language",
        ),
        (["language=english", "replay=packaged"], "replay.language.code='en' is not the base model's language"),
        (["language=dutch", "mapping=keep", "calibration=unigram"], "mapping=keep maps no rows that could be"),
        (["language=dutch", "mapping=keep", "mapping.warmup=distill"], "it takes no options and no warm-up"),
        (["language=dutch", "optimizer=moun"], "unknown optimizer 'moun'. Did you mean 'muon'?"),
        (["language=dutch", "adapter=lora", "+training.adapter.foo=1"], "unknown key in training.adapter 'foo'"),
        (["language=dutch", "adapter=lora", "training.adapter.embeddings=false"], "nothing to train"),
        (["language=dutch", "training.objective=masked", "training.attention=document"], "give attention=causal"),
        (["language=dutch", "language.name=shared"], "language.name='shared' is taken"),
        (["language=dutch", "language.name=Dutch/x"], "language.name='Dutch/x'"),
    ],
)
def test_a_mistake_is_one_clear_line(overrides, said):
    with pytest.raises(UserError) as caught:
        load_config(overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("machine: {artifact: x}", "unknown key in machine 'artifact'. Did you mean 'artifacts'?"),
        ("machin: {artifacts: x}", "unknown key 'machin'. Did you mean 'machine'?"),
        ("cluster: one_gp", "unknown cluster 'one_gp'. Did you mean 'one_gpu'?"),
        ("training: {tokens: many}", "training.tokens='many' (set in"),
        ("machine: {account: '${nope}'}", "machine.account: Interpolation key 'nope' not found"),
        ("machine: {account: '???'}", "machine.account"),
        ("a b: 1", "cannot read 'a b'"),
        ("- machine", "must hold keys and values"),
        ("machine", "must hold keys and values"),
        ("machine: [", "is not YAML: expected"),
        (b"machine: {account: \xff}", "is not UTF-8 (byte 19)"),
    ],
)
def test_a_mistake_in_the_local_file_names_it(local, content, said):
    local.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = mistake([])
    assert said in message
    assert str(local) in message


def test_a_mistake_beside_the_local_file_does_not_name_it(local):
    local.write_text("machine: {account: me}\ncluster: one_gpu")
    for override in ("training.sed=3", "cluster.procesess=3", "cluster.processes=many"):
        assert str(local) not in mistake([override])


@pytest.mark.parametrize("content", ["", "machine:\n", "machine:\n\nrun:\n", "evaluation:\n  scoring:\n"])
def test_a_local_file_with_nothing_in_a_section_counts_as_empty(local, content):
    without = load_config(["language=dutch"])
    local.write_text(content)
    assert load_config(["language=dutch"]) == without


@pytest.mark.parametrize(
    "value", ["mé/🦒", "a\\b", 'it\'s "so"', "end\\", "end'\\", "two\nlines", "1", "a, b", "true", ""]
)
def test_a_value_of_the_local_file_is_taken_as_it_is(local, value):
    local.write_text(yaml.safe_dump({"machine": {"wandb_entity": value}, "cluster": {"launch_cpu": [value, "x"]}}))
    config = load_config(["language=dutch"])
    assert config.machine.wandb_entity == value
    assert config.cluster.launch_cpu == (value, "x")


def test_the_local_file_chooses_and_the_command_line_wins(local):
    local.write_text("cluster: one_gpu\nmachine: {account: me, artifacts: /a}\n")
    config = load_config(["language=dutch", "machine.account=you"])
    assert (config.cluster.name, config.machine.account, config.machine.downloads) == (
        "one_gpu",
        "you",
        Path("/a/downloads"),
    )
    assert load_config(["language=dutch", "cluster=local"]).cluster.name == "local"


def test_what_the_local_file_says_of_slurm_waits_until_slurm_is_chosen(local):
    local.write_text("cluster: {slurm: {gpu: {partition: gpu, options: [--constraint=h100]}}, array: {parallel: 4}}\n")
    for cluster in ([], ["cluster=one_gpu"]):
        assert load_config(["language=dutch", *cluster]).cluster.slurm is None
    slurm = load_config(["language=dutch", "cluster=slurm"]).cluster
    assert (slurm.slurm.gpu.partition, slurm.slurm.gpu.options) == ("gpu", ("--constraint=h100",))
    assert slurm.array.parallel == 4
    local.write_text("cluster: slurm\ncluster.slurm.gpu.partition: gpu\n")
    assert load_config(["language=dutch"]).cluster.slurm.gpu.partition == "gpu"
    assert load_config(["language=dutch", "cluster=local"]).cluster.slurm is None


def test_a_folder_may_begin_at_home(local):
    local.write_text("machine: {artifacts: ~/mt}\n")
    assert load_config(["language=dutch"]).artifacts == Path.home() / "mt"
    machine = load_config(["language=dutch", "machine.artifacts=~/other"]).machine
    assert machine.downloads == Path.home() / "other/downloads"


@pytest.mark.parametrize("value", ["", "."])
def test_the_project_s_root_is_no_artifact_folder(value):
    assert "names no folder of its own" in mistake([f"machine.artifacts={value}"])


def test_all_problems_are_reported_together():
    with pytest.raises(UserError) as caught:
        load_config(["language=dutch", "training.tokens=many", "+training.stepz=3", "tokenizer.vocabulary_size=big"])
    assert len(str(caught.value).splitlines()) == 3


def test_the_command_line_ends_with_status_2_and_no_traceback():
    command = [sys.executable, "-m", "pipeline", "adapt", "language=dutch", "+training.stepz=3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown key in training 'stepz'")
    assert len(done.stderr.splitlines()) == 1


def test_planning_never_imports_torch():
    code = "import sys; from pipeline import commands; commands.plan(['language=dutch'], False)\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_a_preset_s_sizes_win_over_those_of_the_language_s_packaged_text():
    small = load_config(["language=tatar"])
    assert small.training.tokens == small.packaged.training_tokens
    assert small.tokenizer.vocabulary_size == small.packaged.vocabulary_size
    assert load_config(["language=tatar", "training=tweety_two_stage"]).training.tokens == 106_500_000
    assert load_config(["language=tatar", "experiment=tweety_tatar"]).tokenizer.vocabulary_size == 32_000


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


def test_a_sweep_is_every_combination():
    assert split_sweep(["language=dutch", "mapping=mean,random", "training.seed=1,2"]) == [
        ["language=dutch", f"mapping={mapping}", f"training.seed={seed}"]
        for mapping in ("mean", "random")
        for seed in (1, 2)
    ]


def test_a_glob_is_every_file_of_the_group_that_matches():
    assert split_sweep(["language=dutch", "mapping=glob(*mean)"]) == [
        ["language=dutch", "mapping=mean"],
        ["language=dutch", "mapping=subtoken_mean"],
    ]


@pytest.mark.parametrize("sweep", ["mapping=glob(x*)", "training.seed=glob(*)", "training.seed=interval(0,1)"])
def test_a_sweep_that_cannot_be_listed_is_one_clear_line(sweep):
    with pytest.raises(UserError, match=sweep.partition("=")[0]) as caught:
        split_sweep(["language=dutch", sweep])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["config", "--language", "dutch", "--args", "'unbalanced"], "cannot read ARGS: no closing quotation"),
        (["config", "--language", "dutch", "--args"], "--args needs a value"),
        (["plan", "--language", "dutch", "--args", "-m mapping=glob(x*)"], "matches none of: aligned, calibrated"),
        (["config", "-m", "language=dutch"], "config takes one config; leave -m out"),
        (
            ["logs", "--step", "corpus", "--args", "--multirun language=dutch"],
            "logs takes one config; leave --multirun",
        ),
        (["logs", "--step", "-x", "--language", "dutch", "--args", ""], "unknown step '-x'. Available: adapted_model"),
        (["config", "--nosuch"], "unrecognized arguments: --nosuch"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(capsys, arguments, said):
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert said in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(("command", "flag"), [(name, flag) for name in ("adapt", "plan", "fetch") for flag in (0, 1)])
def test_a_multirun_is_handed_on(monkeypatch, command, flag):
    seen = []
    monkeypatch.setitem(PLANNED, command, lambda *given: seen.append(given) or 0)
    assert main([command, "--language", "dutch", "--args", "-m x=1,2" if flag else "x=1"]) == 0
    assert seen == [(["language=dutch", "x=1,2" if flag else "x=1"], bool(flag))]
