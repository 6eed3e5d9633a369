"""A model spread over two processes trains as a whole one does, and its checkpoints fit any number of processes."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from sharding_case import __file__ as script
from sharding_case import run_until
from tiny_models import save_tiny_model
from training_case import PHASES, losses, make_model
from transformers import AutoModelForCausalLM

from pipeline.errors import UserError
from stages.shared.training.sharding import check_alike

# 8 steps; the second phase trains weights that the first leaves alone, the third lets go of some of them. In the last
# step, of 7 sequences, the second process has fewer than the first.
TRAINING = {
    "global_batch": 8,
    "phases": [
        PHASES[0] | {"share": 0.25},
        PHASES[1] | {"share": 0.5},
        PHASES[1] | {"share": 0.25, "name": "edges", "train": "1x1"},
    ],
}
SHARDED = {"sharding": "full"}
EVERY_STEP = {"checkpoint_seconds": 0.0}
STOP = 4
WATCH = {
    "every_steps": 100,
    "text": {"bytes": 1, "document_bytes": 1, "seed": 1},
    "prompts": ["een huis"],
    "max_new_tokens": 4,
}

pytestmark = pytest.mark.timeout(900)  # two processes that wait for each other crawl on a busy machine


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_tokens):
    """Train everything that the tests compare, two processes once, and return the folder with an output of each."""
    top = tmp_path_factory.mktemp("sharding")
    models = {
        kind: make_model(top / f"model_{kind}", tied=kind == "tied", num_hidden_layers=3) for kind in ("tied", "untied")
    }

    def case(out, kind, execution, **options):
        training = TRAINING | options.pop("training", {})
        paths = {"model": str(models[kind]), "tokens": str(tiny_tokens), "out": str(top / out)}
        return paths | {"execution": execution, "training": training} | options

    models["words"] = save_tiny_model(top / "model_words")
    for kind in ("tied", "untied"):
        run_until(case(f"{kind}_one", kind, {}))
    run_until(case("rounded_one", "tied", {}, training={"precision": "bfloat16"}))
    run_until(case("from_one", "untied", EVERY_STEP, stop=STOP))
    cases = [
        case("tied_two", "tied", SHARDED),
        case("untied_two", "untied", SHARDED | {"activation_checkpointing": True}),
        case("rounded_two", "tied", SHARDED, training={"precision": "bfloat16"}),
        case("from_two", "untied", SHARDED | EVERY_STEP, stop=STOP),
        case("from_one", "untied", SHARDED),
        case("watched_two", "words", SHARDED, training={"watch": WATCH, "phases": [PHASES[1] | {"share": 1.0}]}),
    ]
    (top / "cases.json").write_text(json.dumps(cases))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run([sys.executable, *launcher, script, str(top / "cases.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (top / "said.txt").write_text(done.stderr)
    shutil.copytree(top / "from_two", top / "checkpoint_of_two")
    run_until(case("from_two", "untied", {}))
    return top


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_two_processes_give_the_losses_and_weights_of_one(trained, kind):
    one, two = trained / f"{kind}_one", trained / f"{kind}_two"
    assert len(losses(one)) == 8
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    assert largest_difference(one, two) < 1e-5
    figures = [json.loads((out / "training.json").read_text()) for out in (one, two)]
    assert figures[1]["validation"] == pytest.approx(figures[0]["validation"], abs=1e-5)
    assert figures[1]["phases"] == figures[0]["phases"]


def test_a_head_that_the_config_ties_and_the_files_do_not_is_refused():
    table, head = ("model.embed_tokens.weight", (97, 16)), ("lm_head.weight", (97, 16))
    check_alike([table, head], [table, head])
    with pytest.raises(UserError, match=r"differ in 'lm_head\.weight', 97 x 16 .*cluster\.sharding=none"):
        check_alike([table, head], [table])


def test_with_rounded_products_too(trained):
    assert losses(trained / "rounded_two") == pytest.approx(losses(trained / "rounded_one"), abs=0.01)


def test_what_it_writes_is_a_model_like_any_other(trained):
    model = AutoModelForCausalLM.from_pretrained(trained / "tied_two")
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    stored = load_file(trained / "tied_two" / "model.safetensors")
    torch.testing.assert_close(stored["model.embed_tokens.weight"], model.get_input_embeddings().weight.detach())


@pytest.mark.parametrize("out", ["from_two", "from_one"])
def test_a_checkpoint_of_two_goes_on_in_one_and_the_other_way_round(trained, out):
    assert losses(trained / out) == pytest.approx(losses(trained / "untied_one"), abs=1e-5)
    assert largest_difference(trained / "untied_one", trained / out) < 1e-5


def test_a_checkpoint_holds_whole_tensors(trained):
    (newest,) = (trained / "checkpoint_of_two" / "checkpoints").glob(f"step-{STOP:08d}")
    weights, moments = (load_file(newest / name) for name in ("weights.safetensors", "optimizer.safetensors"))
    model = load_file(trained / "untied_one" / "model.safetensors")
    assert {name: tensor.shape for name, tensor in weights.items()} == {
        name: tensor.shape for name, tensor in model.items()
    }
    for name, weight in weights.items():
        assert moments[f"{name}/exp_avg"].shape == weight.shape


def test_that_no_samples_are_written_is_said_once(trained):
    assert not (trained / "watched_two" / "samples.jsonl").exists()
    assert (trained / "said.txt").read_text().count("no samples of text") == 1


def largest_difference(one, two):
    first, second = (load_file(out / "model.safetensors") for out in (one, two))
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)
