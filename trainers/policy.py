"""`Policy`: the model that is trained, from token rows to log-probabilities and entropies of the response tokens."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from evalsuite.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from .micro import Micro


class Scored(NamedTuple):
    """Of each response token: `logp` and `entropy`, both float32 (B, T); what lies outside the mask means nothing."""

    logp: Tensor
    entropy: Tensor


class Policy(nn.Module):
    """A causal language model with `forward(micro) -> Scored`.

    `temperature` divides the logits before anything is computed from them: the log-probabilities are those of the distribution
    that was sampled from. Where several rows of a micro-batch have the same prompt, the prompt is read once and its keys and
    values serve all of them, gradient included, if `share` and the model's cache allow it (gradient checkpointing keeps no cache).
    `entropy_gradient` keeps the graph of the entropy, which costs memory and is wanted only for an entropy term.
    """

    def __init__(self, model: Any, temperature: float = 1.0, *, entropy_gradient: bool = False, share: bool = True) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.entropy_gradient = entropy_gradient
        accepts = inspect.signature(_innermost(model).forward).parameters
        self._keeps = "logits_to_keep" in accepts
        self._positions = "position_ids" in accepts
        self._caches = "past_key_values" in accepts
        kinds = getattr(_innermost(model).config.get_text_config(), "layer_types", None) or ["full_attention"]
        self._share = share and self._caches and set(kinds) == {"full_attention"}  # a sliding window forgets the prompt

    def forward(self, micro: Micro) -> Scored:
        """Scored tokens of a micro-batch."""
        if self._share and len(micro.prompt) < len(micro.parent):
            return self._shared(micro)
        width = micro.response.shape[1]
        ids = torch.cat([micro.prompt[micro.parent], micro.response], 1)
        mask = torch.cat([micro.prompt_mask[micro.parent], micro.mask], 1)
        logits = self._logits(ids, mask, keep=width + 1, use_cache=False)[0][:, -width - 1 : -1]
        return self._score(logits, micro.response)

    def _shared(self, micro: Micro) -> Scored:
        first, cache = self._logits(micro.prompt, micro.prompt_mask, keep=1, use_cache=True)
        logits = first[micro.parent][:, -1:]
        if micro.response.shape[1] > 1:
            cache.batch_select_indices(micro.parent)
            mask = torch.cat([micro.prompt_mask[micro.parent], micro.mask[:, :-1]], 1)
            rest, _ = self._logits(micro.response[:, :-1], mask, keep=0, use_cache=True, cache=cache)
            logits = torch.cat([logits, rest], 1)
        return self._score(logits, micro.response)

    def _logits(self, ids: Tensor, mask: Tensor, *, keep: int, use_cache: bool, cache: Any = None) -> tuple[Tensor, Any]:
        """Logits (rows, kept, V) and the cache. `mask` spans what is cached and `ids`."""
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask.long()}
        if self._positions:
            arguments["position_ids"] = (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
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


def load(folder: Path, *, dtype: str = "float32", lora: int = 0, gradient_checkpointing: bool = False) -> Any:
    """The model in `folder`, to be trained whole or through LoRA adapters of rank `lora` on all linear layers.

    Raises UnavailableError where it cannot be loaded, UsageError for weights without gradients (quantised ones).
    """
    from transformers import AutoModelForCausalLM

    from evalsuite.models.loading import dtype_name, no_bars

    try:
        with no_bars():
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype_name(dtype))
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
