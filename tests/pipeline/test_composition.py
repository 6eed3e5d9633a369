import shutil

import hydra
import pytest
from omegaconf import OmegaConf

from pipeline.composition import chosen_files, compose
from pipeline.config import CONF

DUTCH = "language=dutch"


def outcome(composed, overrides):
    """What came out: the whole YAML with its order and interpolations, or each exception down to the first cause."""
    try:
        return OmegaConf.to_yaml(composed(overrides), resolve=False)
    except Exception as error:
        said, cause = [], error
        while cause is not None:
            said.append((type(cause), str(cause)))
            cause = cause.__cause__
        return said


def of_hydra(overrides):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("adapt", overrides=overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        [
            "training.seed=3",
            "mapping=random",
            "language=tatar",
            "machine.account=${oc.env:HOME}",
            "+hub.first_bytes.a=1_0",
            "~machine.partition",
            "evaluation.baselines=[]",
            "mapping=mean",  # the later choice wins
            "experiment=smoke",
            "experiment=tweety_tatar",
            "++training.new.deep=[1,{a: b}]",
            "mapping.method=x",
        ],
        [DUTCH, "~mapping"],
        [DUTCH, "training.seed=3", "~training.sed", "mapping=nosuch"],  # a missing file comes first
        [DUTCH, "+training.seed=3"],
        [DUTCH, "~training.seed=8"],
        [DUTCH, "training@x.seed=3"],
        [DUTCH, "training.phases.0.name={a: 1}"],
        [DUTCH, "mapping={a: 1}", "training.sed=3"],
        [DUTCH, "nosuch/group=3"],
        [DUTCH, "training.seed=1,2"],
        ["training.seed=3"],
    ],
    ids=lambda overrides: overrides[-1],
)
def test_values_and_mistakes_are_hydra_s_own(overrides):
    compose(CONF, [DUTCH])  # what is kept of other compositions makes no difference
    expected = outcome(of_hydra, overrides)
    for _ in range(2):
        assert outcome(lambda given: compose(CONF, given), overrides) == expected


def test_a_composition_does_not_change_the_next():
    first = compose(CONF, [DUTCH])
    before = OmegaConf.to_yaml(first)
    first.training.seed = 99
    compose(CONF, [DUTCH, "+training.new=1", "~machine"])
    assert OmegaConf.to_yaml(compose(CONF, [DUTCH])) == before


def test_files_changed_or_elsewhere_are_read_anew(tmp_path):
    conf = shutil.copytree(CONF, tmp_path / "conf")
    file = conf / "calibration" / "unigram.yaml"
    text = file.read_text()
    assert "seen" not in compose(conf, [DUTCH]).calibration
    file.write_text(text + "\nseen: 1\n")
    assert compose(conf, [DUTCH]).calibration.seen == 1
    assert "seen" not in compose(CONF, [DUTCH]).calibration
    (tmp_path / "more" / "mapping").mkdir(parents=True)
    (tmp_path / "more" / "mapping" / "own.yaml").write_text("seen: 2\n")
    more = [DUTCH, "mapping=own", f"hydra.searchpath=[file://{tmp_path / 'more'}]"]
    assert compose(CONF, more).mapping == {"seen": 2}


def test_the_chosen_file_is_told_even_where_nobody_named_it():
    chosen = chosen_files(CONF, [DUTCH, "mapping=mean", "training.seed=3"])
    assert (chosen["mapping"], chosen["language"], chosen["cluster"]) == ("mean", "dutch", "local")
    assert chosen_files(CONF, [DUTCH])["mapping"] == "calibrated"
