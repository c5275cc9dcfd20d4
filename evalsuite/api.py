"""The calls that `import evalsuite` offers on their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.verifiers import make
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask
from evalsuite.words.score import Score

if TYPE_CHECKING:
    from evalsuite.comparison.many import Comparison
    from evalsuite.comparison.methods import Method
    from evalsuite.results import RunResult

_SAMPLE_FIELDS = frozenset({"id", "choices", "tests", "tools", "metadata", "privileged"})


def score(verifier: str, *, text: str, target: Any = None, problem: str = "", **fields: Any) -> Score:
    """Score one answer: `score("math", target="1/2", text="so \\\\boxed{0.5}")`.

    `verifier` is a name of `evalsuite.verifiers.VERIFIERS`. `problem` and the fields of a Sample (`choices`, `tests`,
    `metadata`, ...) go into the sample, every other keyword is a setting of the verifier.

    A program is judged by its tests, in the sandbox, and has no target; `tests` is test code, a list of asserts, or the
    mapping that `evalsuite.sandbox.run` describes, and `timeout` is in seconds:

        score("code", text=answer, tests=["assert add(1, 2) == 3", "assert add(-1, 1) == 0"], entry_point="add", timeout=5)

    Runs in the default pool, so a hang ends at its deadline. Raises UsageError for an unknown verifier or setting, and
    UnavailableError where something that the verifier needs is not there.
    """
    known = {name: fields.pop(name) for name in _SAMPLE_FIELDS & fields.keys()}
    if known.get("tests") is not None and not isinstance(known["tests"], Mapping):
        known["tests"] = {"code": known["tests"]}
    sample = ask(problem, target=target, **{"id": "0"} | known)
    judge = make(verifier, **fields)
    judge.prepare()
    return judge(sample, Completion(text=text))


def compare(
    *what: str | Path | RunResult,
    metrics: Sequence[str] = ("avg",),
    target: str = "population",
    allow: Collection[str] = (),
    correction: str = "holm",
    tasks: Sequence[str] | None = None,
    moved: int = 5,
    runs: str | Path = "results/runs",
) -> Comparison:
    """Compare runs question by question: `compare("main", result)`. Every other run is compared with the first.

    A run is a directory, a baseline's name, a run id under `runs` or its unique beginning, or what `evalsuite.run` returned.
    `"NAME=RUN,RUN,RUN"` is a training method with one run per seed; with such, the unit is the seed. `target` is `population`
    (new questions of this kind) or `benchmark` (these very questions); `correction` of the p-values is `holm`, `bh` or `none`;
    `allow` names what may differ between the runs (`sampling`, `data`, ..., `all`); `moved` questions are listed per task.

    Returns a Comparison: `str()` and Jupyter show the table, `to_dict()` is JSON, `csv()` has every question. Raises
    NotComparableError for runs that do not measure the same thing, UsageError for names, metrics and runs that are not there.
    """
    from evalsuite.comparison.many import compare_runs

    return compare_runs(
        [_method(one, Path(runs)) for one in what],
        metrics=metrics,
        target=target,
        allow=allow,
        correction=correction,
        tasks=tasks,
        moved=moved,
    )


def _method(what: str | Path | RunResult, runs: Path) -> Method:
    """A run, or a named group of runs. Run ids may hold `=` themselves: what names a run is one."""
    from evalsuite.baseline import find_run
    from evalsuite.comparison.compare import Recorded
    from evalsuite.comparison.methods import Method
    from evalsuite.errors import UsageError

    name = what if isinstance(what, str | Path) else what.path
    try:
        return Method(name="", runs=(Recorded(find_run(name, runs)),))
    except UsageError:
        group, equals, members = str(name).partition("=")
        if not equals or not group or "/" in group:
            raise
    words = [word.strip() for word in members.split(",") if word.strip()]
    if not words:
        raise UsageError(f"{name}: no run after '='; a method is NAME=RUN,RUN,...")
    return Method(name=group, runs=tuple(Recorded(find_run(word, runs)) for word in words))
