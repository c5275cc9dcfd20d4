"""A GRPO step of this loop against TRL's GRPOTrainer: same model, prompts, lengths, one thread, in one run.

`python tests/bench/bench_train.py [--steps 12] [--rounds 3]` prints CPU seconds per step (this process and its children, since
verifiers run in workers) as medians of alternating rounds, their ratio, and what importing and constructing the trainer costs
above importing torch and transformers and loading the model. A step is 8 prompts x 8 samples x 32 tokens on a random Qwen2 of
1.82 M parameters in float32, and one update. Exits 1 above 1.05 times TRL, or above 0.5 s of construction.

Wall time on a machine that does other work is useless for this; the mean of CPU seconds is not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}

PROMPTS, GROUP, NEW = 8, 8, 32
STEP_BAR, START_BAR = 1.05, 0.5
TEXTS = [f"question {i:03d} asks it" for i in range(64)]  # 19 bytes, the tokens of a byte-level BPE


def checkpoint(folder: Path) -> None:
    """Qwen2, hidden 192, 4 layers, tied; 256 bytes, an end and a padding token. The end is hardly ever sampled."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({t: i for i, t in enumerate([*alphabet, "<eos>", "<pad>"])}, []))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<pad>")
    config = Qwen2Config(
        vocab_size=258,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=True,
        max_position_embeddings=512,
        eos_token_id=256,
        pad_token_id=257,
        bos_token_id=None,
        dtype="float32",
    )
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight[256:] = 0.0
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 256, 257
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def cpu_seconds() -> float:
    """Of this process and all its children, running and ended."""
    import psutil

    me = psutil.Process()
    times = [me.cpu_times(), *(child.cpu_times() for child in me.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def reward(text: str) -> float:
    """Share of small letters: something that differs from sample to sample."""
    return sum(c.islower() for c in text) / max(1, len(text))


def ours(folder: str, steps: int) -> list[float]:
    """CPU seconds of each step of our loop."""
    import torch
    from letters import task

    from evalsuite.trainers import train
    from evalsuite.trainers.watch import Silent

    torch.set_num_threads(1)
    marks: list[float] = []

    class Clock(Silent):
        def step(self, step: int, metrics: object) -> None:
            marks.append(cpu_seconds())

    settings = {"rollout.prompts": PROMPTS, "rollout.group": GROUP, "loss.aggregate": "token_mean", "optim.lr": 1e-5}
    with tempfile.TemporaryDirectory() as out:
        train("grpo", folder, task(TEXTS, NEW), settings=settings, steps=steps, output=out, save_every=steps + 1, watch=Clock())
    return [b - a for a, b in itertools.pairwise(marks)]


def trl(folder: str, steps: int) -> list[float]:
    """CPU seconds of each step of TRL's."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(1)
    marks: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args: object, **kwargs: object) -> None:
            marks.append(cpu_seconds())

    with tempfile.TemporaryDirectory() as out:
        trainer = GRPOTrainer(
            model=folder,
            reward_funcs=lambda completions, **_: [reward(text) for text in completions],
            train_dataset=Dataset.from_dict({"prompt": TEXTS}),
            callbacks=[Clock()],
            args=GRPOConfig(
                output_dir=out,
                per_device_train_batch_size=PROMPTS * GROUP,
                num_generations=GROUP,
                max_completion_length=NEW,
                max_steps=steps,
                learning_rate=1e-5,
                beta=0.0,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                disable_tqdm=True,
            ),
        )
        trainer.train()
    return [b - a for a, b in itertools.pairwise(marks)]


def start(folder: str) -> float:
    """Wall seconds from a process that has torch, transformers and a loaded model to a trainer that could make its first step.

    The trainer's own loading of the model is in it.
    """
    import torch  # noqa: F401
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(folder)
    before = time.perf_counter()
    from letters import task

    from evalsuite.trainers import train
    from evalsuite.trainers.watch import Silent

    class Ready(Silent):
        def start(self, *args: object) -> None:
            print(json.dumps(time.perf_counter() - before), flush=True)
            os._exit(0)

    with tempfile.TemporaryDirectory() as out:
        train("grpo", folder, task(TEXTS, NEW), steps=1, output=out, watch=Ready())
    raise AssertionError("the trainer never started")


def measure(what: str, folder: str, steps: int) -> list[float] | float:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--side", what, "--folder", folder, "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("ours", "trl", "start"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    if args.side:
        found = start(args.folder) if args.side == "start" else {"ours": ours, "trl": trl}[args.side](args.folder, args.steps)
        print(json.dumps(found))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        checkpoint(Path(folder))
        rounds: dict[str, list[float]] = {"ours": [], "trl": [], "start": []}
        for _ in range(args.rounds):
            for side, found in rounds.items():
                value = measure(side, folder, args.steps)
                found.append(statistics.mean(value) if isinstance(value, list) else value)
    steps = {side: statistics.median(rounds[side]) for side in ("ours", "trl")}
    added = statistics.median(rounds["start"])
    ratio = steps["ours"] / steps["trl"]
    print(f"CPU s/step: ours {steps['ours']:.3f}, TRL {steps['trl']:.3f}, ratio {ratio:.2f} (bar {STEP_BAR})")
    print(f"rounds: ours {[round(x, 3) for x in rounds['ours']]}, TRL {[round(x, 3) for x in rounds['trl']]}")
    print(f"import and construction above torch, transformers and the model: {added:.2f} s (bar {START_BAR})")
    return int(ratio > STEP_BAR or added > START_BAR)


if __name__ == "__main__":
    sys.exit(main())
