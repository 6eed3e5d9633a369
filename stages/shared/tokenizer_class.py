"""A new tokenizer beside a model of a kind for which transformers insists on a class of its own."""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

PARTS = ("normalizer", "pre_tokenizer", "model", "decoder")
MODULE = "plain_tokenizer"
CODE = '''"""The tokenizer as tokenizer.json has it, where this kind of model would be given another class."""

from transformers import PreTrainedTokenizerFast


class PlainTokenizer(PreTrainedTokenizerFast):
    """What tokenizer.json says, and nothing else."""
'''


def keep_tokenizer_class(folder: Path) -> None:
    """Make AutoTokenizer load what tokenizer.json in a model's folder says, where it would load something else.

    For some kinds of models, Qwen2 among them, transformers 5 takes the class that it knows for the kind, whatever
    tokenizer_config.json names, and splits text by the pattern of that class: silently other ids. Only a class that the
    folder brings itself is exempt. Where a user does not trust the folder's code, `tokenizer_class` is taken again.
    """
    described, config = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not described.is_file() or _parts(Tokenizer.from_file(str(described))) == _parts(_loaded(folder)):
        return
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings["auto_map"] = {"AutoTokenizer": [None, f"{MODULE}.PlainTokenizer"]}
    config.write_text(json.dumps(settings, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / f"{MODULE}.py").write_text(CODE, encoding="utf-8")


def _loaded(folder: Path) -> Tokenizer:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer


def _parts(tokenizer: Tokenizer) -> list[object]:
    found = json.loads(tokenizer.to_str())
    return [found[part] for part in PARTS]
