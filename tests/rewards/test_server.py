"""The HTTP server: the scores of a log once more, hostile answers, wrong requests, several clients, Ctrl-C."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from obedient import Obedient

import evalsuite
from evalsuite import Prompt, Score, Task, ask
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.plan import Settings, make_plans
from evalsuite.rescore import rescore_run
from evalsuite.rewards.core import Reward
from evalsuite.rewards.server import LARGEST, app, serve
from evalsuite.runlog import RunDir
from evalsuite.verifiers.pool import Pool

TASK = Task(
    name="obey",
    samples=(ask("1?", id="a", target="1"), ask("2?", id="b", target="2")),
    prompt=Prompt(name="bare"),
    verifier=Obedient(),
)


@contextmanager
def running(reward: Reward, eos: tuple[str, ...] = ()) -> Iterator[str]:
    """The URL of the application on a free port, served by a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> web.AppRunner:
        runner = web.AppRunner(app(reward, eos), shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def obey() -> Iterator[str]:
    with (
        Pool(workers=2, deadline=1.0) as pool,
        running(Reward(make_plans([TASK], Settings())[0], weights={"obey": 2.0}, pool=pool), ("<|im_end|>", "<|end|>")) as url,
    ):
        yield url


def ask_for(url: str, body: Any = None, timeout: float = 30.0, **headers: str) -> tuple[int, str, Any]:
    """Status, reason and decoded body of a GET, or of a POST of `body` (as JSON unless it is bytes)."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=timeout) as response:
            return response.status, response.reason, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.reason, json.load(error)


def test_the_scores_of_a_log_are_the_rewards_of_its_completions(tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    problems.write_text(
        "".join(
            json.dumps({"id": f"p{i}", "problem": f"{i} halves?", "target": f"\\frac{{{i}}}{{2}}"}) + "\n" for i in range(9)
        )
    )
    tasks = ["sort_letters@size=12", "arithmetic@size=12", f"{problems}:math"]
    result = evalsuite.run("scripted:noisy:0.5", tasks, repeats=3, output=tmp_path / "runs", progress=None)
    run = RunDir(Path(result.path))
    assert rescore_run(run)[1] == []  # `evalsuite score` of the log changes nothing
    rows = [(name, row) for name in run.manifest()["tasks"] for row in run.rows(name)]
    weight = "arithmetic@size=12"
    with running(evalsuite.reward(*tasks, weights={weight: 0.5})) as url:
        assert ask_for(url + "/tasks") == (200, "OK", {"tasks": list(run.manifest()["tasks"])})
        items = [
            {"key": [name, row["id"], row["i"]], "task": name, "id": row["id"], **_said(row["completion"])}
            for name, row in reversed(rows)
        ]
        status, _, body = ask_for(url + "/score", {"items": items})
    assert status == 200
    assert [s["key"] for s in body["scores"]] == [item["key"] for item in items]
    rewards = {tuple(s["key"]): s for s in body["scores"]}
    assert len(rewards) == len(rows) == 3 * (12 + 12 + 9)
    for name, row in rows:
        got, recorded = rewards[name, row["id"], row["i"]], Score.from_dict(row["score"])
        assert got["reward"] == recorded.value * (0.5 if name == weight else 1.0)
        assert (got["outcome"], got["answer"], got["feedback"]) == (recorded.outcome, recorded.answer, recorded.feedback)
        assert got["parts"] == recorded.parts
    assert {s["reward"] for s in rewards.values()} == {0.0, 0.5, 1.0}


def _said(completion: dict[str, Any]) -> dict[str, Any]:
    return {"text": completion["text"], "finish_reason": completion.get("finish_reason")}


def test_a_batch_with_hostile_answers_comes_back_keyed_and_blocks_nobody(obey: str) -> None:
    said = ["1", "hang", "bug", "2", "die", "\x00\ud800", "1"]
    items = [{"key": i, "task": "obey", "id": "a", "text": text} for i, text in enumerate(said)]
    with ThreadPoolExecutor(1) as other:
        begun = time.monotonic()
        batch = other.submit(ask_for, obey + "/score", {"items": items})
        waits = []
        while not batch.done():
            asked = time.monotonic()
            assert ask_for(obey + "/health") == (200, "OK", {"status": "ok"})
            waits.append(time.monotonic() - asked)
            time.sleep(0.05)
        status, _, body = batch.result()
    assert status == 200
    assert time.monotonic() - begun < 15
    assert len(waits) > 3
    assert max(waits) < 0.9  # less than the deadline that the loop takes
    assert [(s["key"], s["reward"], s["outcome"]) for s in body["scores"]] == [
        (0, 2.0, "ok"), (1, 0.0, "timeout"), (2, None, "error"), (3, 0.0, "ok"), (4, 0.0, "timeout"), (5, 0.0, "ok"), (6, 2.0, "ok"),
    ]  # fmt: skip
    assert "own mistake" in body["scores"][2]["feedback"]
    assert body["scores"][5]["answer"] == "\x00\ud800"


def test_the_question_is_found_by_its_prompt_and_a_cut_off_answer_is_worth_nothing(obey: str) -> None:
    prompt = [{"role": "user", "content": "2?"}]
    items = [
        {"text": "2", "prompt": prompt},
        {"text": "2", "id": "b", "finish_reason": "length"},
        {"text": "two</think>2", "id": "b", "prompt": "2?\n<think>"},
        {"text": "2", "id": "b", "task": "obey", "prompt": "2?\n<think>\n"},
    ]
    status, _, body = ask_for(obey + "/score", {"items": items})
    assert status == 400  # a rendered prompt is that of no question: the task has to be said
    assert "item 2: no question" in body["error"]
    items[2]["task"] = "obey"
    body = ask_for(obey + "/score", {"items": items})[2]
    assert [(s["reward"], s["outcome"]) for s in body["scores"]] == [
        (2.0, "ok"),
        (0.0, "truncated"),
        (2.0, "ok"),
        (0.0, "truncated"),
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"items": [1e5]}' + b"\xff", "not JSON"),
        ([], "must be a JSON object"),
        ({}, '"items", a list'),
        ({"items": {}}, '"items", a list'),
        ({"items": [3]}, "item 0: an object"),
        ({"items": [{"task": "obey", "id": "a"}]}, 'item 0: "text"'),
        ({"items": [{"task": "obey", "id": "a", "text": ["1"]}]}, "item 0: text must be a text"),
        ({"items": [{"task": ["obey"], "id": "a", "text": "1"}]}, "item 0: task must be a text"),
        ({"items": [{"task": "obey", "id": 0, "text": "1"}]}, "item 0: id must be a text"),
        ({"items": [{"task": "obey", "id": "a", "text": "1", "finish_reason": 1}]}, "item 0: finish_reason must"),
        ({"items": [{"task": "obey", "id": "a", "text": "1", "finish_reason": "LENGTH"}]}, "item 0: finish_reason 'LENGTH': stop, length, "),
        ({"items": [{"task": "obey", "id": "a", "text": "1", "finish_reason": ""}]}, "item 0: finish_reason ''"),
        ({"items": [{"task": "obey", "id": "a", "text": "1", "finishreason": "length"}]}, "item 0: no field finishreason; there are key, task"),
        ({"items": [{"prompt": {"role": "user"}, "text": "1"}]}, "item 0: prompt must be a text or a list"),
        ({"items": [{"prompt": ["1?"], "text": "1"}]}, "item 0: a message of"),
        ({"items": [{"prompt": [{"role": [], "content": "1?"}], "text": "1"}]}, "item 0: a message of"),
        ({"items": [{"prompt": [], "text": "1"}]}, "item 0: "),
        ({"items": [{"task": "obey", "id": "a", "text": "1"}, {"task": "nope", "id": "a", "text": "1"}]}, "item 1: .*'nope'.* are obey"),
        ({"items": [{"task": "obey", "id": "z", "text": "1"}]}, "item 0: .* no sample 'z'.* give the fields \"task\" and \"id\""),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused_with_the_reason(obey: str, body: Any, words: str) -> None:
    status, reason, said = ask_for(obey + "/score", body)
    assert status == 400
    assert re.search(words, said["error"]), said
    assert reason.split()[0] == said["error"].split()[0]


def test_wrong_paths_methods_and_sizes(obey: str) -> None:
    assert ask_for(obey + "/nope")[0] == 404
    assert ask_for(obey + "/score")[0] == 405
    status, _, said = ask_for(obey + "/score", b" " * (LARGEST + 1))
    assert status == 413
    assert str(LARGEST) in said["error"]
    assert ask_for(obey + "/score", {"items": []})[2] == {"scores": []}


def test_a_body_that_is_not_what_its_encoding_says_is_refused(obey: str) -> None:
    body = json.dumps({"items": []}).encode()
    encoding = {"Content-Encoding": "gzip"}
    assert ask_for(obey + "/score", gzip.compress(body), **encoding)[2] == {"scores": []}
    status, _, said = ask_for(obey + "/score", body, **encoding)
    assert status == 400
    assert "cannot be read" in said["error"]
    assert "gzip" in said["error"]


def test_what_a_request_has_no_time_for_is_null() -> None:
    with (
        Pool(workers=2, deadline=5.0) as pool,
        running(Reward(make_plans([TASK], Settings())[0], pool=pool, batch_seconds=2.0)) as url,
    ):
        ask_for(url + "/score", {"items": [{"id": "a", "text": "1"}]})
        items = [{"id": "a", "text": text} for text in ("1", "hang", "hang", "1")]
        begun = time.monotonic()
        status, _, body = ask_for(url + "/score", {"items": items})
        assert time.monotonic() - begun < 4.5
    assert status == 200
    assert [(s["reward"], s["outcome"]) for s in body["scores"]] == [(1.0, "ok"), *[(None, "error")] * 3]
    assert "within 2 s" in body["scores"][1]["feedback"]


def test_several_clients_get_their_own_answers(obey: str) -> None:
    def client(number: int) -> list[Any]:
        said = [str((number + i) % 3) for i in range(20)]
        bodies = [{"items": [{"key": f"{number}/{i}", "task": "obey", "id": "a", "text": text}]} for i, text in enumerate(said)]
        answers = [ask_for(obey + "/score", body)[2]["scores"] for body in bodies]
        assert [(s["key"], s["reward"]) for [s] in answers] == [
            (f"{number}/{i}", 2.0 * (text == "1")) for i, text in enumerate(said)
        ]
        return answers

    with ThreadPoolExecutor(8) as clients:
        assert sum(map(len, clients.map(client, range(8)))) == 160


def test_openrlhf_gets_its_own_shape_and_never_a_zero_for_our_failure(obey: str) -> None:
    def said(*responses: str, prompt: str = "<|user|>1?<|end|>") -> tuple[int, str, Any]:
        label = json.dumps({"task": "obey", "id": "a"})
        rows = {"query": [f"<|user|>1?<|end|>{r}" for r in responses], "prompts": [prompt] * len(responses)}
        return ask_for(obey + "/openrlhf", {**rows, "labels": [label] * len(responses)})

    status, _, body = said("1<|im_end|>", "2<|end|>", "1", "<|end|>1<|end|>")
    assert status == 200
    assert body.pop("extra_logs").keys() == {"verifier_no_answer", "verifier_truncated", "verifier_timeout", "verifier_seconds"}
    assert body == {"rewards": [2.0, 0.0, 0.0, 0.0], "scores": [1.0, 0.0, 0.0, 0.0]}
    assert said("1<|im_end|>", "1")[2]["extra_logs"]["verifier_truncated"] == [0.0, 1.0]
    status, reason, body = said("1<|im_end|>", "bug<|im_end|>")
    assert (status, set(body)) == (503, {"error"})
    assert reason.startswith("obey a: could not be scored")  # the status line is what OpenRLHF prints
    status, reason, _ = said("1<|im_end|>", prompt="<|user|>\u00b9?<|end|>")
    assert (status, reason.isascii()) == (400, True)
    assert "after 8 of 17 characters" in reason
    assert ask_for(obey + "/openrlhf", {"query": ["x"], "prompts": [1], "labels": [""]})[0] == 400
    assert ask_for(obey + "/openrlhf", {"query": ["x"], "prompts": [], "labels": []})[0] == 400


def test_a_port_that_is_taken_is_said(obey: str) -> None:
    port = int(obey.rpartition(":")[2])
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}.*choose another port"):
        serve(Reward(make_plans([TASK], Settings())[0]), port=port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "a..b"])
def test_a_host_that_is_not_this_machine_is_said(host: str) -> None:
    with pytest.raises(UnavailableError, match=f"cannot listen on {host}:0: .*; choose another host"):
        serve(Reward(make_plans([TASK], Settings())[0]), host=host, port=0)


def test_a_port_and_an_end_token_that_cannot_be_are_refused() -> None:
    reward = Reward(make_plans([TASK], Settings())[0])
    with pytest.raises(UsageError, match="port 65536"):
        serve(reward, port=65536)
    with pytest.raises(UsageError, match="eos ''"):
        app(reward, ["<|im_end|>", ""])


SCRIPT = """
from evalsuite import Prompt, Score, Task, ask
from evalsuite.plan import Settings, make_plans
from evalsuite.rewards.core import Reward
from evalsuite.rewards.server import serve
from evalsuite.verifiers.base import Verifier

class Hang(Verifier):
    name, deadline = "hang", 60.0

    def verify(self, sample, completion):
        while completion.text == "loop":
            pass
        return Score(1.0)

task = Task(name="hang", samples=(ask("?", id="a", target="1"),), prompt=Prompt(name="bare"), verifier=Hang())
if __name__ == "__main__":
    serve(Reward(make_plans([task], Settings())[0], DEADLINE), port=0, on_ready=lambda url: print(url, flush=True))
"""


def _children(pid: int) -> set[int]:
    """Processes whose parent is `pid`."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("deadline", ["", "deadline=60"], ids=["default pool", "own pool"])
def test_ctrl_c_ends_it_though_an_answer_hangs_and_nothing_is_left(tmp_path: Path, deadline: str) -> None:
    (tmp_path / "serve.py").write_text(SCRIPT.replace("DEADLINE", deadline))
    server = subprocess.Popen(
        [sys.executable, "serve.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert ask_for(url + "/score", {"items": [{"id": "a", "text": "x"}]})[2]["scores"][0]["reward"] == 1.0
        with ThreadPoolExecutor(1) as client:
            hanging = client.submit(ask_for, url + "/score", {"items": [{"id": "a", "text": "loop"}]})
            time.sleep(0.3)
            workers = _children(server.pid)
            assert workers
            begun = time.monotonic()
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=20)
            assert hanging.exception(10) is not None  # the connection is closed, not answered
        assert (server.returncode, errors) == (0, "")
        assert time.monotonic() - begun < 6
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    finally:
        server.kill()
        server.communicate()


def test_the_command_says_where_it_listens_and_ends_with_sigterm() -> None:
    command = [sys.executable, "-m", "evalsuite.cli", "reward", "serve", "--tasks", "sort_letters@size=4", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert ask_for(url + "/tasks")[2] == {"tasks": ["sort_letters@size=4"]}
            server.terminate()
            _, errors = server.communicate(timeout=20)
            assert (server.returncode, errors) == (0, "")
        finally:
            server.kill()
