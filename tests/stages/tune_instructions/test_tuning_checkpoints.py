"""What is said of checkpoints that a killed tuning left half-written."""

from stages.tune_instructions.progress import WHOLE, newest_checkpoint


def test_what_is_gone_back_to_is_named_and_nothing_where_there_is_none(tmp_path, capsys):
    for step in (3, 6):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-3" / WHOLE).touch()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-3"
    assert capsys.readouterr().err.endswith("checkpoint-6 is torn; going back to checkpoint-3\n")
    (tmp_path / "checkpoint-3" / WHOLE).unlink()
    assert newest_checkpoint(tmp_path) is None
    assert capsys.readouterr().err.endswith("checkpoint-3 is torn; there is none to go on from\n")
