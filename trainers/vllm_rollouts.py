"""Rollouts by vLLM, in this process or as a server: asleep while the trainer works, given its weights by folder."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UnavailableError, UsageError
from evalsuite.models import weights
from evalsuite.models.vllm import VLLMModel
from evalsuite.words.completion import Completion, Request

from .vllm_sampler import EngineSampler, check_reloads, check_untruncated
from .vllm_server import Server, ServerModel

LOGPROBS = "processed_logprobs"
SHARE = 0.3  # of a GPU's memory, beside a trainer


def make_sampler(kind: str, url: str, folder: Path, dtype: str) -> VLLMSampler | VLLMServerSampler:
    """The sampler of `--rollouts vllm` (`dtype` is that of the policy's weights) or `--rollouts vllm:URL`.

    Raises UsageError for another `kind`.
    """
    if kind != "vllm":
        raise UsageError(f"rollouts by {kind}: use hf, vllm, or vllm:URL for a running server")
    return VLLMServerSampler(url, folder) if url else VLLMSampler(folder, dtype=dtype, gpu_memory_utilization=SHARE)


class LiveModel(VLLMModel):
    """`VLLMModel` whose weights are replaced as training goes on."""

    updated = False

    async def generate(self, request: Request) -> list[Completion]:
        if request.logprobs:
            check_untruncated(request.sampling)
        return await super().generate(request)

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), **({"weights": "live"} if self.updated else {})}


class VLLMSampler(EngineSampler):
    """A sampler over a vLLM engine on this machine, which sleeps while the trainer works where the platform can (no CPU).

    `folder` is the checkpoint that training starts from; `chat` is as in `HFModel`; `engine` goes to vLLM's
    AsyncEngineArgs. On a GPU that the trainer shares, `gpu_memory_utilization` is the engine's part of the memory.
    `timeout` is seconds for one command (sleep, wake, load); the engine's start has none.

    Raises UsageError for settings under which log-probabilities or weights would not be the policy's, else as `VLLMModel`.
    """

    def __init__(self, folder: str | Path, *, chat: bool | str = "auto", timeout: float = 600.0, **engine: Any) -> None:
        super().__init__()
        if engine.setdefault("logprobs_mode", LOGPROBS) != LOGPROBS:
            raise UsageError(f"logprobs_mode={engine['logprobs_mode']}: rollouts need {LOGPROBS}")
        if engine.get("adapter") is not None:
            raise UsageError("adapter: rollouts come from whole checkpoints; save the model with its adapter merged")
        self._sleeps = engine.setdefault("enable_sleep_mode", _can_sleep())
        self._folder, self._timeout = weights.locate(folder), timeout
        self.model = LiveModel(self._folder, chat=chat, **engine)
        check_reloads(self._folder, _platform().device_type)

    def _start(self) -> None:
        self._proves = self.model.command(_has_checksums)

    def _rouse(self, tag: str | None) -> None:
        self._command(lambda engine: engine.wake_up(None if tag is None else [tag]))

    def _dozes(self) -> bool:
        return bool(self._command(lambda engine: engine.is_sleeping()))

    def _rest(self) -> None:
        self._command(lambda engine: engine.sleep(1))

    def _load(self, folder: Path) -> None:
        self._command(lambda engine: engine.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)}))

    def _forget(self) -> bool:
        return bool(self._command(lambda engine: engine.reset_prefix_cache()))

    def _checksums(self) -> list[dict[str, str]] | None:
        return self._command(lambda engine: engine.compute_weight_checksums()) if self._proves else None

    def _command(self, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        return self.model.command(work, self._timeout)


class VLLMServerSampler(EngineSampler):
    """A sampler over a running server, started with

        VLLM_SERVER_DEV_MODE=1 vllm serve FOLDER --logprobs-mode processed_logprobs [--enable-sleep-mode]

    which sees the trainer's folders under the same paths. It sleeps while the trainer works if it was started so. Its key,
    if it has one, is read from the environment variable VLLM_API_KEY. `folder` is the checkpoint that training starts
    from, which the server is made to load first. `timeout` is seconds for one command.

    Raises UnavailableError for a server that is not there or has no development endpoints, UsageError for one whose
    log-probabilities are not the policy's.
    """

    model: ServerModel

    def __init__(self, url: str, folder: str | Path, *, chat: bool | str = "auto", timeout: float = 600.0) -> None:
        super().__init__()
        self._folder, self._server = weights.locate(folder).resolve(), Server(url, timeout)
        listed, told = self._server.get("/v1/models"), self._server.get("/server_info", config_format="json")
        try:
            settings, (served, *_) = told["vllm_config"]["model_config"], listed["data"]
            mode, self._sleeps = settings["logprobs_mode"], bool(settings["enable_sleep_mode"])
            name, context = str(served["id"]), int(served["max_model_len"])
        except (TypeError, KeyError, ValueError) as error:
            raise UnavailableError(
                f"{self._server.url} has not the development endpoints of vllm: start it with VLLM_SERVER_DEV_MODE=1"
            ) from error
        if mode != LOGPROBS:
            raise UsageError(f"{self._server.url} gives {mode}: start it with --logprobs-mode {LOGPROBS}")
        check_reloads(self._folder, str(told["vllm_config"].get("device_config", {}).get("device")))
        self._version: str | None = None
        self.model = ServerModel(self._server, name, self._folder, context, chat)

    def wake(self) -> None:
        super().wake()
        told = self._server.get("/weight_info")
        if told is not None and told["weight_version"] != self._version:
            failure = UnavailableError(f"{self._server.url} was restarted or updated by somebody else: its weights are unknown")
            self.model.condemn(failure)
            raise failure

    def _start(self) -> None:
        if self._dozes():  # left so by another run
            self._rouse(None)
        self._load(self._folder)
        if not self._forget():
            raise UnavailableError(f"{self._server.url} keeps its prefix cache: are requests still running?")

    def _rouse(self, tag: str | None) -> None:
        self._post("/wake_up", **({} if tag is None else {"tags": tag}))

    def _dozes(self) -> bool:
        told = self._server.get("/is_sleeping")
        return bool(told and told["is_sleeping"])

    def _rest(self) -> None:
        self._post("/sleep", level="1")

    def _load(self, folder: Path) -> None:
        path = str(folder.resolve())
        self._post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": path}})
        self._version = uuid.uuid4().hex
        self._server.post("/update_weight_version", {"new_version": self._version})

    def _forget(self) -> bool:
        told = self._post("/reset_prefix_cache")
        if "success" not in told:
            raise UnavailableError(
                f"{self._server.url} does not say whether its prefix cache is empty: vllm 0.26 or newer does"
            )
        return bool(told["success"])

    def _checksums(self) -> list[dict[str, str]] | None:
        told = self._server.post("/weight_checker", {"action": "checksum"})
        return None if told is None else [told["checksums"]]

    def _post(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        told = self._server.post(path, body, **query)
        if told is None:
            raise UnavailableError(f"{self._server.url}{path} does not exist: start it with VLLM_SERVER_DEV_MODE=1")
        return told


async def _has_checksums(engine: Any) -> bool:
    return hasattr(engine, "compute_weight_checksums")


def _can_sleep() -> bool:
    # Where vllm is missing, the model will say so.
    return importlib.util.find_spec("vllm") is not None and bool(_platform().is_sleep_mode_available())


def _platform() -> Any:
    from vllm.platforms import current_platform

    return current_platform
