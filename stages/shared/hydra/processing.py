"""Texts in several vocabularies to ids, and back.

Copied into model folders, so it imports nothing but torch, transformers and what that needs.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from transformers import AutoConfig, AutoTokenizer, BatchEncoding

PROCESSOR_FILE = "processor_config.json"
HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")
Segment = tuple[str, str] | tuple[str, str, bool]
"""A vocabulary or a language that one reads, and a text; with True, names of special tokens in it are such tokens."""
Prompt = Sequence[Segment]


class HydraProcessor:
    """Encodes prompts whose segments are written in several vocabularies; decodes what one of them wrote.

    `vocabularies` are the config's: `name`, `size`, `tokenizer` (a folder) and `languages`, the output vocabulary's
    first. With `any_language`, the one vocabulary of a plain model reads them all.
    """

    def __init__(
        self, vocabularies: Sequence[dict[str, Any]], tokenizers: dict[str, Any], any_language: bool = False
    ) -> None:
        self.vocabularies = [dict(vocabulary) for vocabulary in vocabularies]
        self.tokenizers = dict(tokenizers)
        self.any_language = any_language
        self._within: dict[str, Any] = {}
        self._line_ends: dict[str, tuple[int, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The vocabularies' names, the output vocabulary's first."""
        return tuple(vocabulary["name"] for vocabulary in self.vocabularies)

    @property
    def languages(self) -> dict[str, str]:
        """English names of the languages that some vocabulary reads, by code."""
        return {
            code: name
            for vocabulary in reversed(self.vocabularies)
            for code, name in vocabulary.get("languages", {}).items()
        }

    def reads(self, language: str) -> bool:
        """Tell whether a segment may name this vocabulary or language."""
        return self.any_language or language in self.names or language in self.languages

    def vocabulary_of(self, language: str) -> str:
        """Return the vocabulary for a segment's vocabulary or language; ValueError where there is none."""
        if language in self.names:
            return language
        for vocabulary in self.vocabularies:
            if language in vocabulary.get("languages", {}):
                return str(vocabulary["name"])
        if self.any_language:
            return self.names[0]
        known = ", ".join(dict.fromkeys((*self.names, *self.languages)))
        raise ValueError(f"no vocabulary reads {language!r}. Available: {known}")

    def offset(self, name: str) -> int:
        """Return the first id of a vocabulary."""
        return sum(vocabulary["size"] for vocabulary in self.vocabularies[: self.names.index(name)])

    def vocabulary_at(self, number: int) -> str:
        """Return the vocabulary that an id is of."""
        return next(name for name in reversed(self.names) if number >= self.offset(name))

    def start_id(self, name: str) -> int:
        """Return the id that begins a text of a vocabulary: BOS, else EOS, which such models saw between documents."""
        tokenizer = self.tokenizers[name]
        for number in (tokenizer.bos_token_id, tokenizer.eos_token_id):
            if number is not None:
                return int(number) + self.offset(name)
        raise ValueError(f"the tokenizer of {name!r} has neither BOS nor EOS to begin a text with")

    @property
    def pad_id(self) -> int:
        """The id that stands before shorter prompts; masked, so that any would do."""
        return self.start_id(self.names[0])

    def __call__(
        self,
        prompts: Prompt | Iterable[Prompt],
        padding: bool | str = False,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Return input_ids and attention_mask of a batch of prompts, or of one prompt as a batch of its own.

        `padding` is "left" (or True), "right" or False. Raises ValueError for a prompt without segments.
        """
        if padding not in (True, False, "left", "right"):
            raise ValueError(f"padding={padding!r} is none of 'left', 'right', True (left), False")
        ids = [self.encode(prompt) for prompt in _batch(prompts)]
        masks = [[1] * len(one) for one in ids]
        if padding:
            longest = max(map(len, ids), default=0)
            ids = [_padded(one, longest, self.pad_id, padding) for one in ids]
            masks = [_padded(one, longest, 0, padding) for one in masks]
        return BatchEncoding({"input_ids": ids, "attention_mask": masks}, tensor_type=return_tensors)

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the ids of one prompt: one start token, that of the first segment's vocabulary, then the segments.

        The segments' texts follow each other as in one line: only the first has what a tokenizer puts before a text
        (the `▁` of SentencePiece's dummy prefix), a later one begins with `▁` where its text begins with a space.
        Neighbours of one vocabulary are read as one text, empty ones left out. Names of special tokens are text,
        unless a segment says so.
        """
        if not prompt:
            raise ValueError("a prompt needs at least one segment: [('en', 'Hello')]")
        ids: list[int] = []
        joined = self._joined(prompt)
        for name, text, special in joined:
            offset = self.offset(name)
            ids += [number + offset for number in self._tokens(name, text, special, first=not ids)]
        start = self.start_id(joined[0][0] if joined else self.vocabulary_of(prompt[0][0]))
        return ids if ids[:1] == [start] else [start, *ids]

    def _joined(self, prompt: Prompt) -> list[tuple[str, str, bool]]:
        joined: list[tuple[str, str, bool]] = []
        for language, text, *marked in prompt:
            name, special = self.vocabulary_of(language), bool(marked and marked[0])
            if not text:
                continue
            if joined and joined[-1][0] == name and joined[-1][2] == special:
                joined[-1] = (name, joined[-1][1] + text, special)
            else:
                joined.append((name, text, special))
        return joined

    def _tokens(self, name: str, text: str, special: bool, first: bool) -> list[int]:
        if first:
            options = {"add_special_tokens": False, "split_special_tokens": not special, "verbose": False}
            return list(self.tokenizers[name](text, **options)["input_ids"])
        if name not in self._within:
            self._within[name] = _without_prefix(self.tokenizers[name].backend_tokenizer)
        backend = self._within[name]
        backend.encode_special_tokens = not special
        return list(backend.encode(text, add_special_tokens=False).ids)

    def special_tokens(self, name: str) -> tuple[str, ...]:
        """Return the special tokens of a vocabulary, as they are written."""
        tokenizer = self.tokenizers[name]
        named = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        return tuple(sorted(named | set(tokenizer.all_special_tokens)))

    def stop_ids(self) -> tuple[int, ...]:
        """Return the output vocabulary's ids that end a line: EOS, BOS, and every token with a line break in it."""
        name = self.names[0]
        if name not in self._line_ends:
            tokenizer = self.tokenizers[name]
            texts = tokenizer.batch_decode([[number] for number in range(len(tokenizer))])
            ends = {number for number, text in enumerate(texts) if "\n" in text}
            ends |= {number for number in (tokenizer.eos_token_id, tokenizer.bos_token_id) if number is not None}
            self._line_ends[name] = tuple(sorted(ends))
        return self._line_ends[name]

    def decode(self, ids: Any, **options: Any) -> str:
        """Return the text of ids that one vocabulary wrote, without special tokens; ValueError for ids of several."""
        numbers = [int(number) for number in (ids.tolist() if hasattr(ids, "tolist") else ids)]
        written = {self.vocabulary_at(number) for number in numbers} or {self.names[0]}
        if len(written) > 1:
            raise ValueError(f"ids of {', '.join(sorted(written))}: decode only what was written, not the prompt")
        (name,) = written
        own = [number - self.offset(name) for number in numbers]
        return str(self.tokenizers[name].decode(own, **{"skip_special_tokens": True, **options}))

    def batch_decode(self, sequences: Iterable[Any], **options: Any) -> list[str]:
        """Return the texts of several sequences, each written by one vocabulary."""
        return [self.decode(ids, **options) for ids in sequences]

    def swap_head(self, name: str) -> None:
        """Make another vocabulary the output vocabulary, as the model's method of this name does."""
        if name not in self.names:
            raise ValueError(f"unknown vocabulary {name!r}. Available: {', '.join(self.names)}")
        self.vocabularies.sort(key=lambda vocabulary: vocabulary["name"] != name)

    def add_vocabulary(self, vocabulary: dict[str, Any], tokenizer: Any, size: int) -> None:
        """Add a vocabulary behind the others, as the model's method of this name does with the same entry.

        `size` is the number of its rows. Raises ValueError for a name that is taken and for tokens without a row.
        """
        name = str(vocabulary["name"])
        if name in self.names:
            raise ValueError(f"there is a vocabulary {name!r} already; give another name")
        if len(tokenizer) > size:
            raise ValueError(f"the tokenizer of {name!r} has {len(tokenizer)} tokens, but there are {size} rows")
        self.vocabularies.append({**vocabulary, "size": size})
        self.tokenizers[name] = tokenizer

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Write processor_config.json, the tokenizers' folders and this module."""
        out = Path(folder)
        for vocabulary in self.vocabularies:
            self.tokenizers[vocabulary["name"]].save_pretrained(out / vocabulary["tokenizer"])
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(processor_config(self.vocabularies), ensure_ascii=False, indent=2)
        (out / PROCESSOR_FILE).write_text(text + "\n", encoding="utf-8")
        if Path(__file__).resolve() != (out / "processing.py").resolve():
            shutil.copyfile(__file__, out / "processing.py")

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> "HydraProcessor":
        """Load from a folder, or from a repository of the hub that AutoProcessor names, with its `options`."""
        place = Path(folder) if Path(folder).is_dir() else _fetched(str(folder), options)
        config = json.loads((place / PROCESSOR_FILE).read_text(encoding="utf-8"))
        loading: dict[str, Any] = {"local_files_only": True}
        if (described := place / "config.json").is_file():
            # Beside a Mistral transformers reads tokenizer.json as it stands, beside no model as Llama's class would.
            loading["config"] = AutoConfig.for_model(**json.loads(described.read_text(encoding="utf-8"))["base"])
        tokenizers = {
            vocabulary["name"]: AutoTokenizer.from_pretrained(place / vocabulary["tokenizer"], **loading)
            for vocabulary in config["vocabularies"]
        }
        return cls(config["vocabularies"], tokenizers)

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoProcessor") -> None:
        """Do nothing: AutoProcessor calls this on what it loads; `save_pretrained` writes all that is needed."""


def processor_config(vocabularies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of processor_config.json."""
    return {
        "processor_class": "HydraProcessor",
        "auto_map": {"AutoProcessor": "processing.HydraProcessor"},
        "vocabularies": list(vocabularies),
    }


def _fetched(repository: str, options: dict[str, Any]) -> Path:
    """Return the folder that a repository is downloaded to, all but the weights."""
    asked = {key: options[key] for key in HUB_OPTIONS if options.get(key) is not None}
    return Path(snapshot_download(repository, ignore_patterns=["*.safetensors"], **asked))


def _batch(prompts: Prompt | Iterable[Prompt]) -> list[Prompt]:
    """Return several prompts as they are, and one in a list: its first part, a segment, begins with a name."""
    given: list[Any] = list(prompts)
    return [given] if given and given[0] and isinstance(given[0][0], str) else given


def _padded(values: list[int], length: int, filling: int, side: bool | str) -> list[int]:
    more = [filling] * (length - len(values))
    return values + more if side == "right" else more + values


def _without_prefix(backend: Any) -> Any:
    """Return a copy of a tokenizer of the `tokenizers` library that puts no space before a text."""
    described = json.loads(backend.to_str())
    described["normalizer"] = _unprefixed(described["normalizer"])
    described["pre_tokenizer"] = _unprefixed(described["pre_tokenizer"])
    described["truncation"] = described["padding"] = None
    return type(backend).from_str(json.dumps(described, ensure_ascii=False))


def _unprefixed(part: Any) -> Any:
    """Return a description of a normalizer or pre-tokenizer without what prepends a space."""
    if part is None or part["type"] == "Prepend":
        return None
    for members in ("normalizers", "pretokenizers"):
        if members in part:
            kept = [one for one in map(_unprefixed, part[members]) if one is not None]
            return {**part, members: kept} if kept else None
    if part["type"] == "Metaspace":
        return {**part, "prepend_scheme": "never"}
    if part["type"] == "ByteLevel":
        return {**part, "add_prefix_space": False}
    return part
