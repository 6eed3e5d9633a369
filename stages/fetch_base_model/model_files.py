"""Which files make up a Hugging Face model folder."""

from collections.abc import Iterable
from fnmatch import fnmatch

WANTED = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template*",
    "model*.safetensors",
    "model.safetensors.index.json",
)
"""What a Hugging Face folder needs; not the same weights in another format, which many repositories hold too."""


def wanted(names: Iterable[str]) -> list[str]:
    """Return the files of a repository or folder that make up the model, small ones first.

    >>> wanted(["model.safetensors", "README.md", "config.json", "original/params.json"])
    ['config.json', 'model.safetensors']
    """
    chosen = [name for name in names if "/" not in name and any(fnmatch(name, pattern) for pattern in WANTED)]
    return sorted(chosen, key=lambda name: (name.endswith(".safetensors"), name))
