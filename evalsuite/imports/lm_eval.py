"""lm-evaluation-harness: `results_<date>.json` with its `samples_<task>_<date>.jsonl`, as `--output_path --log_samples` leaves them.

Shapes as lm_eval 0.4 writes them (lm_eval/result_schema.py, loggers/evaluation_tracker.py). What `evalsuite export --to lm-eval`
wrote comes back as the run that it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.imports import lm_eval_own as own
from evalsuite.imports.lm_eval_rows import SHAPE, Log, number, part_name
from evalsuite.imports.record import Evaluation, Found, ImportedTask, Stated
from evalsuite.runlog import slug

LOOKS_FOR = "results_*.json (lm-eval)"

_DATED = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.json$")
_PROMPT = (
    "doc_to_text", "description", "target_delimiter", "fewshot_delimiter", "fewshot_config", "doc_to_choice", "process_docs", "use_prompt",
    "gen_prefix", "assistant_prefill",
)  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def find(source: Path) -> Iterator[Found]:
    """Results files, each with the sample logs of the same date beside it. Folders of our own runs are left alone."""
    candidates = [source] if source.is_file() else sorted(p for p in source.rglob("*.json") if p.is_file())
    for path in candidates:
        dated = _DATED.search(path.name)
        named = dated or (path.name.startswith("results") and not (path.parent / "run.json").exists())
        if path.suffix != ".json" or not (named or source.is_file()) or not _is_results(path):
            continue
        beside = path.parent.glob(f"samples_*_{dated[1]}.jsonl" if dated else "samples_*.jsonl")
        samples = sorted(p for p in beside if p.is_file())
        yield Found(root=path.parent, main=path, files=(path, *samples))


def read(found: Found) -> Evaluation:
    """One evaluation. Raises UsageError for a file that is damaged, or has not lm-eval's shape."""
    document = _load(found.main)
    try:
        return _evaluation(found, document)
    except SHAPE as error:
        raise UsageError(f"{found.main}: not the shape that lm-eval gives its results ({error!r})") from None


def _evaluation(found: Found, document: Mapping[str, Any]) -> Evaluation:
    results = document["results"]
    config = document.get("config") or {}
    logs = {_task_of(path, found.main, results): path for path in found.files[1:]}
    groups = {name for name, members in (document.get("group_subtasks") or {}).items() if members} | set(
        document.get("groups") or {}
    )
    notes: list[str] = []
    tasks = []
    for name in dict.fromkeys((*results, *(document.get("groups") or {}), *logs)):
        numbers = {**results.get(name, {}), **(document.get("groups") or {}).get(name, {})}
        if own.is_ours(document, name):
            if name in logs:
                tasks.append(own.task(document, name, logs[name]))
        elif name in logs:
            tasks.append(_with_samples(document, name, numbers, logs[name], notes))
        elif any("," in key for key in numbers):
            lower = _lower(document, name, numbers, notes)
            tasks.append(_stated_only(name, numbers, _size(document, name, groups), lower))
    started = document.get("date")
    seconds = number(document.get("total_evaluation_time_seconds")) or 0.0
    packages = {"lm_eval": document.get("lm_eval_version"), "transformers": document.get("transformers_version")}
    return Evaluation(
        model=own.model(document) or _model(document, config),
        tasks=tuple(tasks),
        version=str(document.get("lm_eval_version") or ""),
        started=_time(started) or own.started(found.main),
        finished=_time(started + seconds) if isinstance(started, int | float) and seconds else "",
        environment={"packages": {k: v for k, v in packages.items() if v}},
        notes=tuple(notes),
    )


def _with_samples(
    document: Mapping[str, Any], name: str, numbers: Mapping[str, Any], path: Path, notes: list[str]
) -> ImportedTask:
    lower = _lower(document, name, numbers, notes)
    log = Log(path, lower)
    config = (document.get("configs") or {}).get(name) or {}
    if log.metric is None:
        notes.append(f"{name}: no metric of {path.name} has numbers of which higher is better")
        return _stated_only(name, numbers, _size(document, name, set()), lower)
    if log.unscored:
        notes.append(f"{name}: {log.metric} is no number for {log.unscored} of {len(log)} questions: they have no value")
    if len(log.filters) > 1:
        rest = ", ".join(log.filters[1:])
        notes.append(
            f"{name}: the average is {log.metric} under the filter {log.filter}; {rest} are parts (part:{log.metric}@...)"
        )
    if log.answers > 1:
        notes.append(
            f"{name}: {log.answers} answers per question, which lm-eval scores as a whole: the first one's text is kept"
        )
    return ImportedTask(
        name=name,
        identity={
            "version": str((document.get("versions") or {}).get(name, "")),
            "prompt": {"name": "lm-eval", "hash": _prompt_hash(document, config)},
            "num_fewshot": (document.get("n-shot") or {}).get(name, 0),
            "sampling": {**(config.get("generation_kwargs") or {}), **_gen_kwargs(document)},
            "verifier": {"name": "lm-eval", "metric": log.metric, "filter": log.filter, "kind": config.get("output_type")},
        },
        questions=log.questions(),
        stated=_stated(numbers, len(log), (log.metric, log.filter), lower),
        full_size=((document.get("n-samples") or {}).get(name) or {}).get("original"),
    )


def _stated_only(name: str, numbers: Mapping[str, Any], size: int | None, lower: Collection[str]) -> ImportedTask:
    """A task as the numbers that lm-eval states. Where lower is better none is called the average: averages are ranked."""
    return ImportedTask(name=name, identity={}, questions=None, stated=_stated(numbers, size, _main_of(numbers, lower), lower))


def _lower(document: Mapping[str, Any], name: str, numbers: Mapping[str, Any], notes: list[str]) -> frozenset[str]:
    """The metrics of a task where lower is better; those that have a number are noted."""
    directions = (document.get("higher_is_better") or {}).get(name) or {}
    lower = frozenset(metric for metric, higher in directions.items() if higher is False)
    if there := sorted(lower & {key.partition(",")[0] for key in numbers}):
        notes.append(f"{name}: lower is better for {', '.join(there)}: kept as lm-eval states it, and in no comparison")
    return lower


def _stated(numbers: Mapping[str, Any], size: int | None, main: tuple[str, str], lower: Collection[str]) -> dict[str, Stated]:
    """lm-eval's own `metric,filter` values by our labels."""
    out: dict[str, Stated] = {}
    for key, value in numbers.items():
        metric, comma, kind = key.partition(",")
        mean = number(value)
        if not comma or metric.endswith("_stderr") or mean is None:
            continue
        label = "avg" if (metric, kind) == main else f"part:{part_name(metric, kind, main[1])}"
        if label in out:
            raise ValueError(f"two metrics would be one part: {out[label].name!r} and {key!r}")
        stderr = number(numbers.get(f"{metric}_stderr,{kind}"))
        out[label] = Stated(name=key, value=mean, stderr=stderr, questions=size, mean=metric not in lower)
    return dict(sorted(out.items(), key=lambda item: item[0] != "avg"))


def _main_of(numbers: Mapping[str, Any], lower: Collection[str]) -> tuple[str, str]:
    """The metric and filter that a table shows first where there are no samples: the first that is a share, else the first.

    The metric is '' where lower is better for all of them.
    """
    told = {
        key: v for key, value in numbers.items() if "," in key and "_stderr," not in key and (v := number(value)) is not None
    }
    upward = [key for key in told if key.partition(",")[0] not in lower]
    main = next((key for key in upward if 0 <= told[key] <= 1), next(iter(upward), None))
    metric, _, kind = (main or next(iter(told), ",")).partition(",")
    return metric if main else "", kind


def _size(document: Mapping[str, Any], name: str, groups: set[str]) -> int | None:
    """Questions of a task, or of all tasks below a group."""
    if name in groups:
        below = (document.get("group_subtasks") or {}).get(name, [])
        return sum(_size(document, member, groups) or 0 for member in below if member != name) or None
    counts = (document.get("n-samples") or {}).get(name) or {}
    size = counts.get("effective") or (document["results"].get(name) or {}).get("sample_len")
    return int(size) if isinstance(size, int) else None


def _model(document: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    arguments = config.get("model_args")
    if isinstance(arguments, str):
        arguments = dict(pair.partition("=")[::2] for pair in arguments.split(",") if "=" in pair)
    arguments = arguments if isinstance(arguments, Mapping) else {}
    given = next(
        (arguments[key] for key in ("peft", "delta", "pretrained", "model", "path", "engine") if key in arguments), None
    )
    if given is None and document.get("model_source") == config.get("model") == "dummy":
        given = "dummy"  # it has no name, and lm-eval makes one up
    model = {
        "name": str(given or document.get("model_name") or config.get("model") or "unknown"),
        "engine": config.get("model"),
        "model_args": dict(arguments),
        "dtype": config.get("model_dtype"),
        "weights": config.get("model_sha") or None,
        "chat": document.get("chat_template_sha") is not None,
    }
    return {key: value for key, value in model.items() if value is not None}


def _prompt_hash(document: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    what = [
        {key: config.get(key) for key in _PROMPT},
        document.get("system_instruction"),
        bool(document.get("fewshot_as_multiturn")),
        document.get("chat_template_sha") is not None,
    ]
    return hashlib.sha256(_ADDRESS.sub("", json.dumps(what, sort_keys=True, default=str)).encode()).hexdigest()[:16]


def _gen_kwargs(document: Mapping[str, Any]) -> dict[str, Any]:
    given = (document.get("config") or {}).get("gen_kwargs")
    if isinstance(given, str):
        return dict(pair.partition("=")[::2] for pair in given.split(",") if "=" in pair)
    return dict(given) if isinstance(given, Mapping) else {}


def _task_of(path: Path, main: Path, names: Sequence[str] | Mapping[str, Any]) -> str:
    """The task of a sample log, from its name."""
    dated = _DATED.search(main.name)
    told = path.name.removeprefix("samples_").removesuffix(".jsonl").removesuffix(f"_{dated[1]}" if dated else "")
    return next((name for name in names if told in (name, slug(name), re.sub(r"\W", "_", name))), told)


def _is_results(path: Path) -> bool:
    """By its beginning, or by its name where there is nothing in it."""
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return re.match(rb'\s*\{\s*"results"\s*:\s*\{', head) is not None or (not head.strip() and path.name.startswith("results_"))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}; the file is damaged or cut off") from None


def _time(seconds: Any) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(seconds, int | float) else ""
