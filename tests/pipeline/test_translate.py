"""What `make translate` reads and writes, and what it says where it cannot; the model itself is a test of its stage."""

import json
import os
import shutil

import pytest

from pipeline import runs
from pipeline.__main__ import _expanded, _parser
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.translate import Request, made_model, read_request, source_language, write_lines

CONTENTS = ["", "\n", "one", "one\n", "one\n\ntwo\n", "\n\n", "a\u2028b\x0bc\r\nd\n", "\ufeffone\n"]
OPTIONS = ("from", "text", "file", "out", "decoding")


def request_for(**given):
    return Request(**({"source": "english", "text": "", "file": "", "out": "", "decoding": ""} | given))


@pytest.mark.parametrize("text", ["a house", "--file", "-m", "", "$(x) `y`\n'z'", "--language", "--args"])
def test_whatever_is_typed_arrives_as_it_is(text):
    words = ["translate", *(word for name in OPTIONS for word in (f"--{name}", text if name == "text" else ""))]
    words += ["--language", "dutch", "--args", "training.seed=2"]
    options = _parser().parse_args(_expanded(words))
    assert (options.text, options.source, options.overrides) == (text, "", ["language=dutch", "training.seed=2"])


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_has_as_many_lines_afterwards(tmp_path, content):
    (tmp_path / "in").write_bytes(content.encode())
    lines, ended = read_request(request_for(file=str(tmp_path / "in"), out=str(tmp_path / "out")))
    write_lines([line.strip("\ufeff") for line in lines], ended, str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes().decode() == content.removeprefix("\ufeff")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("lines", [[], [""], ["one", "", "two"]])
def test_as_many_lines_are_printed(lines, capsys):
    write_lines(lines, False, "")
    assert capsys.readouterr().out.split("\n")[:-1] == lines


def model_request(artifacts, *more):
    overrides = ["language=dutch", "experiment=smoke", "heads=hydra", f"machine.artifacts={artifacts}", *more]
    return load_config(overrides), overrides


def test_jobs_make_a_model_that_is_missing_and_nothing_of_it_is_among_the_translations(monkeypatch, capsys, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in (("squeue", "true"), ("sbatch", "echo 17")):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert made_model(*model_request(tmp_path, "cluster=slurm")) is None
    printed = capsys.readouterr()
    assert (printed.out, "Submitted " in printed.err) == ("", True)
    (begun,) = runs.run_files(tmp_path)
    assert json.loads(begun.read_text())["last"] == "hydra_model"


def test_a_model_that_the_disk_has_no_room_for_is_refused(monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="GB of disk"):
        made_model(*model_request(tmp_path))
    assert not runs.run_files(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give either TEXT"),
        ({"text": "a", "file": "b"}, "give either TEXT"),
        ({"file": "/nowhere/at/all"}, "cannot be read: No such file"),
        ({"text": "a", "out": "/nowhere/at/all"}, "OUT=/nowhere/at/all"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_before_a_model_is_made(given, said):
    with pytest.raises(UserError, match=said):
        read_request(request_for(**given))


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "in").write_bytes(b"caf\xe9\n")
    with pytest.raises(UserError, match="is not UTF-8 at byte 3"):
        read_request(request_for(file=str(tmp_path / "in")))


def test_a_text_that_is_not_utf_8_is_refused():
    with pytest.raises(UserError, match="TEXT is not UTF-8 at byte 6"):
        read_request(request_for(text=b"caf\xc3\xa9 \xe9".decode("utf-8", "surrogateescape")))


def test_the_source_language_is_one_that_the_model_reads():
    hydra = load_config(["language=tatar", "heads=hydra", "+heads.source_languages.de=German"])
    assert [source_language(name, hydra).code for name in ("english", "EN", "German", "de")] == ["en", "en", "de", "de"]
    with pytest.raises(UserError, match=r"is for it. It reads English \(en\), German \(de\)"):
        source_language("french", hydra)
    with pytest.raises(UserError, match="already"):
        source_language("tatar", hydra)
    with pytest.raises(UserError, match="which language"):
        source_language("", hydra)
    alone = load_config(["language=tatar", "heads=none"])
    assert source_language("dutch", alone).english_name == "Dutch"
