"""How a run computes: number formats, adapters, where completions come from. Its curves should not depend on it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UnavailableError, UsageError
from evalsuite.models.loading import dtype_name

from .collect import Sampler
from .hf_rollouts import LiveSampler
from .journal import check_mirrors
from .policy import Policy, check_packing, load

if TYPE_CHECKING:
    from accelerate import Accelerator

LOGITS = 1 << 30  # entries of the logits of one micro-batch, where --micro-tokens does not say
PACKED = 1024  # tokens of a packed sequence, where --micro-tokens does not say


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a run computes.

    `dtype` is that of the weights, `bf16` computes in bfloat16 over float32 weights, `lora` is the rank of adapters on all linear
    layers (0: every weight is trained), `micro_tokens` the padded tokens of a micro-batch (0: by the size of the vocabulary),
    with `pack` those of rows that stand end to end instead; `attn_implementation` is transformers' (empty: its own choice),
    `rollouts` is hf, vllm, or vllm:URL for a server; `report_to` mirrors the scalars to tensorboard, trackio or wandb.
    """

    dtype: str = "float32"
    bf16: bool = False
    gradient_checkpointing: bool = False
    lora: int = 0
    micro_tokens: int = 0
    pack: bool = False
    attn_implementation: str = ""
    rollouts: str = "hf"
    report_to: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises UsageError for words that mean nothing, UnavailableError where a mirror is not installed."""
        check_mirrors(self.report_to)
        if self.rollouts.partition(":")[0] not in ("hf", "vllm"):
            raise UsageError(f"rollouts by {self.rollouts}: hf, vllm, or vllm:URL for a running server")
        if self.rollouts == "vllm" and importlib.util.find_spec("vllm") is None:
            raise UnavailableError("--rollouts vllm needs vllm: pip install 'evalsuite[vllm]', or take --rollouts hf")
        if dtype_name(self.dtype) == "float32" and "flash" in self.attn_implementation:
            raise UsageError(f"{self.attn_implementation} computes in 16 bits: it needs weights of --dtype bfloat16")

    def budget(self, vocabulary: int) -> int:
        """Tokens of a micro-batch. Without flash attention every token of a packed sequence is compared with all of it."""
        fits = PACKED if self.pack and "flash" not in self.attn_implementation else max(1024, LOGITS // vocabulary)
        return self.micro_tokens or fits

    def module(self, folder: Path, device: Any) -> Any:
        """The model in `folder`, ready to be trained. Raises UsageError where `pack` cannot work with it."""
        module = load(
            folder,
            dtype=self.dtype,
            lora=self.lora,
            gradient_checkpointing=self.gradient_checkpointing,
            attention=self.attn_implementation,
        )
        module = module.to(device).train()
        if self.pack:
            check_packing(module)
        return module

    def sampler(self, module: Any, folder: Path, label: str, accelerator: Accelerator) -> Sampler:
        """Where completions come from. Raises UsageError where that cannot work with these processes."""
        kind, _, url = self.rollouts.partition(":")
        if kind == "hf":
            need_whole_weights(accelerator, "--rollouts hf", "use --rollouts vllm")
            return LiveSampler(module, folder, label=label)
        if url and accelerator.num_processes > 1:
            raise UsageError(
                f"--rollouts {self.rollouts} with {accelerator.num_processes} processes: each would load its weights into the one "
                "server; use --rollouts vllm, an engine per process"
            )
        from .vllm_rollouts import make_sampler

        return make_sampler(kind, url, folder, self.dtype)

    def reference(self, module: Any, folder: Path, policy: Policy) -> Callable[[Any], Any]:
        """Scores with the model as it was before training: without its adapters, or a second copy of it."""
        if self.lora:

            def without_adapters(micro: Any) -> Any:
                with module.disable_adapter():
                    return policy(micro)

            return without_adapters
        frozen = load(folder, dtype=self.dtype, attention=self.attn_implementation)
        frozen = frozen.to(module.device).eval().requires_grad_(False)
        return Policy(frozen, policy.temperature, pack=self.pack, vision=policy.vision)


def need_whole_weights(accelerator: Accelerator, what: str, instead: str) -> None:
    """Raises UsageError where weights are split over processes, so that none of them can answer a question alone."""
    kind, plugin = accelerator.distributed_type.value, getattr(accelerator.state, "deepspeed_plugin", None)
    if kind in ("FSDP", "MEGATRON_LM", "TP") or (plugin is not None and plugin.zero_stage == 3):
        raise UsageError(f"{what} needs the whole model in every process, and {kind} splits it: {instead}")
