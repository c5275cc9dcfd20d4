"""One rank of stock GRPOTrainers and of the adapter's, one after the other: `python trl_rank.py MODEL OUT`. Rank 0 prints what they logged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

RECIPES = ("grpo", "dr_grpo", "vespo")


def main(model: str, out: str) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOTrainer

    from evalsuite.trainers.adapters import trl as adapter

    torch.set_num_threads(1)
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import PROMPTS, history, small_letters

    found = {}
    for name in RECIPES:
        settings = {"rollout.prompts": 4, "rollout.group": 4, "rollout.max_tokens": 8, "rollout.updates": 2}
        recipe = adapter.load(name, {**settings, "optim.lr": 1e-2, "optim.eps": 1e-3})
        args = adapter.config(
            recipe,
            output_dir=out,
            max_steps=4,
            per_device_train_batch_size=4,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
            ddp_backend="gloo",
        )
        assert (args.world_size, args.gradient_accumulation_steps) == (2, 2)
        for label, kind, first in (("stock", GRPOTrainer, ()), ("ours", adapter.RecipeTrainer, (recipe,))):
            trainer = kind(
                *first,
                AutoModelForCausalLM.from_pretrained(model),
                small_letters,
                args,
                train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
                processing_class=AutoTokenizer.from_pretrained(model),
            )
            trainer.train()
            if trainer.is_world_process_zero():
                found[f"{name} {label}"] = history(trainer, "loss", "grad_norm", "entropy")
    if found:
        print("FOUND", json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
