"""The `hf` backend against lm-eval's and against a bare transformers loop: same model, prompts, batch size, one process.

`python tests/bench/bench_hf.py [--checkpoint DIR] [--prompts 200] [--new-tokens 32] [--rounds 3]` prints medians of
alternating rounds and the ratios. Without a checkpoint it measures a random model of the demo's shape, made on the fly.
One sample per prompt is greedy (the random model then never reaches its end token: each side makes 6,400 tokens); eight
are sampled at temperature 1 from the same distribution. Exits 1 if we are slower than lm-eval anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def random_checkpoint(folder: Path) -> None:
    """An untrained model of the demo's shape whose end token has logit 0: never the largest, seldom sampled."""
    import torch
    from transformers import Qwen3ForCausalLM

    from evalsuite.demo import config, tokenizer

    torch.manual_seed(0)
    characters = tokenizer()
    model = Qwen3ForCausalLM(config(len(characters)))
    with torch.no_grad():
        model.model.embed_tokens.weight[1] = 0.0
    model.save_pretrained(folder)
    characters.save_pretrained(folder)


def prompts(count: int) -> list[str]:
    """Few-shot-like prompts of 20 to 120 characters."""
    rng = random.Random(0)
    return ["".join(rng.choice("abcdefghij =") for _ in range(rng.randint(20, 120))) for _ in range(count)]


def ours(folder: Path, texts: list[str], batch: int, new: int, n: int) -> Callable[[], int]:
    """evalsuite's HFModel; the closure returns the number of tokens made."""
    from evalsuite.models.hf import HFModel
    from evalsuite.words.completion import Request, Sampling, sample_seed
    from evalsuite.words.sample import Message

    model = HFModel(folder, batch_size=batch, device="cpu")
    sampling = Sampling(temperature=0.0 if n == 1 else 1.0, max_tokens=new, stop=("\n\n",))
    requests = [
        Request(
            messages=(Message("user", text),),
            sampling=sampling,
            seeds=tuple(sample_seed(0, "bench", str(i), j) for j in range(n)),
            indices=tuple(range(n)),
            plain=text,
        )
        for i, text in enumerate(texts)
    ]

    async def go() -> int:
        answers = await asyncio.gather(*(model.generate(r) for r in requests))
        return sum(c.completion_tokens or 0 for row in answers for c in row)

    return lambda: asyncio.run(go())


def lm_eval(folder: Path, texts: list[str], batch: int, new: int, n: int) -> Callable[[], int]:
    """lm-eval's HFLM.generate_until; n samples are n requests, as its `repeats` makes them."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    logging.disable(logging.WARNING)
    model = HFLM(pretrained=str(folder), batch_size=batch, device="cpu", dtype="float32")
    arguments = {"until": ["\n\n"], "max_gen_toks": new, "do_sample": n > 1, "temperature": 1.0 if n > 1 else 0.0}
    instances = [Instance("generate_until", {}, (t, dict(arguments)), i) for i, t in enumerate(texts) for _ in range(n)]

    def go() -> int:
        answers = model.generate_until(instances, disable_tqdm=True)
        return sum(map(len, answers))

    return go


def bare(folder: Path, texts: list[str], batch: int, new: int, n: int) -> Callable[[], int]:
    """Length-sorted `model.generate`, with `num_return_sequences` for n samples."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    ordered = sorted(texts, key=len)
    size = max(1, batch // n)
    how = {"do_sample": True, "num_return_sequences": n, "top_k": 0} if n > 1 else {"do_sample": False}

    def go() -> int:
        made = 0
        for i in range(0, len(ordered), size):
            inputs = tokenizer(ordered[i : i + size], return_tensors="pt", padding=True)
            inputs.pop("token_type_ids", None)
            with torch.inference_mode():
                out = model.generate(**inputs, max_new_tokens=new, pad_token_id=0, **how)
            made += (out.shape[1] - inputs["input_ids"].shape[1]) * out.shape[0]
            tokenizer.batch_decode(out)
        return made

    return go


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint folder instead of a random model")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default="16x1,200x1,200x8", help="batch size x samples per prompt")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    texts = prompts(args.prompts)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.checkpoint or Path(temporary)
        if args.checkpoint is None:
            random_checkpoint(folder)
        for case in args.cases.split(","):
            batch, n = map(int, case.split("x"))
            sides = {make.__name__: make(folder, texts, batch, args.new_tokens, n) for make in (ours, lm_eval, bare)}
            for side in sides.values():
                side()  # warm-up, loading included
            seconds: dict[str, list[float]] = {name: [] for name in sides}
            made = {}
            for _ in range(args.rounds):
                for name, side in sides.items():
                    start = time.perf_counter()
                    made[name] = side()
                    seconds[name].append(time.perf_counter() - start)
            medians = {name: statistics.median(times) for name, times in seconds.items()}
            rows.append({"batch": batch, "n": n, **medians, "lm_eval/ours": medians["lm_eval"] / medians["ours"], "made": made})
            if not args.json:
                print(
                    f"batch {batch:4d}  n {n}  ours {medians['ours']:.3f} s  lm-eval {medians['lm_eval']:.3f} s  "
                    f"bare {medians['bare']:.3f} s  lm-eval/ours {medians['lm_eval'] / medians['ours']:.2f}  "
                    f"bare/ours {medians['bare'] / medians['ours']:.2f}  made {made}",
                    flush=True,
                )
    if args.json:
        print(json.dumps(rows))
    return int(any(row["lm_eval/ours"] < 1 for row in rows))


if __name__ == "__main__":
    sys.exit(main())
