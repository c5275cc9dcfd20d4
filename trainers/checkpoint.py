"""Checkpoints: an ordinary Hugging Face folder that `evalsuite run --model` reads, and beside it what a run needs to go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from evalsuite.errors import IncompleteError, UsageError

from .policy import Policy

if TYPE_CHECKING:
    from accelerate import Accelerator

TRAINER = "trainer"  # folder of what only a resumed run reads
FOLDER = "checkpoints"
KEPT = 2  # checkpoints that a run can go on from


def name(step: int) -> str:
    """`step-000050`: sorts as it counts, and `evalsuite run --model FOLDER` puts checkpoints in this order."""
    return f"step-{step:06d}"


def save(run: Path, step: int, accelerator: Accelerator, policy: Policy, readers: Sequence[Any], state: dict[str, Any]) -> Path:
    """Write the checkpoint of `step`; it appears under its name only when it is whole. Called by every rank.

    `state` is this rank's own: cursor, recipe state, pending rollouts, random numbers. Checkpoints older than the one before keep
    their weights and lose what only a resumed run needs. Raises IncompleteError where the disk takes no more.
    """
    final = run / FOLDER / name(step)
    partial = final.with_name(f".{final.name}.partial")
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    try:
        export(partial, accelerator, policy, readers)
        accelerator.save_state(str(partial / TRAINER / "accelerate"))
        torch.save(state, partial / TRAINER / f"state-{accelerator.process_index}.pt")
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise IncompleteError(
            f"the checkpoint of step {step} cannot be written to {run}: {error}. Earlier ones are safe; free some space and run the "
            "same command again to go on from the newest"
        ) from error
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _to_disk(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        for older in sorted((run / FOLDER).glob(f"step-*/{TRAINER}"))[:-KEPT]:
            shutil.rmtree(older)
    accelerator.wait_for_everyone()
    return final


def export(folder: Path, accelerator: Accelerator, policy: Policy, readers: Sequence[Any], merged: bool = False) -> None:
    """The weights and their `readers` (tokenizer, processor) as `from_pretrained` reads them.

    Of a LoRA run: the adapter, or the `merged` model.
    """
    module = accelerator.unwrap_model(policy)
    if merged and hasattr(module.model, "merge_adapter"):
        _export_merged(folder, accelerator, module.model, readers)
        return
    weights = {n.removeprefix("model."): t for n, t in accelerator.get_state_dict(policy).items()}
    if accelerator.is_main_process:
        from evalsuite.models.loading import no_bars

        with no_bars():
            module.model.save_pretrained(folder, state_dict=weights)
            for reader in readers:
                reader.save_pretrained(folder)


def _export_merged(folder: Path, accelerator: Accelerator, model: Any, readers: Sequence[Any]) -> None:
    """The base model with its adapters merged in for the moment of writing."""
    if accelerator.is_main_process:
        model.merge_adapter()
        try:
            base = model.get_base_model()
            plain = {n.replace(".base_layer", ""): t for n, t in base.state_dict().items() if ".lora_" not in n}
            base.save_pretrained(folder, state_dict=plain)
            for reader in readers:
                reader.save_pretrained(folder)
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
    try:
        accelerator.load_state(str(folder / TRAINER / "accelerate"))
        return torch.load(path, weights_only=False)
    except Exception as error:  # a torn pickle may raise anything
        raise UsageError(
            f"the checkpoint {folder} is damaged ({type(error).__name__}: {error}); delete it to go on from the one before, or "
            "--fresh starts anew"
        ) from error


def _to_disk(folder: Path) -> None:
    """Force what was written: a power cut must not leave a name without its contents."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
