"""The presets compose below `corpus.rules`, and each of their rules can be changed or switched off."""

import pytest
from curation_case import ROOT
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pydantic import TypeAdapter
from stdnum import get_cc_module

from stages.shared.curation.settings import Rules


def composed(preset, *overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        config = compose(f"curation/{preset}", overrides=list(overrides))
    return TypeAdapter(Rules).validate_python(OmegaConf.to_container(config.corpus.rules, resolve=True))


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        ("none", []),
        ("packaged", ["mojibake", "script", "language", "personal_data"]),
        (
            "web",
            ["mojibake", "script", "c4", "gopher_quality", "gopher_repetition", "language", "personal_data"],
        ),
    ],
)
def test_presets_have_their_rules_in_order(preset, names):
    assert [rule.name for rule in composed(preset)] == names


def test_thresholds_change_on_the_command_line():
    changes = ["gopher_quality.min_words=20", "gopher_repetition.max_top_ngram.2=0.3", "c4=null"]
    found = {rule.name: rule.settings for rule in composed("web", *(f"corpus.rules.{x}" for x in changes))}
    assert found["gopher_quality"].min_words == 20
    assert found["gopher_repetition"].max_top_ngram[2] == 0.3
    assert "c4" not in found


def test_facts_of_languages_are_usable():
    found = {rule.name: rule.settings for rule in composed("web")}
    numbers = found["personal_data"].national_numbers
    assert all(get_cc_module(*name.split(".")) for names in numbers.values() for name in names)
    for phrases in found["c4"].line_phrases.values():
        assert len(set(phrases)) == len(phrases) >= 4
        assert all(phrase == phrase.lower().strip() for phrase in phrases)
    for code, words in found["gopher_quality"].stop_words.items():
        assert len(set(words)) == len(words) >= 8, code
