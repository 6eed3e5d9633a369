import sys

import pytest

from pipeline import graph
from pipeline.config import CONF, load_config
from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.sources import current_lock

GROUPS = [path for path in sorted(CONF.glob("*/*.yaml")) if path.parent.name not in ("language", "experiment")]
EXPERIMENTS = [path.stem for path in sorted((CONF / "experiment").glob("*.yaml"))]


def planned(config):
    return graph.adapt(config, current_lock(config))


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
        **{f"base_model/{encoder}": ["training.objective=masked"] for encoder in ("robbert_v2", "tiny_random_encoder")},
        "optimizer/adamw_8bit": ["cluster=one_gpu"],
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


def test_a_preset_s_sizes_win_over_those_of_the_language_s_packaged_text():
    small = load_config(["language=tatar"])
    assert small.training.tokens == small.packaged.training_tokens
    assert small.tokenizer.vocabulary_size == small.packaged.vocabulary_size
    assert load_config(["language=tatar", "training=tweety_two_stage"]).training.tokens == 106_500_000
    assert load_config(["language=tatar", "experiment=tweety_tatar"]).tokenizer.vocabulary_size == 32_000
