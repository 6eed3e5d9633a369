"""Translation speed: length-sorted batches against one line after another, the same lines and the same translations.

    .venv/bin/python benchmarks/translation.py [--json] [--model DIR] [--lines N] [--device cpu|cuda]

Without --model a random Hydra model of a few million weights translates; its lines never end by themselves, so every
one is written to its longest length, on both sides. One by one, only every so many lines are timed (--share): each of
them takes as long as it takes, whatever stands beside it.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml

TEXT = "the a house book window file button city open close small big old new is in on of to and"
WORDS = TEXT.split(" ")
SETTINGS = Path(__file__).resolve().parents[1] / "conf" / "translation" / "default.yaml"
SIZES = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 8, "num_attention_heads": 4}


def main() -> None:
    """Translate the lines both ways and print a table, or with --json one line."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(options.model) if options.model else random_hydra(Path(folder)), options)
    print(json.dumps(figures) if options.json else "\n".join(f"{key:28} {value}" for key, value in figures.items()))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return lines a second of both ways, and how many of the lines timed both ways have the same translation."""
    from stages.shared.hydra.loading import load_translator

    settings = _settings(options)
    model, processor = load_translator(folder, settings.precision, options.device, settings.threads)
    lines = short_lines(options.lines)
    timed = lines[:: options.share]
    arguments = (model, processor, _languages(processor), settings)
    _translated(lines[:3], *arguments)  # allocation, and the tokens that end a line
    begun = time.perf_counter()
    alone = [_translated([line], *arguments)[0] for line in timed]
    between = time.perf_counter()
    together = _translated(lines, *arguments)
    ended = time.perf_counter()
    rates = len(timed) / (between - begun), len(lines) / (ended - between)
    return {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "model": f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.1f}M",
        "lines": len(lines),
        "lines_timed_one_by_one": len(timed),
        "lines_per_s_one_by_one": round(rates[0], 2),
        "lines_per_s_batched": round(rates[1], 2),
        "speedup": round(rates[1] / rates[0], 2),
        "same_translation": sum(one == two for one, two in zip(alone, together[:: options.share], strict=True)),
    }


def _translated(lines: list[str], model: Any, processor: Any, languages: Any, settings: Any) -> list[Any]:
    from stages.shared.translation.translate import translate_lines

    return translate_lines(model, processor, lines, languages, settings)


def _settings(options: argparse.Namespace) -> Any:
    """Return the configuration's settings, but for what the command says, with greedy decoding."""
    from stages.shared.translation.settings import TranslationSettings

    values = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    given = {name: value for name, value in vars(options).items() if name in values and value is not None}
    return TranslationSettings.model_validate(values | given | {"decoding": {"method": "greedy"}})


def _languages(processor: Any) -> Any:
    from stages.shared.translation.settings import Language, Languages

    codes = (processor.names[-1], processor.names[0])
    source, target = (Language(code=code, english_name=processor.languages.get(code, code)) for code in codes)
    return Languages(source=source, target=target)


def short_lines(number: int) -> list[str]:
    """Return sentences of 3 to 15 drawn words."""
    rng = random.Random(1)
    return [" ".join(rng.choices(WORDS, k=rng.randint(3, 15))) + "." for _ in range(number)]


def random_hydra(folder: Path) -> Path:
    """Write a random Hydra model of two byte-level vocabularies."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from stages.build_hydra.folder import VocabularySource, write_hydra

    made = []
    for seed, name in enumerate(("tt", "en")):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator([f" {TEXT}"], trainer)
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=8000, max_position_embeddings=512, **SIZES))
        model.save_pretrained(folder / name)
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
        fast.save_pretrained(folder / name)
        made.append(VocabularySource(name, folder / name, {name: name}))
    (folder / "hydra").mkdir()
    write_hydra(made[0], made[1:], folder / "hydra")
    return folder / "hydra"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--model", help="folder of a Hydra model, such as artifacts/dutch/latest/hydra_model")
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--share", type=int, default=10, help="one line in so many is timed one by one")
    for name in ("batch-tokens", "threads"):
        parser.add_argument(f"--{name}", type=int, help="instead of what conf/translation/default.yaml says")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
