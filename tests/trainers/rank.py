"""One rank of a run in two calls: `python rank.py MODEL OUT STEPS STEPS`, with torch's environment variables for rank and world."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main(model: str, out: str, *calls: int) -> None:
    import torch
    from small import small

    from evalsuite.trainers import train
    from evalsuite.trainers.recipes.grpo import GRPO
    from evalsuite.trainers.watch import Silent

    torch.set_num_threads(1)
    settings = {"rollout.prompts": 5, "rollout.group": 4, "rollout.updates": 2, "optim.lr": 1e-2, "loss.kl": 0.05}
    settings |= {"loss.aggregate": "token_mean", "credit.scale": "batch", "loss.entropy": 0.01}
    for steps in calls:  # a later one goes on from the checkpoint of the one before
        train(GRPO(settings), model, small(), steps=steps, output=out, save_every=2, watch=Silent())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
