"""The prompt data set that each trainer expects. No gold answer is in any of them: the reward has it, by task and id.

| format | file | a row |
|---|---|---|
| `trl` | .parquet, .jsonl | `prompt` (messages, or text), `task`, `id`, and `images` where the prompts have any |
| `verl` | .parquet | `data_source` (the task), `prompt`, `ability` (its family), `reward_model`, `extra_info`, `images` |
| `openrlhf` | .jsonl | `input`, `label` (JSON of `task` and `id`), `datasource` (the task), `images` |
| `jsonl` | .jsonl | as `trl`, with images as URIs |

verl wants a `reward_model.ground_truth` in every row: it is the sample's id. TRL finds the place of an image by a block of
the content, verl (`utils/dataset/rl_dataset.py`) and OpenRLHF (`datasets/prompts_dataset.py`) by the text `<image>`.
"""

from __future__ import annotations

import base64
import io
import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite import registry
from evalsuite.errors import UsageError
from evalsuite.files import write_atomically
from evalsuite.models.wire import image_url
from evalsuite.plan import Plan
from evalsuite.words.sample import Image, Message, Sample

FORMATS = {"trl": (".parquet", ".jsonl"), "verl": (".parquet",), "openrlhf": (".jsonl",), "jsonl": (".jsonl",)}
MARK = "<image>"

Pair = tuple[Plan, Sample]


def write_dataset(
    plans: Sequence[Plan],
    form: str,
    out: Path,
    *,
    plain: bool = False,
    mix: Mapping[str, float] | None = None,
    seed: int = 0,
    include: Sequence[str] = (),
) -> dict[str, int]:
    """Write the prompts of these tasks to `out` in one of FORMATS; returns the number of rows by task.

    Without `mix` every question is there once, in order; with it as `mixed` says. `plain` writes the text form of the
    prompts, for models without a chat template. `include` is what the registry was given. Raises UsageError as `check_form`
    does, for wrong weights, and for images where there is no place for them.
    """
    check_form(form, out, plain)
    pairs = mixed(plans, mix, seed) if mix else [(plan, sample) for plan in plans for sample in plan.samples]
    images = any(_images(plan.render(sample).messages) for plan, sample in pairs)
    if images and plain:
        raise UsageError("the text form of these prompts has no place for their images: write the messages instead")
    if images and form == "trl" and out.suffix != ".parquet":
        raise UsageError(f"{out}: TRL reads images from Parquet only: choose a name that ends in .parquet")
    if form == "verl":
        families = {name: info.family for name, info in registry.index(include).items()}
        tests = evaluated(plans, include)
        rows = [
            _verl(i, pair, images, families.get(pair[0].name.partition("@")[0], ""), pair[0].name in tests)
            for i, pair in enumerate(pairs)
        ]
    elif form == "openrlhf":
        rows = [_openrlhf(pair, plain) for pair in pairs]
    else:
        rows = [_trl(pair, plain, images, as_bytes=form == "trl") for pair in pairs]
    write_atomically(out, _parquet(rows, form) if out.suffix == ".parquet" else _lines(rows))
    count = Counter(plan.name for plan, _ in pairs)
    return {plan.name: count[plan.name] for plan in plans}


def check_form(form: str, out: Path, plain: bool) -> None:
    """Raises UsageError for a suffix that the format does not have, and for plain prompts where there are none."""
    if out.suffix not in FORMATS[form]:
        raise UsageError(f"{out}: a data set for {form} is a {' or '.join(FORMATS[form])} file")
    if plain and form == "verl":
        raise UsageError("verl applies a chat template to every prompt: there are no plain prompts for it")


def stops(plans: Sequence[Plan], plain: bool) -> dict[tuple[str, ...], list[str]]:
    """Where `evalsuite run` ends completions of these prompts, and of which tasks: the stop strings of the task's sampling,
    and of plain prompts their own too. Tasks without any are under ()."""
    found: dict[tuple[str, ...], list[str]] = {}
    for plan in plans:
        ends = dict.fromkeys((*plan.sampling.stop, *(plan.prompt.plain_stop if plain else ())))
        found.setdefault(tuple(ends), []).append(plan.name)
    return found


def mixed(plans: Sequence[Plan], weights: Mapping[str, float], seed: int = 0) -> list[Pair]:
    """As many rows as the tasks have questions together, shared out by `weights` and shuffled; the same for a seed.

    A task with a smaller share is a random subset of its questions; with a larger one each of them comes equally often,
    give or take one. Fractions of rows go to the largest remainders. Raises UsageError unless every task, and nothing
    else, has a weight above 0 that gives it a row.
    """
    check_mix(plans, weights)
    most = max(weights.values())  # of which the others are fractions, so that no sum is too large
    size, total = sum(len(plan.samples) for plan in plans), sum(weight / most for weight in weights.values())
    exact = [size * (weights[plan.name] / most) / total for plan in plans]
    shares = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(plans)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: size - sum(shares)]:
        shares[i] += 1
    if none := [plan.name for plan, share in zip(plans, shares) if not share]:
        raise UsageError(f"mix: of {size} rows none is left for {', '.join(none)}; raise its weight, or leave the task out")
    generator = random.Random(seed)
    rows: list[Pair] = []
    for plan, share in zip(plans, shares):
        passes, rest = divmod(share, len(plan.samples))
        rows += [(plan, sample) for sample in (*plan.samples * passes, *generator.sample(plan.samples, rest))]
    generator.shuffle(rows)
    return rows


def check_mix(plans: Sequence[Plan], weights: Mapping[str, float]) -> None:
    """Raises UsageError unless every task, and nothing else, has a finite weight above 0."""
    if weights.keys() != {plan.name for plan in plans} or not all(0 < w < math.inf for w in weights.values()):
        given = ", ".join(f"{name}={weight:g}" for name, weight in weights.items())
        raise UsageError(f"mix {given}: one weight above 0 for each of {', '.join(plan.name for plan in plans)}")


def evaluated(plans: Sequence[Plan], include: Sequence[str] = ()) -> list[str]:
    """The tasks whose questions `evalsuite run` evaluates (`registry.is_evaluated`)."""
    return [plan.name for plan in plans if registry.is_evaluated(plan.name, include)]


def _trl(pair: Pair, plain: bool, images: bool, as_bytes: bool) -> dict[str, Any]:
    """Blocks and `images` in every row or in none: a Parquet column has one type."""
    plan, sample = pair
    rendered = plan.render(sample)
    prompt = [{"role": m.role, "content": _blocks(m) if images else m.text} for m in rendered.messages]
    row: dict[str, Any] = {"prompt": rendered.plain if plain else prompt, "task": plan.name, "id": sample.id}
    if images:
        found = _images(rendered.messages)
        row["images"] = [{"bytes": _bytes(i), "path": None} if as_bytes else image_url(i) for i in found]
    return row


def _verl(index: int, pair: Pair, images: bool, family: str, test: bool) -> dict[str, Any]:
    plan, sample = pair
    turns = plan.render(sample).messages
    row: dict[str, Any] = {
        "data_source": plan.name,
        "prompt": _marked(turns),
        "ability": family,
        "reward_model": {"style": "rule", "ground_truth": sample.id},
        "extra_info": {"index": index, "task": plan.name, "id": sample.id, "split": "test" if test else "train"},
    }
    if images:
        row["images"] = [{"bytes": _bytes(image)} for image in _images(turns)]
    return row


def _openrlhf(pair: Pair, plain: bool) -> dict[str, Any]:
    plan, sample = pair
    rendered = plan.render(sample)
    row: dict[str, Any] = {
        "input": rendered.plain if plain else _marked(rendered.messages),
        "label": json.dumps({"task": plan.name, "id": sample.id}),
        "datasource": plan.name,
    }
    if found := _images(rendered.messages):
        row["images"] = [image_url(image) for image in found]
    return row


def _blocks(message: Message) -> list[dict[str, Any]]:
    parts = (message.content,) if isinstance(message.content, str) else message.content
    return [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image", "text": None} for p in parts]


def _marked(turns: Sequence[Message]) -> list[dict[str, str]]:
    """Messages with `<image>` where an image is. Raises UsageError where a text says so too."""
    if _images(turns) and any(MARK in turn.text for turn in turns):
        raise UsageError(
            f"a prompt has images and also the text {MARK}, which is how this trainer marks them: {turns[-1].text[:80]!r}"
        )
    return [
        {"role": turn.role, "content": "".join(part if isinstance(part, str) else MARK for part in turn.content)}
        for turn in turns
    ]


def _images(turns: Sequence[Message]) -> list[Image]:
    return [part for turn in turns if not isinstance(turn.content, str) for part in turn.content if isinstance(part, Image)]


def _bytes(image: Image) -> bytes:
    uri = image_url(image)
    if not uri.startswith("data:"):
        raise UsageError(f"the image {uri} is not here, and Parquet holds the image itself: download it, or write JSON lines")
    return base64.b64decode(uri.partition(",")[2])


def _parquet(rows: Sequence[Mapping[str, Any]], form: str) -> bytes:
    buffer = io.BytesIO()
    if form == "trl" and "images" in rows[0]:
        import datasets

        text = datasets.Value("string")
        features = {
            "prompt": [{"role": text, "content": [{"type": text, "text": text}]}],
            "task": text,
            "id": text,
            "images": [datasets.Image()],  # without this type, `load_dataset` would give TRL bytes and no images
        }
        datasets.Dataset.from_list(list(rows), features=datasets.Features(features)).to_parquet(buffer)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
