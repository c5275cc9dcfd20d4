"""A small real language model, trained from scratch in seconds: the embedded default for machines without GPU or network.

A Qwen3-config causal LM of 137,152 parameters over characters learns to sort four letters (`sort dbca=` -> `abcd`). 70 %
of its teacher's answers stop after one bubble pass, so it ends up right in less than half of the cases and sampling finds
more: room for pass@k today and for reinforcement learning later.
"""

from __future__ import annotations

import contextlib
import itertools
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerFast, Qwen3Config

LETTERS = "abcdefghij"
LENGTH = 4
FLAWED = 0.7  # share of the teacher's answers that stop after one bubble pass
BATCH = 256
WARMUP = 20
PEAK = 3e-3
CHARACTERS = string.ascii_letters + string.digits + " \n.,:;?!'\"()[]{}+-*/=<>"
PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
FIRST_LOSS = len("sort ") + LENGTH  # position of "=": what it predicts is the answer's first letter

Progress = Callable[[int, int, float], None]


def prompt(letters: str) -> str:
    """The prompt text, the same as the problem of task `sort_letters` at its first level."""
    return f"sort {letters}="


def bubble_pass(letters: str) -> str:
    """One pass of bubble sort from the left, where the flawed teacher stops."""
    row = list(letters)
    for i in range(len(row) - 1):
        if row[i] > row[i + 1]:
            row[i], row[i + 1] = row[i + 1], row[i]
    return "".join(row)


def questions() -> list[str]:
    """The letter strings to train on: all of four letters a-j, without those that task `sort_letters` evaluates on."""
    from evalsuite.registry import find

    task = sys.modules[find("sort_letters").__module__]
    strings = map("".join, itertools.product(LETTERS, repeat=LENGTH))
    return [letters for letters in strings if not task.held_out(letters)]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """With one thread of torch: matrices this small only lose by being shared out, and sums come in one order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per character, 88 in all; what is not among them is `<unk>`. It loads offline through AutoTokenizer."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate((PAD, EOS, UNKNOWN, *CHARACTERS))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    core.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN, clean_up_tokenization_spaces=False
    )


def config(vocabulary: int) -> Qwen3Config:
    """Qwen3 at hidden 64: 2 layers, 2 heads of 32, FFN 256, tied embeddings, 256 positions."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        tie_word_embeddings=True,
        initializer_range=0.03,  # 0.02 learns later and less evenly from seed to seed at this size
        max_position_embeddings=256,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        dtype="float32",
    )


def train(out: str | Path, steps: int = 120, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Train the demo model and save an ordinary checkpoint directory at `out`.

    AdamW, learning rate 3e-3 falling linearly to 0 after a warm-up of 20 steps, batch 256, cross-entropy over the answer
    and its end only, float32, one thread. The same steps and seed give the same weights on the same machine.
    `progress(step, steps, loss)` is called after every step. Returns `out`, `parameters`, `steps`, `loss` (of the last
    step, in nats per token) and `seconds` (without imports). Raises UsageError for a bad count or an `out` that cannot be
    written, UnavailableError where torch or transformers is missing.
    """
    if steps < 1:
        raise UsageError(f"--steps {steps}: at least 1")
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed {seed}: from 0 to 2**63 - 1")
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write the checkpoint to {out}: {error.strerror}; choose another --out") from error
    try:
        import numpy as np
        import torch
        from transformers import Qwen3ForCausalLM

        from evalsuite.models.loading import no_bars
    except ImportError as error:
        raise UnavailableError(f"the demo needs torch and transformers ({error}): pip install 'evalsuite[hf]'") from error

    started = time.perf_counter()
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        characters = tokenizer()
        model = Qwen3ForCausalLM(config(len(characters))).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / WARMUP, (steps - step) / max(1, steps - WARMUP))
        )
        right, flawed = _encoded(characters)
        generator = np.random.default_rng(seed)
        loss = torch.zeros(())
        for step in range(1, steps + 1):
            rows = torch.from_numpy(_batch(generator, right, flawed))
            logits = model(input_ids=rows[:, :-1]).logits[:, FIRST_LOSS:]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, FIRST_LOSS + 1 :].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(step, steps, loss.item())
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 1, 0
    with no_bars():
        model.eval().save_pretrained(out)
        characters.save_pretrained(out)
    return {
        "out": str(out),
        "parameters": model.num_parameters(),
        "steps": steps,
        "loss": loss.item(),
        "seconds": time.perf_counter() - started,
    }


def _encoded(characters: PreTrainedTokenizerFast) -> tuple[np.ndarray, np.ndarray]:
    """Token ids (questions, prompt + answer + end) with the right answers and with the flawed teacher's."""
    import numpy as np

    letters = questions()
    teachers = (lambda text: "".join(sorted(text)), bubble_pass)
    right, flawed = (
        np.array(characters([prompt(x) + teacher(x) + EOS for x in letters])["input_ids"], dtype=np.int64)
        for teacher in teachers
    )
    return right, flawed


def _batch(generator: np.random.Generator, right: np.ndarray, flawed: np.ndarray) -> np.ndarray:
    import numpy as np

    rows = generator.integers(len(right), size=BATCH)
    wrong = generator.random(BATCH) < FLAWED
    return np.where(wrong[:, None], flawed[rows], right[rows])
