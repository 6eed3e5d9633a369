"""What a Hydra model is made of. Copied into model folders, so it imports nothing but transformers."""

from typing import Any

from transformers import AutoConfig, PretrainedConfig

DECODERS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text")
"""Kinds of decoder whose logits are the hidden states times the head's rows, but for Gemma's soft cap."""
ROLES = ("bos_token_id", "eos_token_id", "pad_token_id")


class HydraConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """One decoder and its vocabularies.

    `base` is the decoder's own config, with the size and the token ids of the output vocabulary. `vocabularies` are
    dicts, the output vocabulary's first, in the order of their rows in the input table: `name`; `size` in rows;
    `tokenizer`, its folder below the model's; `tied`, whether its head is its input rows; `ids`, its own
    `bos_token_id` and so on; `languages`, which it reads, English names by code. `head` names the vocabulary that
    `forward` and `generate` write with unless told; its weights lie where they lay, whichever it is.
    """

    model_type = "hydra_llm"
    sub_configs = {"base": AutoConfig}  # noqa: RUF012  transformers' own declaration

    def __init__(
        self,
        base: Any = None,
        vocabularies: list[dict[str, Any]] | None = None,
        head: str | None = None,
        **options: Any,
    ) -> None:
        self.base = AutoConfig.for_model(**base) if isinstance(base, dict) else base
        self.vocabularies = [dict(vocabulary) for vocabulary in vocabularies or []]
        self.head = head
        if self.base is not None:
            options |= {role: getattr(self.base, role, None) for role in ROLES}
        super().__init__(**{**options, "tie_word_embeddings": False})
        self.check()

    def check(self) -> None:
        """Raise ValueError for a decoder that cannot be taken, two vocabularies of one name and an unknown head."""
        names = [vocabulary["name"] for vocabulary in self.vocabularies]
        if self.base is not None and self.base.model_type not in DECODERS:
            raise ValueError(
                f"base.model_type={self.base.model_type!r}: a Hydra model can be made of {', '.join(DECODERS)}"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"vocabularies {names}: each needs a name of its own")
        if names and self.head not in names:
            raise ValueError(f"head={self.head!r} is none of the vocabularies {names}")

    @property
    def output(self) -> str:
        """Name of the output vocabulary, the first: its rows come first, and its head is `lm_head`."""
        return str(self.vocabularies[0]["name"])

    @property
    def rows(self) -> int:
        """Rows of the input table."""
        return sum(vocabulary["size"] for vocabulary in self.vocabularies)

    def vocabulary(self, name: str) -> dict[str, Any]:
        """Return one vocabulary. Raises ValueError for a name that there is not."""
        for vocabulary in self.vocabularies:
            if vocabulary["name"] == name:
                return vocabulary
        known = ", ".join(vocabulary["name"] for vocabulary in self.vocabularies)
        raise ValueError(f"unknown vocabulary {name!r}. Available: {known}")

    def offset(self, name: str) -> int:
        """Return the first row of a vocabulary in the input table."""
        names = [vocabulary["name"] for vocabulary in self.vocabularies]
        before = self.vocabularies[: names.index(self.vocabulary(name)["name"])]
        return sum(vocabulary["size"] for vocabulary in before)

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> Any:
        """Return the decoder's config, which tells `generate` of layers, positions and the size of the head."""
        return self if self.base is None else self.base
