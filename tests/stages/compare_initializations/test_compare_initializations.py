"""The leaderboard's figures on curves worked out by hand, and what its page says."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stages.compare_initializations.curves import (
    Curve,
    bits_per_byte,
    draw,
    interval,
    mean_height,
    resampled,
    steps_to_reach,
)
from stages.compare_initializations.page import chart, render_section
from stages.compare_initializations.rivals import read_rivals
from stages.compare_initializations.settings import CompareInitializationsSettings, ComparisonSettings, Rival
from stages.compare_initializations.stage import compare_initializations
from stages.compare_initializations.table import leaderboard_table

COMPARISON = ComparisonSettings(bootstrap_samples=400, confidence=0.95, seed=1)
STEPS = [0, 10, 25, 60]
LENGTHS = [100, 50, 200, 150, 100, 80]
GROUPS = ["page 1", "page 2", "page 2", "page 3", "page 4", "page 5"]
RATES = (1e-4, 1e-3, 1e-2)


def write_probe(folder, heights, seed_shift=0.0, noise=0.0, domains=("own", "other"), rate=1e-3):
    """Write a probe whose documents have `heights` bits per byte at the marks, give or take a document's noise."""
    folder.mkdir(parents=True)
    wobble = noise * np.random.default_rng(len(folder.name)).standard_normal(len(LENGTHS))
    nll = {
        name: ((height + seed_shift + wobble) * np.array(LENGTHS) * math.log(2)).tolist()
        for name, height in zip(("0", "10", "25", "end"), heights, strict=True)
    }
    figures = {"bytes": LENGTHS, "nll": nll, "groups": GROUPS, "sha256": "same"}
    selection = [{"learning_rate": rate, "step": 15, "bits_per_byte": 2.0} for rate in RATES]
    probe = {"learning_rate": rate, "selection": selection, "tokens_per_step": 512, "steps": STEPS}
    probe["domains"] = dict.fromkeys(domains, figures)
    (folder / "probe.json").write_text(json.dumps(probe))
    return folder


def write_model(folder, seconds, **further):
    folder.mkdir(parents=True)
    (folder / "mapping.json").write_text(json.dumps({"mapped_share": 0.75}))
    metrics = {"map_seconds": seconds - 0.25, "tables_seconds": 0.25, "calibration_seconds": 0.25, **further}
    (folder / "manifest.json").write_text(json.dumps({"seconds": 9.0, "metrics": metrics}))
    return folder


@pytest.fixture
def case(tmp_path):
    """Return settings and inputs: `good` is better than `subtoken_mean`, `same` cannot be told from it."""
    inputs, rivals = {}, []
    heights = {
        "good": (3.0, 2.0, 1.8, 1.5),
        "subtoken_mean": (3.0, 2.6, 2.4, 2.0),
        "same": (3.0, 2.6, 2.4, 2.01),
        "source_finetuned": (2.5, 2.2, 2.1, 1.9),
    }
    for name, curve in heights.items():
        seeds = (1, 2) if name == "good" else (1,)
        for seed in seeds:
            folder = tmp_path / f"probe-{name}-{seed}"
            inputs[f"probe_{name}_{seed}"] = write_probe(
                folder, curve, seed_shift=0.2 * (seed - 1), noise=0.3 if name == "same" else 0
            )
        if name != "source_finetuned":
            warmup = {"warmup_seconds": 60.0} if name == "same" else {}
            inputs[f"model_{name}"] = write_model(tmp_path / f"model-{name}", 1.25, **warmup)
        evidence = ("model_good",) if name == "good" else ()
        rivals.append(Rival(name=name, seeds=seeds, made_by="aligned", evidence=evidence))
    settings = CompareInitializationsSettings(
        language_name="dutch",
        base_model_name="tiny",
        mode="embeddings",
        default="good",
        rivals=tuple(rivals),
        left_out={"wechsel": "it needs <a dictionary>"},
        comparison=COMPARISON,
    )
    return settings, inputs


def test_the_leaderboard_holds_what_its_contract_names(case, tmp_path):
    settings, inputs = case
    out = tmp_path / "leaderboard-0123456789ab.unfinished"
    out.mkdir()
    compare_initializations(settings, inputs, out, None)
    found = json.loads((out / "leaderboard.json").read_text())
    assert (found["run"], found["default"], found["mode"]) == ("0123456789ab", "good", "embeddings")
    rows = {row["method"]: row for row in found["methods"]}
    assert set(rows) == {"good", "subtoken_mean", "same", "source_finetuned", "source"}
    good = rows["good"]
    assert good["bits_per_byte"]["end"] == pytest.approx(1.5)  # of the seed that all rows have
    assert good["end_by_seed"] == pytest.approx({"1": 1.5, "2": 1.7})
    assert good["seconds_to_map"] == 1.5
    assert rows["same"]["seconds_to_map"] == 61.5  # with its warm-up
    assert good["seconds_of_evidence"] == 9.0
    assert good["mapped_share"] == 0.75
    assert set(good["better_than"]) == {"subtoken_mean", "same", "source_finetuned", "source"}
    assert "subtoken_mean" in rows["same"]["ties_with"]
    assert "good" in rows["source_finetuned"]["worse_than"]
    assert set(good["other_domain"]) >= {"0", "10", "25", "end", "better_than", "ties_with"}
    # 3.0 at step 0, 2.0 at step 10, with the shared seed alone: the yardstick's 2.0 is reached at step 10.
    assert good["tokens_to_subtoken_mean"] == 10 * 512
    assert rows["source"]["bits_per_byte"] == pytest.approx({"0": 2.5, "10": 2.5, "25": 2.5, "end": 2.5})
    assert rows["source"]["tokens_to_subtoken_mean"] is None


def test_the_page_says_who_wins_what_is_tied_and_what_was_left_out(case, tmp_path):
    settings, inputs = case
    compare_initializations(settings, inputs, tmp_path, None)
    page = (tmp_path / "report.html").read_text()
    assert "The default, good, is in the corpus&#39;s own domain better than" in page
    assert "it needs &lt;a dictionary&gt;" in page
    assert (tmp_path / "section.html").read_text() in page


def test_who_cannot_write_all_of_the_text_is_named(case, tmp_path):
    settings, inputs = case
    path = inputs["probe_source_finetuned_1"] / "probe.json"
    told = json.loads(path.read_text())
    told["domains"] = {name: {**figures, "unknown_tokens": 600} for name, figures in told["domains"].items()}
    path.write_text(json.dumps(told))
    compare_initializations(settings, inputs, tmp_path, None)
    rows = json.loads((tmp_path / "leaderboard.json").read_text())["methods"]
    unknown = {row["method"]: row["unknown_tokens"] for row in rows if "unknown_tokens" in row}
    assert unknown == {"source": 1200, "source_finetuned": 1200}
    page = (tmp_path / "report.html").read_text()
    assert page.count("tokens of the held-out text are unknown ones") == 2
    assert "<strong>source</strong>: 1,200 tokens" in page


def test_documents_of_a_group_are_drawn_together_and_the_page_tells_how_many_groups(case, tmp_path):
    settings, inputs = case
    (entry, *_) = read_rivals(settings.rivals, inputs)
    curve = entry.curves["own"]
    assert curve.lengths.tolist() == [100, 250, 150, 100, 80]
    assert curve.nll[1][0] == pytest.approx(3.0 * curve.lengths * math.log(2))
    compare_initializations(settings, inputs, tmp_path, None)
    assert json.loads((tmp_path / "leaderboard.json").read_text())["domains"]["own"] == {
        "documents": 6,
        "groups": 5,
        "bytes": 680,
    }
    assert "6 documents of 5 groups" in (tmp_path / "report.html").read_text()


def test_a_rate_at_the_edge_of_those_tried_is_marked(case, tmp_path):
    settings, inputs = case
    for rate in RATES:
        inputs |= {"probe_same_1": write_probe(tmp_path / f"probe-{rate}", (3, 2, 2, 2), rate=rate)}
        entry = next(entry for entry in read_rivals(settings.rivals, inputs) if entry.name == "same")
        assert entry.rate_edge == {RATES[0]: "lowest", RATES[-1]: "highest"}.get(rate)
    found = compare_initializations(settings, inputs, tmp_path, None)
    assert found["same"] == pytest.approx(2)
    assert "0.01 ↑" in (tmp_path / "report.html").read_text()
    console = Console(record=True, width=300)
    console.print(leaderboard_table(json.loads((tmp_path / "leaderboard.json").read_text())))
    assert "0.01 ↑" in (said := console.export_text())
    assert "one beyond may be better" in said


def test_no_two_lines_of_a_chart_look_alike_and_each_label_looks_like_its_line(case, tmp_path):
    compare_initializations(*case, tmp_path, None)
    found = json.loads((tmp_path / "leaderboard.json").read_text())
    found["methods"] = [{**found["methods"][0], "method": f"method {number}"} for number in range(20)]
    styles = [line.style for line in chart(found, "own").lines]
    assert len(set(styles)) == len(styles) == 20
    page = render_section(found)
    for style in styles:
        assert f'<polyline class="{style}" points' in page
        assert f'<span class="end {style}" style' in page


def test_probes_of_different_text_are_not_compared(case, tmp_path):
    settings, inputs = case
    other = write_probe(tmp_path / "probe-odd", (3, 2, 2, 2), domains=("own",))
    probe = json.loads((other / "probe.json").read_text())
    probe["domains"]["own"]["sha256"] = "another"
    (other / "probe.json").write_text(json.dumps(probe))
    with pytest.raises(ValueError, match="different text"):
        read_rivals(settings.rivals, {**inputs, "probe_same_1": other})


@given(st.lists(st.floats(0.5, 5), min_size=4, max_size=4), st.integers(1, 3))
def test_a_constant_shift_of_all_documents_is_found_exactly(heights, seeds):
    lengths = np.array(LENGTHS, dtype=float)
    nll = np.outer(heights, lengths) * math.log(2)
    curve = Curve(dict.fromkeys(range(seeds), nll), lengths, tuple(STEPS), len(LENGTHS))
    shifted = Curve({seed: nll + 0.1 * lengths * math.log(2) for seed in range(seeds)}, lengths, tuple(STEPS), 6)
    draws, names = draw(len(lengths), 50, 1), tuple(range(seeds))
    assert bits_per_byte(curve, names).mean(axis=0) == pytest.approx(heights)
    difference = resampled(shifted, names, draws) - resampled(curve, names, draws)
    assert np.allclose(difference, 0.1)
    by_seed = (bits_per_byte(shifted, names) - bits_per_byte(curve, names))[:, -1]
    assert interval(difference[:, -1], by_seed, 0.95) == pytest.approx((0.1, 0.1))
    assert mean_height(np.array(heights), tuple(STEPS)) <= max(heights) + 1e-9


def test_the_interval_covers_the_truth_where_only_the_order_of_the_text_is_chance():
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        by_seed = generator.normal(0.3, 0.1, size=3)
        low, high = interval(np.full(50, by_seed.mean()), by_seed, 0.95)
        hits += low <= 0.3 <= high
    assert 0.92 <= hits / 400 <= 0.98


@given(st.floats(0.1, 2.9))
def test_the_step_that_reaches_a_goal_lies_on_the_line_between_marks(goal):
    found = steps_to_reach(np.array([[3.0, 2.0, 1.0, 0.0]]), (0, 10, 20, 30), np.array([goal]))[0]
    assert found == pytest.approx((3.0 - goal) * 10)
