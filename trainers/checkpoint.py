"""Checkpoints: an ordinary Hugging Face folder that `evalsuite run --model` reads, and beside it what a run needs to go on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evalsuite.errors import UsageError

from .policy import Policy

if TYPE_CHECKING:
    from accelerate import Accelerator

TRAINER = "trainer"  # folder of what only a resumed run reads
FOLDER = "checkpoints"


def name(step: int) -> str:
    """`step-000050`: sorts as it counts, and `evalsuite run --model FOLDER` puts checkpoints in this order."""
    return f"step-{step:06d}"


def save(run: Path, step: int, accelerator: Accelerator, policy: Policy, tokenizer: Any, state: dict[str, Any]) -> Path:
    """Write the checkpoint of `step`; it appears under its name only when it is whole. Called by every rank.

    `state` is this rank's own: cursor, recipe state, pending rollouts, random numbers. Older checkpoints keep their weights and
    lose what only a resumed run needs.
    """
    final = run / FOLDER / name(step)
    partial = final.with_name(f".{final.name}.partial")
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    export(partial, accelerator, policy, tokenizer)
    accelerator.save_state(str(partial / TRAINER / "accelerate"))
    torch.save(state, partial / TRAINER / f"state-{accelerator.process_index}.pt")
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        for older in (run / FOLDER).glob(f"step-*/{TRAINER}"):
            if older.parent != final:
                shutil.rmtree(older)
    accelerator.wait_for_everyone()
    return final


def export(folder: Path, accelerator: Accelerator, policy: Policy, tokenizer: Any, merged: bool = False) -> None:
    """The weights and the tokenizer as `from_pretrained` reads them. Of a LoRA run: the adapter, or the `merged` model."""
    module = accelerator.unwrap_model(policy)
    if merged and hasattr(module.model, "merge_adapter"):
        _export_merged(folder, accelerator, module.model, tokenizer)
        return
    weights = {n.removeprefix("model."): t for n, t in accelerator.get_state_dict(policy).items()}
    if accelerator.is_main_process:
        from evalsuite.models.loading import no_bars

        with no_bars():
            module.model.save_pretrained(folder, state_dict=weights)
            tokenizer.save_pretrained(folder)


def _export_merged(folder: Path, accelerator: Accelerator, model: Any, tokenizer: Any) -> None:
    """The base model with its adapters merged in for the moment of writing."""
    if accelerator.is_main_process:
        model.merge_adapter()
        try:
            base = model.get_base_model()
            plain = {n.replace(".base_layer", ""): t for n, t in base.state_dict().items() if ".lora_" not in n}
            base.save_pretrained(folder, state_dict=plain)
            tokenizer.save_pretrained(folder)
        finally:
            model.unmerge_adapter()
    accelerator.wait_for_everyone()


def latest(run: Path) -> Path | None:
    """The newest checkpoint that a run can go on from."""
    whole = sorted(p.parent for p in (run / FOLDER).glob(f"step-*/{TRAINER}"))
    return whole[-1] if whole else None


def restore(folder: Path, accelerator: Accelerator) -> dict[str, Any]:
    """Load weights, optimiser and random numbers; returns this rank's `state`. Raises UsageError for another number of ranks."""
    path = folder / TRAINER / f"state-{accelerator.process_index}.pt"
    saved = len(list((folder / TRAINER).glob("state-*.pt")))
    if saved != accelerator.num_processes:
        raise UsageError(
            f"{folder} was written by {saved} processes and this run has {accelerator.num_processes}; start as many, or --fresh"
        )
    accelerator.load_state(str(folder / TRAINER / "accelerate"))
    return torch.load(path, weights_only=False)
