"""The whole chain, `experiment=smoke`: every stage for real on a tiny random Llama and a few hundred real lines."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from smoke_chain import command, hashes, run

from pipeline import lock, store
from pipeline.provenance import ROOT

pytestmark = pytest.mark.timeout(600)


def test_one_command_makes_all_that_the_contract_names(finished):
    artifacts, done = finished
    latest = artifacts / "dutch" / "latest"
    results = json.loads((latest / "results.json").read_text())
    systems = {system["name"]: system for system in results["systems"]}
    assert set(systems) == {"source", "source_finetuned", "random", "mapped", "adapted"}
    for system in systems.values():
        assert system["bits_per_byte_low"] <= system["bits_per_byte"] <= system["bits_per_byte_high"]
    assert systems["adapted"]["bits_per_byte"] < systems["mapped"]["bits_per_byte"]
    assert systems["adapted"]["tokens_trained"] > 0
    assert systems["mapped"]["tokens_trained"] == 0
    names = ["base_model", "corpus", "bitext", "tokenizer", "alignment", "initialized_model", "adapted_model", "report"]
    for name in names:
        assert store.read_manifest(latest / name) is not None
    page = (latest / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<dt>Mapping</dt><dd>aligned, calibrated</dd>" in page
    assert "Report:" in done.stdout


def test_models_are_plain_hugging_face_folders(finished):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    latest = finished[0] / "dutch" / "latest"
    for name in ("base_model", "initialized_model", "adapted_model"):
        model = AutoModelForCausalLM.from_pretrained(latest / name)
        tokenizer = AutoTokenizer.from_pretrained(latest / name)
        assert model.get_input_embeddings().weight.shape[0] == model.config.vocab_size >= len(tokenizer)
        ids = tokenizer("Nee, ik ben geen giraf.", return_tensors="pt").input_ids
        assert model(ids).logits.isfinite().all()


def test_equal_bytes_were_trained_on_in_both_systems(finished):
    manifests = [store.read_manifest(folder) for folder in store.final_artifacts(finished[0])]
    packed = [manifest["metrics"]["bytes"] for manifest in manifests if manifest["artifact"] == "packed_tokens"]
    assert len(packed) == 2
    assert packed[0] == packed[1] > 0


def test_a_token_of_the_run_is_explained(finished):
    artifacts, _ = finished
    done = subprocess.run(
        command(artifacts, "--token=de", name="explain"), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "▁de " in done.stdout
    for part in ("how: ", "source token", "expected count", "nearest rows"):
        assert part in done.stdout
    assert "not recorded" not in done.stdout
    page = (artifacts / "dutch" / "latest" / "report.html").read_text()
    assert '" de"' in page.partition('id="token-data"')[2]


def test_a_second_run_does_nothing_and_says_so(finished):
    artifacts, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (artifacts / "dutch").glob("*-*/manifest.json")}
    done = run(artifacts)
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout
    assert "Made " not in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (artifacts / "dutch").glob("*-*/manifest.json")}


def test_training_alone_is_part_of_it_and_says_where_the_model_is(finished):
    artifacts, _ = finished
    before, report = hashes(artifacts), (artifacts / "dutch" / "latest").resolve()
    done = subprocess.run(command(artifacts, name="train"), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout
    folder = Path(done.stdout.partition("Adapted model: ")[2].strip())
    assert folder == (artifacts / "dutch" / "latest" / "adapted_model").resolve()
    looks = [json.loads(line) for line in (folder / "held_out.jsonl").read_text().splitlines()]
    assert {(look["step"], look["text"]) for look in looks} >= {(0, "target"), (0, "source")}
    assert len((folder / "samples.jsonl").read_text().splitlines()) >= 6
    assert hashes(artifacts) == before
    assert (artifacts / "dutch" / "latest").resolve() == report


def test_plan_says_why_and_runs_nothing(finished):
    artifacts, _ = finished
    before = hashes(artifacts)
    done = subprocess.run(
        command(artifacts, "mapping=mean", name="plan"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert "method: aligned -> mean" in done.stdout
    assert "7 of " in done.stdout  # English to be watched among them, as there is no bitext
    assert hashes(artifacts) == before


def test_a_multirun_shares_what_is_common_and_ends_in_one_table(finished):
    artifacts, _ = finished
    before = set(hashes(artifacts))
    done = run(artifacts, "-m", "mapping=calibrated,mean", "evaluation.baselines=[]")
    assert done.returncode == 0, done.stderr[-3000:]
    made = sorted(name.rpartition("-")[0] for name in set(hashes(artifacts)) - before)
    watched = ["corpus", "held_out_text"]  # English, as there is no bitext
    ours = ["adapted_model", "evaluation", "evaluation", "initialized_model", "report", "report"]
    assert made == sorted([*ours, *watched])
    assert "mapping=mean" in done.stdout
    assert "mapping=calibrated" in done.stdout


def test_the_leaderboard_compares_mappings_on_the_chains_own_artifacts_and_joins_the_report(finished):
    artifacts, _ = finished
    latest = artifacts / "dutch" / "latest"
    before = set(hashes(artifacts))
    fewer = ["leaderboard.methods=[subtoken_mean,calibrated]", "leaderboard.baselines=[]", "leaderboard.contenders=0"]
    done = subprocess.run(
        command(artifacts, *fewer, name="leaderboard"), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made = sorted(name.rpartition("-")[0] for name in set(hashes(artifacts)) - before)
    assert made == ["initialized_model", "leaderboard", "packed_tokens", "probe", "probe", "report"]
    found = json.loads((latest / "leaderboard.json").read_text())
    assert found["default"] == "calibrated"
    assert {row["method"] for row in found["methods"]} == {"subtoken_mean", "calibrated"}
    assert all(set(row["bits_per_byte"]) == {"0", "2", "4", "end"} for row in found["methods"])
    assert len(json.loads((latest / "results.json").read_text())["systems"]) == 5
    assert found["claim"] in (latest / "report.html").read_text().replace("&#39;", "'")
    assert "The default, calibrated, is" in done.stdout
    run(artifacts)  # the adaptation alone is the latest run again, and keeps the leaderboard
    assert json.loads((latest / "leaderboard.json").read_text())["run"] == found["run"]


def test_verify_finds_a_changed_byte(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy, symlinks=True)
    checked = subprocess.run(command(copy, name="verify"), cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    target = next(copy.glob("dutch/corpus-*/train.parquet/*"))
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    checked = subprocess.run(command(copy, name="verify"), cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 1
    assert str(target) in checked.stdout


@pytest.mark.parametrize(
    ("name", "kills", "own"),
    [("corpus", 3, "corpus_report"), pytest.param("adapt", 6, "report", marks=pytest.mark.slow)],
)
def test_killed_at_any_moment_and_run_twice_at_once_it_gives_the_same_bytes(finished, tmp_path, name, kills, own):
    """On one core, in a folder of another name, with other hash seeds, by two runs at once, killed again and again."""
    artifacts = tmp_path / "elsewhere"
    rng = random.Random(7)
    core = str(sorted(os.sched_getaffinity(0))[0])

    def start() -> subprocess.Popen:
        environment = {**os.environ, "PYTHONHASHSEED": str(rng.randrange(1000))}
        return subprocess.Popen(
            ["taskset", "--cpu-list", core, *command(artifacts, "evaluation.baselines=[]", name=name)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def held() -> bool:
        return any(lock.holder(path) for path in artifacts.glob("*/steps/*/lock"))

    under_way = 0
    for _ in range(kills):
        both = [start(), start()]
        while not (held() or all(process.poll() is not None for process in both)):
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 5))
        for process in both:
            with contextlib.suppress(ProcessLookupError):  # all was made before
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        under_way += bool(list(artifacts.glob("*/*.unfinished")))
        for folder in store.final_artifacts(artifacts):
            assert store.verify(folder) == []
    assert under_way
    both = [start(), start()]
    assert [process.wait() for process in both] == [0, 0]
    made, undisturbed = hashes(artifacts), hashes(finished[0])
    differing = {folder for folder, files in made.items() if files != undisturbed.get(folder)}
    # The report tells of one system less; the corpus' own is no part of the other run.
    assert [folder.partition("-")[0] for folder in differing] == [own]


def test_status_names_the_failed_log(finished):
    too_large = "tokenizer.vocabulary_size=200000"
    failing = run(finished[0], too_large)
    assert failing.returncode == 2
    assert "largest possible" in failing.stderr
    assert "Traceback" not in failing.stderr
    shown = subprocess.run(command(finished[0], too_large, name="status"), cwd=ROOT, capture_output=True, text=True)
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("tokenizer failed: ")]
    assert "largest possible" in Path(line.partition("Log: ")[2]).read_text()
    assert "finished" in shown.stdout
