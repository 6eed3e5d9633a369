"""One decoder with several vocabularies (Remy, Delobelle et al. 2024, section on Hydra LLMs).

Copied into model folders, so it imports nothing but torch, transformers and the config beside it.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration import ROLES, HydraConfig

IGNORED = -100
PREFIX = "vocabulary_"


def head_key(name: str) -> str:
    """Return what the head of a vocabulary is called among the `heads`: the vocabulary's name where torch allows it.

    A name that every ModuleDict has already gets a prefix, such as `to`, the code of Tongan; as does one that begins
    so, that no two become the same.
    """
    return f"{PREFIX}{name}" if name.startswith(PREFIX) or hasattr(nn.ModuleDict(), name) else name


class TiedHead(nn.Module):
    """The head of a vocabulary whose rows are those of the input table; it has no weights of its own."""

    def __init__(self, table: nn.Embedding, first: int, size: int) -> None:
        super().__init__()
        self.table = (table,)  # in a tuple, so that its weights are not counted and saved twice
        self.first, self.size = first, size

    @property
    def weight(self) -> Tensor:
        """The rows, shape (tokens, hidden)."""
        return self.table[0].weight[self.first : self.first + self.size]

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits."""
        return nn.functional.linear(hidden, self.weight)


class HydraForCausalLM(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """A decoder whose input table has the rows of all vocabularies, and which writes with the head of one of them.

    Which one is said at call, else by `config.head`, which may be set at any time.

    Token ids count through the table: those of the output vocabulary come first and are its own, the others begin at
    `config.offset(name)`. Tensors are called as in the plain model: `model.embed_tokens.weight` has all the rows,
    `lm_head.weight` is the output vocabulary's head, `heads.<head_key>.weight` another's; a tied head has no tensor.
    """

    config_class = HydraConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012  as transformers declares it

    def __init__(self, config: HydraConfig) -> None:
        super().__init__(config)
        config.check()  # `from_pretrained(folder, head=...)` sets the head when the config is made
        decoder = copy.deepcopy(config.base)
        decoder.vocab_size = config.rows
        self.model = AutoModel.from_config(decoder, dtype=torch.get_default_dtype())  # type: ignore[no-untyped-call]
        self.heads = nn.ModuleDict()
        width = self.model.get_input_embeddings().weight.shape[1]
        for vocabulary in config.vocabularies:
            if not vocabulary["tied"]:
                self._keep_head(vocabulary["name"], nn.Linear(width, vocabulary["size"], bias=False))
        self.post_init()  # type: ignore[no-untyped-call]

    def _keep_head(self, name: str, head: nn.Linear) -> None:
        if name == self.config.output:
            self.lm_head = head
        else:
            self.heads[head_key(name)] = head

    def get_decoder(self) -> Any:
        """Return the decoder, which gives hidden states."""
        return self.model

    def get_input_embeddings(self) -> Any:
        """Return the table of all vocabularies."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: Any) -> None:
        """Replace the table of all vocabularies."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> Any:
        """Return the output vocabulary's head, whose `weight` are its rows, tied or not."""
        return self.head(self.config.output)

    def head(self, name: str) -> Any:
        """Return the head of a vocabulary. Raises ValueError for a name that there is not."""
        vocabulary = self.config.vocabulary(name)
        if vocabulary["tied"]:
            return TiedHead(self.get_input_embeddings(), self.config.offset(name), vocabulary["size"])
        return self.lm_head if name == self.config.output else self.heads[head_key(name)]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        head: str | None = None,
        through_table: bool = False,
        **options: Any,
    ) -> CausalLMOutputWithPast:
        """Return logits over one vocabulary, shape (sequences, length, its tokens), and the loss if there are labels.

        `head` names the vocabulary, else `config.head`. Labels count as input ids do; what is not of the head's
        vocabulary is not predicted. With `through_table` logits count so too: those of all rows before it are -inf.
        The arguments, all named as `generate` wants them, go to the decoder.
        """
        name = head or self.config.head
        told: dict[str, Any] = {
            key: options.pop(key) for key in ("num_items_in_batch", "shift_labels") if key in options
        }
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **options,
        )
        hidden = outputs.last_hidden_state
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self._logits(hidden[:, kept, :], name)
        loss = None if labels is None else self._loss(logits, labels, name, told)
        if through_table and (first := self.config.offset(name)):
            logits = nn.functional.pad(logits, (first, 0), value=float("-inf"))
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _logits(self, hidden: Tensor, name: str) -> Tensor:
        logits: Tensor = self.head(name)(hidden)
        if (cap := getattr(self.config.base, "final_logit_softcapping", None)) is not None:
            logits = torch.tanh(logits / cap) * cap
        return logits

    def _loss(self, logits: Tensor, labels: Tensor, name: str, told: dict[str, Any]) -> Any:
        if "shift_labels" in told:
            told = {**told, "shift_labels": self._own(told["shift_labels"], name)}
        return self.loss_function(logits=logits, labels=self._own(labels, name), vocab_size=logits.shape[-1], **told)

    def _own(self, labels: Tensor, name: str) -> Tensor:
        """Return labels counted within a vocabulary, those of others ignored."""
        own: Tensor = labels - self.config.offset(name)
        return own.masked_fill((own < 0) | (own >= self.config.vocabulary(name)["size"]), IGNORED)

    def generate(
        self, inputs: Any = None, generation_config: Any = None, *more: Any, head: str | None = None, **options: Any
    ) -> Any:
        """Write as every model of transformers does, with `head`, else with `config.head`.

        All ids, those written and those that end a text, count through the table, so that they can be read again.
        Another vocabulary than the output vocabulary ends with its own EOS where `generation_config` has none.
        """
        name = head or self.config.head
        if name != self.config.output:
            options = self._own_ids(name, generation_config) | options
        return super().generate(inputs, generation_config, *more, head=name, through_table=True, **options)  # type: ignore[misc]

    def _own_ids(self, name: str, given: Any) -> dict[str, Any]:
        """Return a vocabulary's BOS, EOS and padding as the table counts, but for those that `given` has."""
        ids, first = self.config.vocabulary(name).get("ids", {}), self.config.offset(name)
        return {role: _moved(ids.get(role), first) for role in ROLES if getattr(given, role, None) is None}

    def _rows(self, name: str) -> Tensor:
        first, table = self.config.offset(name), self.get_input_embeddings().weight.detach()
        rows: Tensor = table[first : first + self.config.vocabulary(name)["size"]]
        return rows

    def _set_table(self, rows: Tensor) -> None:
        table = self.get_input_embeddings()
        table.weight = nn.Parameter(rows, requires_grad=table.weight.requires_grad)
        table.num_embeddings = self.model.config.vocab_size = len(rows)

    def swap_head(self, name: str) -> None:
        """Make a vocabulary the output vocabulary: its rows come first, its head is `lm_head` and `config.head`.

        The weights are new tensors, so an optimizer must be made anew; the processor needs `swap_head` as well.
        """
        config = self.config
        order = sorted(
            config.vocabularies, key=lambda vocabulary: vocabulary["name"] != config.vocabulary(name)["name"]
        )
        rows = torch.cat([self._rows(vocabulary["name"]) for vocabulary in order])
        heads = {one["name"]: self.head(one["name"]) for one in order if not one["tied"]}
        self._set_table(rows)
        self.heads = nn.ModuleDict()
        if hasattr(self, "lm_head"):
            del self.lm_head
        config.vocabularies, config.head = order, name
        for known, head in heads.items():
            self._keep_head(known, head)
        _write_with(config.base, order[0])
        self.get_input_embeddings().padding_idx = config.base.pad_token_id
        for told in (config, self.generation_config):
            _tell_ids(told, config.base)

    def add_vocabulary(self, vocabulary: dict[str, Any], table: Tensor, head: Tensor | None = None) -> None:
        """Add a vocabulary behind the others; `vocabulary` is an entry of the config's without `size` and `tied`.

        The processor's method of this name lets it be read and decoded.
        `table` and `head` have the shape (tokens, hidden); without a head its input rows are its head. Raises
        ValueError for a name that is taken and for rows of another width or number.
        """
        held = self.get_input_embeddings().weight.detach()
        if vocabulary["name"] in [known["name"] for known in self.config.vocabularies]:
            raise ValueError(f"there is a vocabulary {vocabulary['name']!r} already; give another name")
        if table.dim() != 2 or table.shape[1] != held.shape[1] or (head is not None and head.shape != table.shape):
            shapes = f"{tuple(table.shape)}" + ("" if head is None else f" and {tuple(head.shape)}")
            raise ValueError(f"table and head must both have the shape (tokens, {held.shape[1]}), not {shapes}")
        added = {**vocabulary, "size": len(table), "tied": head is None}
        self._set_table(torch.cat([held, table.to(held)]))
        self.config.vocabularies = [*self.config.vocabularies, added]
        if head is not None:
            linear = nn.Linear(head.shape[1], len(head), bias=False, device="meta")
            linear.weight = nn.Parameter(head.detach().to(held))
            self._keep_head(added["name"], linear)

    def export_single(self, name: str) -> Any:
        """Return a plain model of one vocabulary, a copy: Llama for a Llama, and so on; save it with its tokenizer.

        It writes as this model's `generation_config` says, another vocabulary than the output one with its own ids.
        """
        config = copy.deepcopy(self.config.base)
        _write_with(config, self.config.vocabulary(name))
        config.dtype = self.get_input_embeddings().weight.dtype
        with torch.device("meta"):
            plain = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        body = copy.deepcopy(self.model)
        body.config = plain.model.config
        plain.model = body
        table, head = body.get_input_embeddings(), self.head(name)
        table.weight = nn.Parameter(self._rows(name).clone())
        table.num_embeddings, table.padding_idx = len(table.weight), config.pad_token_id
        own = table.weight if config.tie_word_embeddings else nn.Parameter(head.weight.detach().clone())
        plain.lm_head.weight = own
        plain.generation_config = copy.deepcopy(self.generation_config)
        if name != self.config.output:
            _tell_ids(plain.generation_config, config)
        return plain.train(self.training)


def _moved(ids: int | list[int] | None, first: int) -> int | list[int] | None:
    if isinstance(ids, list):
        return [number + first for number in ids]
    return None if ids is None else ids + first


def _write_with(decoder: Any, vocabulary: dict[str, Any]) -> None:
    """Give a decoder's config the size, the ids and the tie of a vocabulary."""
    decoder.vocab_size, decoder.tie_word_embeddings = vocabulary["size"], vocabulary["tied"]
    for role in ROLES:
        setattr(decoder, role, vocabulary.get("ids", {}).get(role))


def _tell_ids(told: Any, decoder: Any) -> None:
    """Give another config the token ids of a decoder's."""
    for role in ROLES:
        setattr(told, role, getattr(decoder, role))
