"""A task with an image in every question, and one rank of a run on it: `python shapes.py MODEL OUT STEPS`."""

from __future__ import annotations

import string
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evalsuite import Completion, Image, Message, Prompt, Sample, Sampling, Score, Task, Verifier

for _folder in (Path(__file__).parent, Path(__file__).parents[1] / "models"):
    sys.path.insert(0, str(_folder))

import vlms  # noqa: E402


@dataclass(frozen=True)
class Even(Verifier):
    """A reward that any random model earns for some of its answers."""

    name: ClassVar[str] = "even"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        return Score(float(sum(map(ord, completion.text)) % 2))


SHAPES = Task(
    name="shapes",
    samples=tuple(
        Sample(
            id=str(i), messages=(Message("user", (Image(vlms.png(12 + 4 * i, 16, i)), f"say {'abcdefgh'[i]}=")),), target="a"
        )
        for i in range(6)
    ),
    prompt=Prompt(name="bare", user="{problem}"),
    verifier=Even(),
    sampling=Sampling(max_tokens=12, temperature=1.0, stop=tuple(string.ascii_uppercase + string.digits)),
)


def main(model: str, out: str, steps: int) -> None:
    """Questions with images and without: some ranks have micro-batches that leave the images' weights out."""
    import torch
    from small import small

    from evalsuite.trainers import train
    from evalsuite.trainers.watch import Silent

    torch.set_num_threads(1)
    settings = {"rollout.prompts": 5, "rollout.group": 4, "rollout.updates": 2, "optim.lr": 1e-2, "loss.kl": 0.05}
    train("grpo", model, [SHAPES, small(n=6)], steps=steps, settings=settings, output=out, watch=Silent())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
