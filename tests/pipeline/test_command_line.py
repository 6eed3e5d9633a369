import subprocess
import sys

import pytest

from pipeline.__main__ import PLANNED, main
from pipeline.provenance import ROOT


def test_a_kept_tokenizer_has_no_leaderboard_and_nothing_to_explain(capsys):
    for command in (["leaderboard", "--plan"], ["explain", "--token=huis"]):
        assert main([*command, "language=dutch", "mapping=keep"]) == 2
        assert "mapping=keep has no" in capsys.readouterr().err


def test_the_command_line_ends_with_status_2_and_no_traceback():
    command = [sys.executable, "-m", "pipeline", "adapt", "language=dutch", "+training.stepz=3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown key in training 'stepz'")
    assert len(done.stderr.splitlines()) == 1


def test_planning_never_imports_torch():
    code = "import sys; from pipeline import commands; commands.plan(['language=dutch'], False)\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["config", "--language", "dutch", "--args", "'unbalanced"], "cannot read ARGS: no closing quotation"),
        (["config", "--language", "dutch", "--args"], "--args needs a value"),
        (["plan", "--language", "dutch", "--args", "-m mapping=glob(x*)"], "matches none of: aligned, calibrated"),
        (["config", "-m", "language=dutch"], "config takes one config; leave -m out"),
        (
            ["logs", "--step", "corpus", "--args", "--multirun language=dutch"],
            "logs takes one config; leave --multirun",
        ),
        (["logs", "--step", "-x", "--language", "dutch", "--args", ""], "unknown step '-x'. Available: adapted_model"),
        (["config", "--nosuch"], "unrecognized arguments: --nosuch"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(capsys, arguments, said):
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert said in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(("command", "flag"), [(name, flag) for name in ("adapt", "plan", "fetch") for flag in (0, 1)])
def test_a_multirun_is_handed_on(monkeypatch, command, flag):
    seen = []
    monkeypatch.setitem(PLANNED, command, lambda *given: seen.append(given) or 0)
    assert main([command, "--language", "dutch", "--args", "-m x=1,2" if flag else "x=1"]) == 0
    assert seen == [(["language=dutch", "x=1,2" if flag else "x=1"], bool(flag))]
