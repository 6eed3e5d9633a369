"""LANG is the locale too: it must count only where it was typed, and never be read by make or a shell."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from pipeline.__main__ import _expanded, _parser
from pipeline.provenance import ROOT


def make(*arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "MT_"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env={**clean, **environment}, capture_output=True, text=True, timeout=120
    )


def test_the_language_typed_is_the_language_taken():
    done = make("config", "LANG=tatar", LANG="en_US.UTF-8")
    assert done.returncode == 0, done.stderr
    assert "name: tatar" in done.stdout


@pytest.mark.parametrize("flags", [[], ["-e"]])
def test_the_locale_is_not_a_language(flags):
    done = make(*flags, "config", LANG="dutch")
    assert done.returncode == 2
    assert "which language?" in done.stderr
    assert "dutch" in done.stderr.partition("one of:")[2]
    assert "Traceback" not in done.stderr


def test_an_outer_makefile_hands_its_language_on(tmp_path):
    (tmp_path / "Makefile").write_text(
        f"typed:\n\t$(MAKE) -C {ROOT} config\n\ngiven:\n\t$(MAKE) -C {ROOT} config LANG=tatar\n"
    )
    assert "name: tatar" in make("typed", "LANG=tatar", folder=tmp_path).stdout
    assert "name: tatar" in make("given", folder=tmp_path, LANG="dutch").stdout
    assert "which language?" in make("typed", folder=tmp_path, LANG="dutch").stderr


@pytest.mark.parametrize(
    "value",
    [
        "$(shell touch {mark})",
        "`touch {mark}`",
        "; touch {mark}",
        "'; touch {mark} '",
        '"; touch {mark} "',
        "x\ntouch {mark}",
    ],
)
def test_a_language_with_shell_characters_runs_nothing(tmp_path, value):
    mark = tmp_path / "mark"
    done = make("config", "LANG=" + value.format(mark=mark))
    assert done.returncode == 2
    assert "unknown language" in done.stderr
    assert not mark.exists()


def test_arguments_are_handed_over_unread(tmp_path):
    mark = tmp_path / "mark"
    done = make("config", "LANG=dutch", f"ARGS=\"machine.wandb_entity='$(shell touch {mark})`touch {mark}`'\"")
    assert not mark.exists()
    assert done.returncode == 0, done.stderr
    assert "touch" in done.stdout


def test_a_multirun_may_be_asked_for_after_the_language():
    done = make("plan", "LANG=dutch", 'ARGS=-m "mapping=mean,random"')
    assert done.returncode == 0, done.stderr
    assert len(set(re.findall(r"adapted_model-\w+", done.stdout))) == 3  # two, and the baseline that they share


def test_a_step_may_be_named_anyhow():
    done = make("logs", "LANG=dutch", "STEP=-x")
    assert done.stderr.startswith("error: unknown step '-x'. Available: adapted_model")


@pytest.mark.parametrize(
    "token",
    [
        "huis",
        "▁één",
        "#123",
        "#",
        "het  huis ",
        "'\"`\\",
        "$(shell touch {mark})$x${{x}}`touch {mark}`; touch {mark} #",
        "a\nb\tc",
        "</script>",
        "--args",
        "--token",
        "-m",
        "漢字 🌷",
        "",
    ],
)
def test_a_token_arrives_as_it_was_typed(tmp_path, token):
    mark, token = tmp_path / "mark", token.format(mark=tmp_path / "mark")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"  # says what it was given
    python.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    python.chmod(0o755)
    (tmp_path / ".installed").touch()
    done = make("explain", "LANG=dutch", f"TOKEN={token}", f"VENV={tmp_path}", TOKEN="of the environment")
    assert done.returncode == 0, done.stderr
    given = done.stdout.split("\0")[2:-1]
    assert given == ["explain", "--token", token, "--language", "dutch", "--args", ""]
    assert not mark.exists()
    options = _parser().parse_args(_expanded(given))
    assert (options.token, options.overrides) == (token, ["language=dutch"])


@pytest.mark.parametrize("text", ["A house.", "$(shell touch {mark})`touch {mark}`$x #'\"\\", "--file", "a\nb", ""])
def test_a_text_arrives_as_it_was_typed_and_nothing_of_the_environment(tmp_path, text):
    mark, text = tmp_path / "mark", text.format(mark=tmp_path / "mark")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"  # says what it was given
    python.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    python.chmod(0o755)
    (tmp_path / ".installed").touch()
    words = ["LANG=dutch", "FROM=english", f"TEXT={text}", "DECODING=beam", f"VENV={tmp_path}"]
    done = make("translate", *words, FILE="a secret", OUT="another", TEXT="of the environment")
    assert done.returncode == 0, done.stderr
    given = done.stdout.split("\0")[2:-1]
    said = ["--from", "english", "--text", text, "--file", "", "--out", "", "--decoding", "beam"]
    assert given == ["translate", *said, "--language", "dutch", "--args", ""]
    assert not mark.exists()
    options = _parser().parse_args(_expanded(given))
    assert (options.source, options.text, options.overrides) == ("english", text, ["language=dutch"])


def test_a_token_of_the_environment_is_not_taken():
    done = make("explain", "LANG=dutch", TOKEN="a secret")
    assert done.returncode == 2
    assert "secret" not in done.stdout + done.stderr


def test_a_source_is_taken_only_where_it_was_typed(tmp_path):
    typed = make("trace", "SOURCE=udhr", f"ARGS=machine.artifacts={tmp_path}", SOURCE="vlc_ui")
    assert (typed.returncode, typed.stderr) == (0, "")
    assert "contains udhr" in typed.stdout
    mark = tmp_path / "mark"
    odd = make(
        "trace", f"SOURCE=$(shell touch {mark})`touch {mark}`; touch {mark}", f"ARGS=machine.artifacts={tmp_path}"
    )
    assert odd.returncode == 2
    assert "unknown source" in odd.stderr
    assert not mark.exists()
    missing = make("trace", SOURCE="udhr")
    assert missing.returncode == 2
    assert "which source?" in missing.stderr


def test_explain_says_what_to_run_first(tmp_path):
    done = make("explain", "LANG=dutch", "TOKEN=huis", f"ARGS=mapping=mean machine.artifacts={tmp_path}")
    assert done.returncode == 2
    assert "is not made yet: run `make adapt LANG=dutch ARGS='mapping=mean machine.artifacts=" in done.stderr


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        (["adapt"], "adapt --language"),
        (["adapt", "PLAN=1"], "plan --language"),
        (["train", "PLAN=1"], "train --plan --language"),
        (["leaderboard", "PLAN="], "leaderboard --language"),
        (["fetch"], "fetch --language"),
        (["gc", "APPLY=1"], "gc --apply --args"),
        (["languages", "MEASURE=1"], "languages --measure"),
    ],
)
def test_a_switch_is_on_where_it_is_1(typed, begins):
    done = make("-n", *typed, "LANG=dutch")
    assert done.returncode == 0, done.stderr
    assert f"python -m pipeline {begins}" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["adapt", "PLAN=yes"], "PLAN=yes: write PLAN=1, or leave it out"),
        (["leaderboard", "PLAN=yes"], "PLAN=yes: write PLAN=1, or leave it out"),
        (["gc", "APPLY=yes"], "APPLY=yes: write APPLY=1, or leave it out"),
        (["languages", "MEASURE=0"], "MEASURE=0: write MEASURE=1, or leave it out"),
        (["fetch", "PLAN=1"], "make fetch takes no PLAN"),
        (["translate", "PLAN=1"], "make translate takes no PLAN"),
    ],
)
def test_a_switch_that_would_be_overlooked_is_refused(typed, said):
    done = make("-n", *typed, "LANG=dutch")
    assert done.returncode == 2
    assert said in done.stderr
    assert "-m pipeline" not in done.stdout


def test_help_is_the_default():
    assert "make adapt LANG=dutch" in make().stdout
