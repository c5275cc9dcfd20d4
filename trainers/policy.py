"""`Policy`: the model that is trained, from token rows to log-probabilities and entropies of the response tokens."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from evalsuite.errors import UnavailableError, UsageError
from evalsuite.models.vision import Vision

from .sight import NOTHING, Seen, as_text, see

if TYPE_CHECKING:
    from .micro import Micro


class Scored(NamedTuple):
    """Of each response token: `logp` and `entropy`, both float32 (B, T); what lies outside the mask means nothing."""

    logp: Tensor
    entropy: Tensor


class Policy(nn.Module):
    """A causal language model or image-text model with `forward(micro) -> Scored`.

    `temperature` divides the logits before anything is computed from them: the log-probabilities are those of the distribution
    that was sampled from. Where several rows of a micro-batch have the same prompt, the prompt is read once and its keys and
    values serve all of them, gradient included, if `share` and the model's cache allow it (gradient checkpointing keeps no cache).
    With `pack` the rows of a micro-batch are one sequence without padding, each with its own copy of the prompt (`check_packing`);
    rows with images are not packed. `vision` prepares their images, micro-batch by micro-batch.
    `entropy_gradient` keeps the graph of the entropy, which costs memory and is wanted only for an entropy term.
    """

    def __init__(
        self,
        model: Any,
        temperature: float = 1.0,
        *,
        entropy_gradient: bool = False,
        share: bool = True,
        pack: bool = False,
        vision: Vision | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.entropy_gradient = entropy_gradient
        self.vision = vision
        accepts = inspect.signature(_innermost(model).forward).parameters
        self._keeps = "logits_to_keep" in accepts
        self._positions = "position_ids" in accepts
        self._caches = "past_key_values" in accepts
        kinds = getattr(_innermost(model).config.get_text_config(), "layer_types", None) or ["full_attention"]
        self._pack = pack
        # A sliding window forgets the prompt; where token types make the mask, a part of a row cannot be masked alone.
        masked_by_type = vision is not None and "token_type_ids" in accepts
        self.shares = share and self._caches and set(kinds) == {"full_attention"} and not masked_by_type

    def forward(self, micro: Micro) -> Scored:
        """Scored tokens of a micro-batch."""
        if self._pack and not micro.images:
            return self._packed(micro)
        seen = self._seen(micro)
        if self.shares and len(micro.prompt) < len(micro.parent):
            return self._shared(micro, seen)
        width = micro.response.shape[1]
        ids = torch.cat([micro.prompt[micro.parent], micro.response], 1)
        mask = torch.cat([micro.prompt_mask[micro.parent], micro.mask], 1)
        with as_text(_innermost(self.model), ids, width if seen.extra else 0) as announced:
            logits, _ = self._logits(announced, mask, keep=width + 1, use_cache=False, seen=seen.continued(width))
        return self._score(logits[:, -width - 1 : -1], micro.response)

    def _seen(self, micro: Micro) -> Seen:
        if not micro.images or self.vision is None:
            return NOTHING
        return see(_innermost(self.model), self.vision, micro.prompt, micro.prompt_mask, micro.images)

    def _shared(self, micro: Micro, seen: Seen) -> Scored:
        first, cache = self._logits(micro.prompt, micro.prompt_mask, keep=1, use_cache=True, seen=seen)
        logits = first[micro.parent][:, -1:]
        if micro.response.shape[1] > 1:
            cache.batch_select_indices(micro.parent)
            mask = torch.cat([micro.prompt_mask[micro.parent], micro.mask[:, :-1]], 1)
            rest, _ = self._logits(
                micro.response[:, :-1], mask, keep=0, use_cache=True, cache=cache, seen=seen.after(micro.parent)
            )
            logits = torch.cat([logits, rest], 1)
        return self._score(logits, micro.response)

    def _packed(self, micro: Micro) -> Scored:
        """Rows end to end. Positions that begin anew keep them apart: of these transformers makes its mask, or the lengths that
        flash attention takes (`find_packed_sequence_indices` and `prepare_fa_kwargs_from_position_ids`)."""
        prompt, mask = micro.prompt_mask[micro.parent], micro.mask
        read = torch.cat([prompt, mask[:, 1:]], 1)  # all but the last token, which nothing follows
        scored = torch.cat([torch.zeros_like(prompt[:, 1:]), mask], 1)  # where the next token is one of the response
        ids = torch.cat([micro.prompt[micro.parent], micro.response[:, :-1]], 1)
        kept = scored[read].nonzero()[:, 0]
        arguments: dict[str, Any] = {"input_ids": ids[read][None], "position_ids": (read.cumsum(1) - 1)[read][None]}
        if self._caches:
            arguments["use_cache"] = False  # with a cache transformers does not look for packed rows
        if self._keeps:
            arguments["logits_to_keep"] = kept
        logits = self.model(**arguments).logits[0]
        found = self._score(logits if self._keeps else logits[kept], micro.response[mask])
        return Scored(*(values.new_zeros(mask.shape).masked_scatter(mask, values) for values in found))

    def _logits(
        self, ids: Tensor, mask: Tensor, *, keep: int, use_cache: bool, seen: Seen, cache: Any = None
    ) -> tuple[Tensor, Any]:
        """Logits (rows, kept, V) and the cache. `mask` spans what is cached and `ids`."""
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask.long(), **seen.extra}
        if self._positions:
            positions = (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            arguments["position_ids"] = seen.placed(positions)
        if self._caches:
            arguments |= {"use_cache": use_cache, "past_key_values": cache}
        if self._keeps:
            arguments["logits_to_keep"] = keep
        output = self.model(**arguments)
        return output.logits, getattr(output, "past_key_values", None)

    def _score(self, logits: Tensor, targets: Tensor) -> Scored:
        logits = logits.float()
        if self.temperature != 1.0:
            logits = logits / self.temperature
        normalizer = logits.logsumexp(-1)
        logp = logits.gather(-1, targets[..., None])[..., 0] - normalizer
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.entropy_gradient):
            shifted = (logits if self.entropy_gradient else logits.detach()) - normalizer[..., None]
            entropy = -(shifted.exp() * shifted).sum(-1)
        return Scored(logp, entropy)


def check_packing(model: Any) -> None:
    """Raises UsageError unless `model` keeps packed rows apart, which is tried: a row must have no gradient to the one before it.

    That takes positions as an argument, an attention that makes its mask of them, and no recurrence or convolution over the
    sequence. Its configuration would not tell: in transformers 5.23 the masks of opt and gpt_oss do not heed positions.
    """
    if "position_ids" not in inspect.signature(_innermost(model).forward).parameters:
        raise UsageError("--pack: this model takes no position_ids, which keep packed rows apart; leave it out")
    if any(p.numel() == 0 for p in model.parameters()):
        raise UsageError("--pack cannot be tried on weights that are split over processes from the start; leave it out")
    read: list[Tensor] = []
    hook = model.get_input_embeddings().register_forward_hook(lambda *call: read.append(call[-1].requires_grad_()))
    try:
        with torch.enable_grad():
            rows = torch.arange(3, device=model.device)
            output = model(
                input_ids=torch.arange(6, device=model.device)[None], position_ids=rows.repeat(2)[None], use_cache=False
            )
            (gradient,) = torch.autograd.grad(output.logits[0, 3:].float().sum(), read[0])
    finally:
        hook.remove()
    if (gradient[0, :3].abs() > 0).any():
        kind = _innermost(model).config
        raise UsageError(
            f"--pack: {kind.model_type} with {kind._attn_implementation} attention lets packed rows see each other; leave it out"
        )


def load(
    folder: Path, *, dtype: str = "float32", lora: int = 0, gradient_checkpointing: bool = False, attention: str = ""
) -> Any:
    """The model in `folder`, to be trained whole or through LoRA adapters of rank `lora` on all linear layers.

    `attention` is transformers' `attn_implementation` ("": its own choice). Raises UnavailableError where it cannot be loaded,
    UsageError for weights without gradients (quantised ones).
    """
    from evalsuite.models.loading import Checkpoint, dtype_name, no_bars

    try:
        with no_bars():
            kind = Checkpoint(folder=folder).auto_class
            model = kind.from_pretrained(folder, dtype=dtype_name(dtype), attn_implementation=attention or None)
    except ImportError as error:
        raise UnavailableError(f"loading {folder} needs a package that is missing: {error}") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UnavailableError(f"{folder} cannot be loaded: {type(error).__name__}: {error}") from error
    if not all(p.is_floating_point() for p in model.parameters()):
        raise UsageError(f"{folder} holds quantised weights, which cannot be trained; give the original checkpoint")
    if gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if lora:
        from peft import LoraConfig, get_peft_model

        if gradient_checkpointing:
            model.enable_input_require_grads()
        model = get_peft_model(
            model, LoraConfig(r=lora, lora_alpha=2 * lora, target_modules="all-linear", task_type="CAUSAL_LM")
        )
    return model


def _innermost(model: Any) -> Any:
    """The transformers model under a LoRA wrapper."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
