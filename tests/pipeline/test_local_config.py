from pathlib import Path

import pytest
import yaml

from pipeline import local_config
from pipeline.config import load_config
from pipeline.errors import UserError


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
