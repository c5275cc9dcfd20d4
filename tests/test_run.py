"""The run loop: everything asked once, keyed, resumed, extended; failures kept apart from wrong answers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import evalsuite
from evalsuite import Completion, Prompt, Sampling, Score, Task, Verifier, ask
from evalsuite.errors import BudgetError, IncompleteError, RequestError, UnavailableError, UsageError
from evalsuite.evaluate import _allowed
from evalsuite.runlog import RunDir, read_rows
from evalsuite.verifiers.pool import default_pool


@dataclass(frozen=True)
class Equals(Verifier):
    """Right when the text is the target; raises on demand."""

    name = "equals"

    def verify(self, sample, completion):
        if completion.text == "break":
            raise RuntimeError("boom")
        if not completion.text:
            return Score(0.0, "no_answer")
        return Score(float(completion.text == sample.target), answer=completion.text)


class FakeModel:
    """Answers by a function of (sample id, index); counts what it was asked."""

    one_by_one = False

    def __init__(self, answer, concurrency=8, tag="fake"):
        self.name, self.concurrency, self.answer, self.tag = tag, concurrency, answer, tag
        self.asked = []
        self.closed = False

    def identity(self):
        return {"backend": "fake", "tag": self.tag}

    def environment(self):
        return {}

    def prepare(self, task, samples):
        pass

    async def generate(self, request):
        await asyncio.sleep(random.random() * 0.002)
        out = []
        for i in request.indices:
            text = self.answer(request.sample_id, i)
            if isinstance(text, Exception):
                raise text
            out.append(Completion(text, completion_tokens=len(text), finish_reason="stop"))
        self.asked += [(request.sample_id, i) for i in request.indices]
        return out

    async def close(self):
        self.closed = True


def make_task(n=20, repeats=4, **fields):
    fields = {"metrics": ("avg", "pass@2", "maj@2")} | fields
    return Task(
        name="toy",
        samples=tuple(ask(f"question {i}", id=f"q{i}", target=str(i)) for i in range(n)),
        prompt=Prompt(name="bare"),
        verifier=Equals(),
        sampling=Sampling(repeats=repeats),
        **fields,
    )


def right(sample_id, index):
    return sample_id[1:]


def half(sample_id, index):
    return sample_id[1:] if index % 2 else "wrong"


@pytest.fixture
def go(tmp_path):
    def run(model, task=None, **options):
        return evalsuite.run(model, task or make_task(), output=tmp_path, progress=None, **options)

    return run


def test_numbers_rows_and_files(go, tmp_path):
    model = FakeModel(half)
    result = go(model)
    toy = result.tasks["toy"]
    assert (result.status, result.exit_code, model.closed) == ("done", 0, True)
    assert toy.metrics["avg@4"].value == 0.5
    assert toy.metrics["pass@2"].value == pytest.approx(5 / 6)
    assert toy.metrics["maj@2"].value == pytest.approx(1 / 6 + 4 / 6 / 2)
    assert (toy.coverage, toy.errors, toy.n_questions, toy.repeats) == (1.0, 0, 20, 4)
    rows = list(read_rows(result.path, "toy"))
    assert {(r["id"], r["i"]) for r in rows} == {(f"q{q}", i) for q in range(20) for i in range(4)}
    assert all(r["score"]["value"] == (r["i"] % 2) and r["completion"]["text"] for r in rows)
    run = RunDir.find(result.path, tmp_path)
    assert run.manifest()["status"] == "done"
    assert (run.path / "samples" / "toy.parquet").is_file() and (run.path / "questions" / "toy.parquet").is_file()
    saved = json.loads((run.path / "results.json").read_text())
    assert saved["results"]["toy"]["avg@4,none"] == 0.5
    assert saved["evalsuite"]["tasks"]["toy"]["metrics"]["avg@4"]["low"] == toy.metrics["avg@4"].low


def test_parquet_holds_every_sample_and_question(go):
    import pyarrow.parquet as pq

    result = go(FakeModel(half))
    samples = pq.read_table(f"{result.path}/samples/toy.parquet").to_pylist()
    assert len(samples) == 80 and {s["answer_class"] for s in samples} == {0, 1}
    assert all((s["value"] == 1.0) == (s["text"] == s["id"][1:]) for s in samples)
    questions = pq.read_table(f"{result.path}/questions/toy.parquet").to_pylist()
    assert [q["id"] for q in questions] == [f"q{i}" for i in range(20)]
    assert all((q["n"], q["c"], q["sum"], q["errors"]) == (4, 2, 2.0, 0) for q in questions)
    assert all(q["avg@4"] == 0.5 and q["pass@2"] == pytest.approx(5 / 6) for q in questions)


@dataclass(frozen=True)
class Jailed(Equals):
    name = "jailed"
    missing: str = ""

    def prepare(self):
        if self.missing:
            raise UnavailableError(f"no sandbox: {self.missing}")

    def verify(self, sample, completion):
        return replace(super().verify(sample, completion), isolation="user pid" if completion.text != "wrong" else "")


def test_what_held_a_program_is_in_log_tables_and_export(go, tmp_path):
    import pyarrow.parquet as pq

    from evalsuite.runlog.convert import convert
    from evalsuite.runlog.export import export

    result = go(FakeModel(half), replace(make_task(n=2, repeats=2), verifier=Jailed()))
    logged = {(r["id"], r["i"]): r["score"].get("isolation") for r in read_rows(result.path, "toy")}
    assert logged == {("q0", 0): None, ("q0", 1): "user pid", ("q1", 0): None, ("q1", 1): "user pid"}
    (file,) = export(RunDir.find(result.path, tmp_path), "parquet", tmp_path / "out")
    rows = pq.read_table(file).to_pylist()
    assert {(r["id"], r["i"]): r["isolation"] or None for r in rows} == logged
    assert [row["completions"] for row in convert(rows, completions="text", id="id")] == [[r["text"]] for r in rows]


def test_a_log_from_before_isolation_was_recorded(go):
    task = replace(make_task(n=2, repeats=2), verifier=Jailed())
    result = go(FakeModel(half), task)
    (log,) = Path(result.path).glob("log/*.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for row in rows[1:]:
        row["score"].pop("isolation", None)
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = FakeModel(half)
    assert go(again, task).table() == result.table() and again.asked == []


def test_what_a_verifier_needs_is_looked_for_before_anything_is_spent(go, tmp_path, monkeypatch):
    monkeypatch.setattr("evalsuite.evaluate.load_model", lambda *_: pytest.fail("the model was loaded"))
    task = replace(make_task(), verifier=Jailed("no user namespaces"))
    for model in ("hf:large", FakeModel(right)):
        with pytest.raises(UnavailableError, match="toy: no sandbox: no user namespaces"):
            go(model, task)
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Confirmed(Verifier):
    """Right where running unsafe code is confirmed in the worker."""

    name = "confirmed"

    def verify(self, sample, completion):
        return Score(float(os.environ.get("EVALSUITE_UNSAFE_CODE") == "1"))


def test_unsafe_code_is_confirmed_for_workers_and_recorded_and_changes_no_fingerprint(go, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALSUITE_UNSAFE_CODE", "")  # and taken back after the test
    task = replace(make_task(n=2, repeats=1, metrics=("avg",)), verifier=Confirmed())
    without = go(FakeModel(right), task)
    confirmed = go(FakeModel(right), task, confirm_run_unsafe_code=True, fresh=True)
    assert without.path == confirmed.path
    assert [r.tasks["toy"].metrics["avg"].value for r in (without, confirmed)] == [0.0, 1.0]
    (old,) = tmp_path.glob(".old/*/run.json")
    recorded = [json.loads(path.read_text())["environment"]["unsafe_code"] for path in (old, Path(confirmed.path) / "run.json")]
    assert recorded == [False, True]
    default_pool().close()  # its workers still have the confirmation


def test_same_command_finds_its_run_and_asks_nothing(go):
    first, again = FakeModel(half), FakeModel(half)
    a, b = go(first), go(again)
    assert a.path == b.path and a.table() == b.table()
    assert len(first.asked) == 80 and again.asked == []


def test_more_samples_extend_and_fewer_do_not_shrink(go):
    go(FakeModel(half), make_task(repeats=2))
    model = FakeModel(half)
    result = go(model, make_task(repeats=5))
    assert sorted({i for _, i in model.asked}) == [2, 3, 4] and len(model.asked) == 60
    assert result.tasks["toy"].metrics["avg@5"].value == pytest.approx(0.4)
    shrunk = go(FakeModel(half), make_task(repeats=2))
    assert "avg@5" in shrunk.tasks["toy"].metrics and "already has 5 samples" in shrunk.table()


def test_fresh_starts_anew_and_keeps_the_old_record(go, tmp_path):
    first = go(FakeModel(half))
    model = FakeModel(half)
    again = go(model, fresh=True)
    assert again.path == first.path and len(model.asked) == 80
    assert len(list((tmp_path / ".old").glob("*/log/toy.0.jsonl"))) == 1


def test_what_a_number_depends_on_makes_another_run(go):
    paths = {
        go(FakeModel(half)).path,
        go(FakeModel(half, tag="other weights")).path,
        go(FakeModel(half), make_task(version="2")).path,
        go(FakeModel(half), make_task(n=19)).path,
        go(FakeModel(half), seed=1).path,
        go(FakeModel(half), sampling={"temperature": 0.5}).path,
        go(FakeModel(half), system="be brief").path,
        go(FakeModel(half), replace(make_task(), prompt=Prompt(name="bare", user="{problem}!"))).path,
    }
    assert len(paths) == 8
    assert go(FakeModel(half), make_task(metrics=("avg",))).path in paths  # what is reported is not what was done


def test_a_failed_request_is_missing_and_not_wrong(go):
    def flaky(sample_id, index):
        return RequestError("server said no") if sample_id == "q3" else sample_id[1:]

    result = go(FakeModel(flaky))
    toy = result.tasks["toy"]
    assert (result.exit_code, result.status, toy.errors, toy.coverage) == (3, "failed", 4, 0.95)
    assert toy.metrics["avg@4"].value == 1.0 and toy.bounds == (0.95, 1.0)
    assert toy.first_errors == ("server said no",)
    assert "4 samples have no value" in result.table() and "0.9500 if they were all wrong" in result.table()
    assert go(FakeModel(flaky), max_errors="5%").exit_code == 0
    model = FakeModel(right)
    repaired = go(model)
    assert repaired.exit_code == 0 and {s for s, _ in model.asked} == {"q3"}


def test_a_bug_in_the_verifier_is_ours_and_only_verified_again(go):
    result = go(FakeModel(lambda s, i: "break" if s == "q1" else s[1:]))
    assert result.exit_code == 3 and result.tasks["toy"].errors == 4
    assert "boom" in result.tasks["toy"].first_errors[0]
    model = FakeModel(right)
    again = go(model)
    assert model.asked == [] and again.tasks["toy"].errors == 4


def test_wrong_number_of_completions_is_an_error(go):
    class Short(FakeModel):
        async def generate(self, request):
            return (await super().generate(request))[:-1]

    result = go(Short(right), make_task(repeats=2))
    assert result.exit_code == 3 and "gave 1 completions, 2 were asked for" in result.tasks["toy"].first_errors[0]


def test_a_backend_that_goes_away_stops_the_run_and_it_resumes(go):
    calls = []

    def dying(sample_id, index):
        calls.append(sample_id)
        return UnavailableError("the engine died") if len(calls) > 30 else sample_id[1:]

    result = go(FakeModel(dying, concurrency=1))
    assert (result.exit_code, result.status, result.stopped) == (4, "failed", "the engine died")
    assert 0 < result.tasks["toy"].coverage < 1
    model = FakeModel(right)
    done = go(model)
    assert done.exit_code == 0 and len(model.asked) == 80 - round(result.tasks["toy"].coverage * 80)


def test_a_spent_budget_is_incomplete(go):
    result = go(FakeModel(lambda s, i: BudgetError("5 dollars are spent") if int(s[1:]) > 10 else s[1:], concurrency=1))
    assert result.exit_code == 3 and "5 dollars" in result.stopped


def test_nothing_but_failures_stops_early(go):
    model = FakeModel(lambda s, i: RequestError("500"), concurrency=1)
    result = go(model, make_task(n=200, repeats=1))
    assert result.exit_code == 3 and "first 32 requests all failed; the last one: 500" in result.stopped


def test_a_full_disk_ends_the_run_with_what_is_safe(go, monkeypatch):
    from evalsuite.runlog import LogWriter

    real, written = LogWriter.append, []

    def append(self, rows):
        rows = list(rows)
        if len(written) + len(rows) > 40:
            raise IncompleteError("cannot write: No space left on device")
        written.extend(r for r in rows if "id" in r)
        real(self, rows)

    monkeypatch.setattr(LogWriter, "append", append)
    result = go(FakeModel(right))
    assert result.exit_code == 3 and "No space left" in result.stopped
    monkeypatch.setattr(LogWriter, "append", real)
    model = FakeModel(right)
    assert go(model).exit_code == 0
    assert len(model.asked) == 80 - len(written)


def test_interrupt_keeps_what_the_model_said(go, tmp_path):
    class Interrupting(FakeModel):
        async def generate(self, request):
            if len(self.asked) >= 40:
                raise KeyboardInterrupt
            return await super().generate(request)

    first = Interrupting(right, concurrency=4)
    with pytest.raises(KeyboardInterrupt):
        go(first)
    (run,) = [RunDir(p.parent) for p in tmp_path.glob("*/run.json")]
    assert run.manifest()["status"] == "interrupted" and first.closed
    model = FakeModel(right)
    assert go(model).exit_code == 0
    assert len(model.asked) <= 80 - 36  # at most the requests in flight were lost


def test_a_second_writer_is_refused(go, tmp_path):
    result = go(FakeModel(half))
    held = RunDir(tmp_path / result.run_id)
    held.lock()
    with pytest.raises(UsageError, match="is being written by process"):
        go(FakeModel(half))
    held.unlock()


@pytest.mark.parametrize("writer", ["compact", "write_results"])
def test_results_that_cannot_be_written_are_still_shown(go, monkeypatch, writer):
    import errno

    from evalsuite import evaluate

    def full(*args):
        if writer == "write_results":
            raise UsageError("results.json: cannot be written: No space left on device")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(evaluate, writer, full)
    result = go(FakeModel(half))
    assert result.exit_code == 3 and "No space left on device); the log is safe" in result.stopped
    assert result.tasks["toy"].metrics["avg@4"].value == 0.5
    monkeypatch.undo()
    model = FakeModel(half)
    assert go(model).exit_code == 0 and model.asked == []


def test_backends_whose_samples_share_nothing_lose_one_sample_at_a_time(go):
    model = FakeModel(lambda s, i: RequestError("no") if (s, i) == ("q3", 2) else s[1:])
    model.one_by_one = True
    assert go(model).tasks["toy"].errors == 1


def test_an_interrupted_extension_does_not_count_as_done(go):
    go(FakeModel(half), make_task(repeats=2))
    go(FakeModel(lambda s, i: RequestError("no") if int(s[1:]) > 9 else s[1:]), make_task(repeats=6))
    model = FakeModel(half)
    again = go(model, make_task(repeats=2))
    assert model.asked == [] and again.exit_code == 0 and next(iter(again.tasks["toy"].metrics)) == "avg@2"
    import pyarrow.parquet as pq

    assert pq.read_table(f"{again.path}/samples/toy.parquet").num_rows == 40
    assert {q["errors"] for q in pq.read_table(f"{again.path}/questions/toy.parquet").to_pylist()} == {0}


def test_extension_brings_back_metrics_that_need_more_samples(go):
    task = make_task(repeats=1, metrics=("pass@2",))
    assert list(go(FakeModel(half), task).tasks["toy"].metrics) == ["avg"]
    go(FakeModel(half), make_task(repeats=4, metrics=("pass@2",)))
    assert list(go(FakeModel(half), task).tasks["toy"].metrics) == ["pass@2"]


def test_a_log_row_of_something_else_is_named(go):
    result = go(FakeModel(half))
    with open(f"{result.path}/log/toy.0.jsonl", "a") as log:
        log.write('{"a": 1}\n')
    with pytest.raises(UsageError, match="a row that is not a sample's"):
        go(FakeModel(half))


def test_inside_a_running_loop(go):
    async def notebook():
        return go(FakeModel(half))

    assert asyncio.run(notebook()).exit_code == 0


def test_interrupt_inside_a_running_loop_ends_the_run(go, tmp_path):
    class Slow(FakeModel):
        async def generate(self, request):
            asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)

    async def notebook():
        go(Slow(right))

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(notebook())
    assert not [t for t in threading.enumerate() if t.name == "evalsuite-run"]
    (run,) = [RunDir(p.parent) for p in tmp_path.glob("*/run.json")]
    assert run.manifest()["status"] == "interrupted"


def test_limit_marks_the_task_as_partial(go):
    assert "toy[5/20]" in go(FakeModel(half), limit=5).table()
    assert "toy[10/20]" in go(FakeModel(half), limit=0.5).table()


def test_metrics_that_need_more_samples(go):
    quiet = go(FakeModel(half), make_task(repeats=1))
    assert list(quiet.tasks["toy"].metrics) == ["avg"]  # a default that cannot be had is left out
    with pytest.raises(UsageError, match="pass@8 needs at least 8 samples per question, and this run draws 1: add -n 8"):
        go(FakeModel(half), make_task(repeats=1), metrics=["avg", "pass@8"])


def test_benchmark_target_is_narrower_for_questions_that_differ(go):
    def some(sample_id, index):
        return sample_id[1:] if int(sample_id[1:]) % 2 or index == 0 else "wrong"

    population = go(FakeModel(some)).tasks["toy"].metrics["avg@4"]
    benchmark = go(FakeModel(some), target="benchmark").tasks["toy"].metrics["avg@4"]
    assert population.value == benchmark.value and benchmark.se < population.se


def test_max_errors_spellings():
    assert _allowed("5", 100) == 5 and _allowed("5%", 200) == 10 and _allowed(0, 10) == 0
    for wrong in ("x", "-1", "5.5", "%", "nan%", "inf%"):
        with pytest.raises(UsageError, match="--max-errors"):
            _allowed(wrong, 10)


def test_a_judge_is_asked_once_and_its_cost_is_counted(go, tmp_path):
    from evalsuite.verifiers import make

    class Judge(FakeModel):
        async def generate(self, request):
            self.asked.append(request)
            return [Completion("Verdict: Yes", completion_tokens=3, prompt_tokens=10, cost=0.01) for _ in request.seeds]

    task = replace(make_task(n=3, repeats=2, metrics=("avg",)), verifier=make("judge", template="equal"))
    with pytest.raises(UsageError, match="--judge"):
        go(FakeModel(half), task)
    judge = Judge(None, tag="judge")
    result = go(FakeModel(half), task, judge=judge)
    toy = result.tasks["toy"]
    assert toy.coverage == 1.0 and judge.closed and toy.judge_tokens > 0
    assert toy.judge_cost == pytest.approx(0.01 * len(judge.asked)) and "of which the judge" in result.table()
    before = len(judge.asked)
    assert go(FakeModel(half), task, judge=judge).table() == result.table() and len(judge.asked) == before
