"""Scores and intervals against sacrebleu itself, on real pairs."""

from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from stages.evaluate_translation.scores import compare, figures, score
from stages.shared.bootstrap import Bootstrap
from stages.shared.paired import interval
from stages.shared.verdict import judge_gain

PAIRS = [line.split("\t") for line in Path("tests/data/en-nl.tsv").read_text(encoding="utf-8").splitlines()[:60]]
REFERENCES = [target for _, target in PAIRS]
LINES = [f"line {number}" for number in range(len(PAIRS))]
COPIES = [source for source, _ in PAIRS]
CUT = [" ".join(target.split()[1:]) for target in REFERENCES]
BOOTSTRAP = Bootstrap(samples=200, confidence=0.95, seed=1)


@pytest.fixture(scope="module")
def scored():
    outputs = {"copy": COPIES, "cut": CUT, "reference": REFERENCES}
    return {name: score(texts, REFERENCES, LINES, BOOTSTRAP) for name, texts in outputs.items()}


def test_scores_and_signatures_are_sacrebleus(scored):
    for name, metric in {"chrf": CHRF(), "chrf_plus_plus": CHRF(word_order=2), "bleu": BLEU()}.items():
        assert scored["cut"].values[name] == metric.corpus_score(CUT, [REFERENCES]).score
        assert scored["cut"].signatures[name] == str(metric.get_signature())
    assert "nrefs:1" in scored["cut"].signatures["chrf"]


def test_a_sample_is_the_score_of_the_sentences_drawn(scored):
    drawn = np.random.default_rng(BOOTSTRAP.seed).integers(0, len(CUT), size=(BOOTSTRAP.samples, len(CUT)))
    for sample in (0, 7):
        texts, references = ([lines[number] for number in drawn[sample]] for lines in (CUT, REFERENCES))
        for name, metric in {"chrf": CHRF(), "bleu": BLEU()}.items():
            expected = metric.corpus_score(texts, [references]).score
            assert scored["cut"].resampled[name][sample] == pytest.approx(expected, abs=1e-9)


def test_the_interval_is_around_the_score(scored):
    found = figures(scored["cut"], 0.95)
    assert found["chrf_low"] < found["chrf"] < found["chrf_high"]
    assert figures(scored["cut"], 0.5)["chrf_low"] > found["chrf_low"]


def test_comparisons_are_paired_and_say_which_is_better(scored):
    better = compare(scored["cut"], scored["copy"], "chrf", 0.95)
    assert better["verdict"] == "better"
    assert better["difference"] == scored["cut"].values["chrf"] - scored["copy"].values["chrf"]
    assert better["p_value"] == pytest.approx(1 / 201)
    assert compare(scored["copy"], scored["cut"], "chrf", 0.95)["verdict"] == "worse"
    alike = compare(scored["cut"], scored["cut"], "chrf", 0.95)
    assert (alike["verdict"], alike["difference_low"], alike["p_value"]) == ("tie", 0.0, 1.0)


def test_lines_of_one_origin_are_drawn_together():
    groups = [f"page {number // 6}" for number in range(len(CUT))]
    whole = score(CUT, REFERENCES, groups, BOOTSTRAP)
    pages = len(set(groups))
    for sample, drawn in enumerate(np.random.default_rng(BOOTSTRAP.seed).integers(0, pages, size=(3, pages))):
        numbers = [number for page in drawn for number in range(6 * page, 6 * page + 6)]
        texts, references = ([lines[number] for number in numbers] for lines in (CUT, REFERENCES))
        expected = CHRF().corpus_score(texts, [references]).score
        assert whole.resampled["chrf"][sample] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("lines", [1, 5])
def test_one_origin_has_no_interval(lines):
    one = score(CUT[:lines], REFERENCES[:lines], ["page"] * lines, BOOTSTRAP)
    assert interval(one.resampled["chrf"], 0.95) == (None, None)
    assert compare(one, one, "chrf", 0.95) == {
        "difference": 0.0,
        "difference_low": None,
        "difference_high": None,
        "p_value": None,
        "verdict": "unknown",
    }


def test_an_interval_that_touches_nothing_but_its_side_decides():
    assert [judge_gain(*ends) for ends in ((0.1, 2.0), (-2.0, -0.1), (-0.1, 0.1), (0.0, 1.0))] == [
        "better",
        "worse",
        "tie",
        "tie",
    ]
