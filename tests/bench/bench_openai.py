"""Throughput of a run and of the openai backend against a bare aiohttp loop, on an endpoint that answers in 50 ms, 64 in flight.

    python tests/bench/bench_openai.py [--requests 3000] [--repeats 7] [--concurrency 64] [--delay 0.05]

The server is a process of its own. The clients ask it in turns within one run; the figure is the ratio of the medians, and
the bar is 0.95. The bare loop posts bytes that are ready and reads the bytes that come back; it neither builds a request nor
looks at a reply. `evalsuite.run` verifies and logs every answer besides; it is timed from its first request to its last logged Score, and
what follows (the table, Parquet) is not part of the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from evalsuite.evaluate import run
from evalsuite.models.openai import OpenAIModel
from evalsuite.progress import NoProgress
from evalsuite.verifiers import make
from evalsuite.words.completion import Request, Sampling
from evalsuite.words.prompt import Prompt
from evalsuite.words.sample import Message, Sample, ask
from evalsuite.words.task import Task

PROMPT = "Janet's ducks lay 16 eggs per day. She eats three for breakfast and sells the rest. How many does she sell?"
REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "bench",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "She sells \\boxed{13}. " * 10}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 30, "completion_tokens": 80, "total_tokens": 110},
}


def serve(delay: float) -> None:
    """Answer every POST after `delay` seconds; print the port first."""
    from aiohttp import web

    body = json.dumps(REPLY).encode()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(delay)
        return web.Response(body=body, content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


async def bare(url: str, n: int, concurrency: int) -> float:
    """Requests per second of aiohttp alone."""
    import aiohttp

    body = json.dumps(
        {"model": "bench", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 64, "seed": 0}
    ).encode()
    headers = {"Content-Type": "application/json"}
    left = iter(range(n))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency), headers=headers) as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(url + "/chat/completions", data=body) as response:
                    await response.read()

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return n / (time.perf_counter() - start)


async def ours(url: str, n: int, concurrency: int) -> float:
    """Requests per second of `OpenAIModel.generate`."""
    model = OpenAIModel("bench", base_url=url, concurrency=concurrency)
    sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=64)
    left = iter(range(n))

    async def worker() -> None:
        for i in left:
            request = Request(messages=(Message("user", PROMPT),), sampling=sampling, seeds=(i,), sample_id=str(i))
            (completion,) = await model.generate(request)
            assert completion.completion_tokens == 80

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    rate = n / (time.perf_counter() - start)
    await model.close()
    return rate


class Timed(OpenAIModel):
    """Notes when a run begins to ask and when everything is logged."""

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        self.began = time.perf_counter()

    async def close(self) -> None:
        self.ended = time.perf_counter()
        await super().close()


def whole_run(url: str, n: int, concurrency: int) -> float:
    """Requests per second of `evalsuite.run`: prompt, request, verdict by the math verifier, log."""
    model = Timed("bench", base_url=url, concurrency=concurrency)
    task = Task(
        name="bench",
        samples=tuple(ask(f"{PROMPT} ({i})", id=str(i), target=str(i % 50)) for i in range(n)),
        prompt=Prompt(name="bare"),
        verifier=make("math"),
        sampling=Sampling(temperature=0.6, top_p=0.95, max_tokens=64),
    )
    with tempfile.TemporaryDirectory() as folder:
        result = run(model, task, output=folder, progress=NoProgress())
    assert result.exit_code == 0
    return n / (model.ended - model.began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.delay)
        return
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--delay", str(args.delay)], stdout=subprocess.PIPE, text=True
    )
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"  # type: ignore[union-attr]
        asyncio.run(bare(url, 500, args.concurrency))
        whole_run(url, 500, args.concurrency)
        rates: dict[str, list[float]] = {"bare aiohttp": [], "openai backend": [], "evalsuite.run": []}
        for repeat in range(args.repeats):
            turns = [("bare aiohttp", bare), ("openai backend", ours), ("evalsuite.run", whole_run)]
            for name, client in turns if repeat % 2 == 0 else reversed(turns):
                rate = client(url, args.requests, args.concurrency)
                rates[name].append(rate if isinstance(rate, float) else asyncio.run(rate))
    finally:
        server.terminate()
        server.wait()
    for name, found in rates.items():
        print(
            f"{name:16s} {statistics.median(found):7.0f} requests/s  (of {args.concurrency / args.delay:.0f} ideal; all: "
            f"{', '.join(f'{r:.0f}' for r in found)})"
        )
    base, *others = (statistics.median(found) for found in rates.values())
    for name, rate in zip(list(rates)[1:], others):
        print(f"ratio of medians, {name} / bare aiohttp: {rate / base:.3f} (bar: 0.95)")


if __name__ == "__main__":
    main()
