"""What the default mapping costs: its own choice of a prior and its calibration have the base model read text.

`mapping_methods.py` runs this on its vocabularies and table, with a whole decoder of random weights (by default of
SmolLM2-135M's shape) and made-up text.
"""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from pipeline.config import load_config
from pipeline.stage import Execution
from stages.map_embeddings.settings import MapEmbeddingsSettings
from stages.map_embeddings.stage import map_embeddings
from stages.shared.token_text import load_vocabulary

DEFAULT = "calibrated"
SMALL = {"num_attention_heads": 9, "num_key_value_heads": 3, "hidden_size": 576, "intermediate_size": 1536}
DOCUMENTS, WORDS = 1_000, 400


def run_default(folder: Path, layers: int) -> dict[str, float]:
    """Run the stage with the default's settings on the input of `mapping_methods`; return its seconds by part."""
    source, target = folder / "source", folder / "target"
    inputs = {"base_model": folder / "whole", "tokenizer": target, "alignment": folder / "alignment"}
    inputs["corpus"] = folder / "corpus"
    for made in (*inputs.values(), folder / "default"):
        made.mkdir(exist_ok=True)
    for path in source.glob("tokenizer*"):
        (folder / "whole" / path.name).write_bytes(path.read_bytes())
    (folder / "alignment" / "table.tsv").write_bytes((folder / "table.tsv").read_bytes())
    save_decoder(folder / "whole", len(load_vocabulary(source)), layers)
    save_text(
        folder / "corpus" / "train.parquet", [text.decode(errors="ignore") for text in load_vocabulary(target).text]
    )
    config = load_config(["language=dutch", f"mapping={DEFAULT}"])
    sections = {name: getattr(config, name) for name in ("mapping", "calibration", "distillation")}
    settings = MapEmbeddingsSettings.model_validate(sections)
    metrics = map_embeddings(settings, inputs, folder / "default", Execution.model_construct(device="cpu"))
    return {name.removesuffix("_seconds"): value for name, value in metrics.items() if name.endswith("_seconds")}


def save_decoder(folder: Path, tokens: int, layers: int) -> None:
    """Write a tied Llama of random weights in bfloat16."""
    config = AutoConfig.for_model(
        "llama", vocab_size=tokens, num_hidden_layers=layers, tie_word_embeddings=True, **SMALL
    )
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)


def save_text(path: Path, texts: list[str]) -> None:
    """Write documents of drawn words, those of low ids more often."""
    words, generator = [text for text in texts if text.startswith(" ")], random.Random(1)
    shares = [1 / rank for rank in range(1, len(words) + 1)]
    found = ["".join(generator.choices(words, shares, k=WORDS)).strip() for _ in range(DOCUMENTS)]
    pq.write_table(pa.table({"id": [str(number) for number in range(len(found))], "text": found}), path)
