"""inspect: `.eval` and `.json` logs. Epochs become the samples of a question, further scorers parts, messages the trace."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.imports.bounded import bounded
from evalsuite.imports.inspect_sample import flat_scores, question, score_name
from evalsuite.imports.inspect_zip import EvalFile, grouped, is_json_log, json_log
from evalsuite.imports.record import Evaluation, Found, ImportedTask, Question, Stated

LOOKS_FOR = "*.eval and *.json logs (inspect)"

_MEANS = ("accuracy", "mean")
_LOOKED_AT = 50  # samples, to find one that has scores


def find(source: Path) -> Iterator[Found]:
    """One log each."""
    if source.is_file():
        candidates = [source]
    else:
        candidates = sorted(p for p in [*source.rglob("*.eval"), *source.rglob("*.json")] if p.is_file())
    for path in candidates:
        if path.suffix == ".eval" or (path.suffix == ".json" and is_json_log(path)):
            yield Found(root=path.parent, main=path, files=(path,))


def read(found: Found) -> Evaluation:
    """One evaluation of one task. Raises UsageError for a log that is damaged, or has neither samples nor scores."""
    path = found.main
    if path.suffix == ".eval":
        with EvalFile(path) as file:
            header, entries = file.header(), file.samples()
            first = _telling(file.sample(name) for _, _, name in entries[:_LOOKED_AT])
        order = ((header.get("eval") or {}).get("dataset") or {}).get("sample_ids") or []
        batches: Iterable[list[dict[str, Any]]] = _of_zip(path, grouped(entries, order))
        epochs = max((epoch for _, epoch, _ in entries), default=1)
    else:
        header = json_log(path)
        samples = header.get("samples") or []
        first = _telling(samples[:_LOOKED_AT])
        batches = _of_list(samples)
        epochs = max((int(s.get("epoch", 1)) for s in samples), default=1)
    try:
        return _evaluation(path, header, first, batches, epochs)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a log of a known version of inspect ({error!r})") from None


def _evaluation(
    path: Path, header: Mapping[str, Any], first: Mapping[str, Any] | None, batches: Iterable[list[dict[str, Any]]], epochs: int
) -> Evaluation:
    spec, status = header["eval"], str(header.get("status", "success"))
    plan, stats = header.get("plan") or {}, header.get("stats") or {}
    scores = (header.get("results") or {}).get("scores") or []
    main = _main(header, first)
    if first is None and not scores:
        raise UsageError(f"{path}: the log has neither samples nor scores (status: {status})")
    steps = [{k: step.get(k) for k in ("solver", "params")} for step in plan.get("steps") or ()]
    how = json.dumps([steps, spec.get("task_args")], sort_keys=True, default=str)
    sampling = {**(spec.get("model_generate_config") or {}), **(plan.get("config") or {})}
    scorers = [{k: s.get(k) for k in ("name", "options")} for s in spec.get("scorers") or ()]
    wanted = (spec.get("config") or {}).get("epochs") or 1
    task = ImportedTask(
        name=str(spec["task"]),
        identity={
            "version": str(spec.get("task_version", "")),
            "prompt": {"name": "inspect", "hash": hashlib.sha256(how.encode()).hexdigest()[:16]},
            "num_fewshot": 0,
            "sampling": {k: v for k, v in sampling.items() if v is not None},
            "verifier": {"name": "inspect", "scorer": main, "scorers": scorers},
        },
        questions=None if first is None else _questions(path, batches, str(spec["model"]), main),
        repeats=max(wanted, epochs),
        stated=_stated(scores, main),
        full_size=(spec.get("dataset") or {}).get("samples"),
    )
    error = (header.get("error") or {}).get("message", "")
    stopped = "" if status == "success" else f"inspect's log is {status}" + (f": {error[:300]}" if error else "")
    return Evaluation(
        model={"name": str(spec["model"]), "engine": "inspect", "model_args": bounded(spec.get("model_args") or {})},
        tasks=(task,),
        version=str((spec.get("packages") or {}).get("inspect_ai", "")),
        started=_time(stats.get("started_at") or spec.get("created")),
        finished=_time(stats.get("completed_at")),
        environment={"packages": dict(spec.get("packages") or {})},
        notes=(stopped,) if stopped else (),
        stopped=stopped,
    )


def _questions(path: Path, batches: Iterable[list[dict[str, Any]]], model: str, main: str) -> Iterator[Question]:
    for samples in batches:
        try:
            yield question(samples, model, main)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            where = f"sample {samples[0].get('id')!r}"
            raise UsageError(f"{path}: {where} has not the shape that inspect gives it ({error!r})") from None


def _of_zip(path: Path, entries: Sequence[Sequence[str]]) -> Iterator[list[dict[str, Any]]]:
    with EvalFile(path) as file:
        for names in entries:
            yield [file.sample(name) for name in names]


def _of_list(samples: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    by_id: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        by_id.setdefault(str(sample.get("id")), []).append(sample)
    yield from (sorted(of, key=lambda s: s.get("epoch", 1)) for of in by_id.values())


def _telling(samples: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The first sample that has scores, else the first one."""
    first = None
    for sample in samples:
        first = first or sample
        if sample.get("scores"):
            return sample
    return first


def _main(header: Mapping[str, Any], sample: Mapping[str, Any] | None) -> str:
    """The score that is the value: the headline's, else the first of the results, else the first of a sample."""
    results = header.get("results") or {}
    scores, headline = results.get("scores") or [], results.get("headline") or {}
    chosen = next((s for s in scores if (s.get("scorer"), s["name"]) == (headline.get("scorer"), headline.get("score"))), None)
    for score in [chosen] if chosen else scores[:1]:
        return score_name(score.get("scorer"), score["name"])
    return next(iter(flat_scores((sample or {}).get("scores"))), "")


def _stated(scores: Sequence[Mapping[str, Any]], main: str) -> dict[str, Stated]:
    """inspect's own means (`accuracy`, `mean`) over questions, by our labels. Other reducers and metrics have no like here."""
    out: dict[str, Stated] = {}
    for score in scores:
        metrics = score.get("metrics") or {}
        name = next((m for m in _MEANS if m in metrics), None)
        if name is None or score.get("reducer") not in (None, "mean"):
            continue
        known = score_name(score.get("scorer"), score["name"])
        value, stderr = metrics[name].get("value"), (metrics.get("stderr") or {}).get("value")
        if isinstance(value, int | float) and math.isfinite(value):
            out["avg" if known == main else f"part:{known}"] = Stated(
                name=f"{known} {name}", value=float(value), stderr=stderr, questions=score.get("scored_samples")
            )
    return out


def _time(text: Any) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if text else ""
    except (TypeError, ValueError):
        return ""
