import yaml
from pydantic import TypeAdapter
from tiny_models import save_tiny_model

from pipeline.provenance import ROOT
from stages.shared.decoding.settings import DecodingSettings
from stages.shared.generation import continue_text
from stages.shared.scoring.model import load_model


def test_a_folder_that_penalises_or_searches_is_continued_with_the_most_probable_tokens(tmp_path):
    loaded = load_model(save_tiny_model(tmp_path), "float32", "cpu", 1)
    plain = continue_text(loaded.model, loaded.encoder, "een huis", 12)
    for option, value in (("repetition_penalty", 9.0), ("no_repeat_ngram_size", 1), ("num_beams", 4)):
        setattr(loaded.model.generation_config, option, value)
        assert continue_text(loaded.model, loaded.encoder, "een huis", 12) == plain, option
        setattr(loaded.model.generation_config, option, None)


def test_every_decoding_continues_a_text_and_draws_the_same_again(tmp_path):
    loaded = load_model(save_tiny_model(tmp_path), "float32", "cpu", 1)
    written = {}
    for path in sorted((ROOT / "conf" / "decoding").glob("*.yaml")):
        decoding = TypeAdapter(DecodingSettings).validate_python(yaml.safe_load(path.read_text()))
        texts = [continue_text(loaded.model, loaded.encoder, "een huis", 12, decoding) for _ in range(2)]
        assert texts[0] == texts[1] != ""
        written[path.stem] = texts[0]
    assert written["greedy"] == continue_text(loaded.model, loaded.encoder, "een huis", 12)
    assert len(set(written.values())) > 2
