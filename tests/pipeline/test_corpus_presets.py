"""The papers' mixes as presets: which cards they name. That they plan is tested with all other choices."""

import pytest

from pipeline import graph
from pipeline.cards import load_cards
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.sources import current_lock

MIXES = {
    "chocollama": {
        "oscar_2301",
        "opensubtitles_documents",
        "wikipedia",
        "gutenberg",
        "dutch_legislation",
        "staatsblad",
        "job_descriptions",
    },
    "tweety": {"oscar_2301", "nllb"},
    "open": {"fineweb_2", "wikipedia", "nllb", "opensubtitles"},
}


@pytest.mark.parametrize("preset", MIXES)
def test_a_preset_is_the_paper_s_mix_and_holds_out_small_shares(preset):
    config = load_config(["language=dutch", f"corpus={preset}"])
    assert set(config.corpus.cards) == MIXES[preset]
    assert config.corpus.split == load_config(["language=dutch", "corpus=web"]).corpus.split


def test_the_default_is_what_packages_hold():
    assert load_config(["language=dutch"]).corpus == load_config(["language=dutch", "corpus=packaged"]).corpus


def test_the_open_mix_plans_without_a_pinned_opus_archive():
    config = load_config(["language=dutch", "corpus=open", "bitext=web"])
    corpus = next(step for step in graph.adapt(config, current_lock(config)) if step.name == "corpus")
    cards = {card.name: card for card in corpus.settings.cards}
    assert set(cards) == MIXES["open"]
    assert cards["nllb"].files == ()  # pinned when a run first fetches it


def test_pairs_from_the_web_are_curated_and_those_of_packages_are_as_they_came():
    recipes = {}
    for preset in ("packaged", "web"):
        config = load_config(["language=dutch", f"bitext={preset}"])
        steps = {step.name: step for step in graph.adapt(config, current_lock(config))}
        recipes[preset] = steps["bitext"].recipe
    rules = {"ftfy", "phonenumbers", "python-stdnum"}
    assert rules <= set(recipes["web"]["libraries"])
    assert not rules & set(recipes["packaged"]["libraries"])
    assert set(recipes["web"]["settings"]["bitext"]) - set(recipes["packaged"]["settings"]["bitext"]) == {
        "rules",
        "placeholders",
    }
    assert recipes["web"]["settings"]["bitext"]["side_repeats"]["targets_per_source"] == 10
    assert recipes["packaged"]["settings"]["bitext"]["side_repeats"]["targets_per_source"] is None


def test_all_problems_of_a_plan_s_cards_are_reported_together():
    config = load_config(["language=chuvash", "corpus.cards=[wikipedia,opensubtitles,wikipeda]", "bitext.cards=[nllb]"])
    with pytest.raises(UserError) as caught:
        graph.adapt(config, current_lock(config))
    said = str(caught.value).splitlines()
    assert len(said) == 3
    for line, name in zip(said, ("opensubtitles", "'wikipeda'", "nllb"), strict=True):
        assert name in line


def test_cards_that_nothing_reads_are_no_problem():
    config = load_config(["language=chuvash", "mapping=subtoken_mean", "bitext.cards=[nllb]"])
    assert graph.adapt(config, current_lock(config))[-1].name == "report"


def test_no_preset_of_the_project_names_a_withdrawn_card():
    cards = load_cards()
    withdrawn = {name for name, card in cards.items() if card.withdrawn}
    assert not withdrawn & set().union(*MIXES.values())
