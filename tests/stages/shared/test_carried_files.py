"""What a trained model's folder takes over from the model that it was trained from."""

import pytest

from stages.continue_pretraining.journal import FILES as JOURNAL
from stages.shared.carried_files import carry_over
from stages.shared.mapping_files import FILES as MAPPING

MODEL = ["config.json", "modeling.py", "tokenizer.json", "tokenizers/tt/tokenizer.json", "tokenizers/en/vocab.txt"]
WEIGHTS = ["model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]
OTHERS = ["manifest.json", "training.json", "tuning.json", "answers.json", *MAPPING]


@pytest.fixture
def source(tmp_path):
    for name in (*MODEL, *WEIGHTS, *JOURNAL, *OTHERS):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "source"


def test_the_model_goes_along_and_what_was_written_down_of_its_making_stays(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.json").write_text("of before")
    (out / "metrics.jsonl").write_text("its own")
    carry_over(source, out)
    found = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert found == {name: name for name in MODEL} | {"metrics.jsonl": "its own"}
