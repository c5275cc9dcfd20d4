"""A checkpoint folder and how it comes into memory: tokenizer, configuration, weights, adapter, batch budget."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import EvalsuiteError, UnavailableError, UsageError
from evalsuite.models.batching import Budget
from evalsuite.models.decoding import Decoder
from evalsuite.models.stopping import Decode
from evalsuite.models.vision import Vision

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

CPU_TOKENS = 1 << 18  # larger batches gain nothing on a CPU
UNLIMITED = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The folder of a model, a LoRA folder over it if any, and the arguments of `HFModel` that concern loading."""

    folder: Path
    adapter: Path | None = None
    dtype: str = "auto"
    device: str | None = None
    device_map: str | dict[str, Any] | None = None
    replicas: int = 1
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    batch_size: int | None = None
    max_batch_tokens: int | None = None
    live: Any = field(default=None, compare=False)  # a module in memory that stands for the folder's weights
    _copies: dict[str | None, Any] = field(default_factory=dict, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The adapter's tokenizer where it brings one, else the model's. Raises UsageError if there is none to load."""
        from transformers import AutoTokenizer

        own = self.adapter is not None and any(self.adapter.glob("tokenizer*"))
        folder = self.adapter if own and self.adapter is not None else self.folder
        try:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=self.trust_remote_code)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UsageError(
                f"model {folder}: no tokenizer that transformers can load ({type(error).__name__}: {error})"
            ) from error

    @cached_property
    def vision(self) -> Vision | None:
        """The processor of an image-text model; None for a text model, and for a folder without processor files.

        One that cannot be loaded is done without where transformers has the model as a text model too. Else raises
        UnavailableError where one of its packages is missing (torchvision, for some), UsageError where its files are broken.
        """
        from transformers import AutoProcessor

        settings = any((self.folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json"))
        if not settings or not self.image_text:
            return None
        try:
            return Vision(AutoProcessor.from_pretrained(self.folder, trust_remote_code=self.trust_remote_code))
        except (ImportError, OSError, ValueError, KeyError) as error:
            if self._text:
                return None
            told = f"model {self.folder}: no processor that transformers can load ({type(error).__name__}: {error})"
            raise (UnavailableError if isinstance(error, ImportError) else UsageError)(told) from error

    @property
    def readers(self) -> list[Any]:
        """What a copy of the model must have beside its weights: the tokenizer, and of an image-text model the processor."""
        return [self.tokenizer, *([self.vision.processor] if self.vision is not None else [])]

    @property
    def config(self) -> PretrainedConfig:
        """Configuration of the text model. Raises UsageError for one that this transformers does not know."""
        return self._config.get_text_config()

    @cached_property
    def _config(self) -> PretrainedConfig:
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(self.folder, trust_remote_code=self.trust_remote_code)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UsageError(f"model {self.folder}: transformers cannot read config.json ({error})") from error

    @property
    def image_text(self) -> bool:
        """Whether the configuration is that of an image-text model."""
        from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

        return type(self._config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    @property
    def _text(self) -> bool:
        from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

        return type(self._config) in MODEL_FOR_CAUSAL_LM_MAPPING

    @property
    def auto_class(self) -> Any:
        """What loads the model: transformers' class for causal LMs, or for image-text models where it is one."""
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

        return AutoModelForImageTextToText if self.image_text and (not self._text or self.vision) else AutoModelForCausalLM

    @property
    def positions(self) -> int | None:
        """Tokens of context that the model was made for; None where config.json does not say."""
        return getattr(self.config, "max_position_embeddings", None)

    @property
    def extends(self) -> bool:
        """Whether positions beyond `positions` can be computed: rotary and ALiBi ones can, rows of a table cannot."""
        settings = self.config.to_dict()
        return any(value for name, value in settings.items() if name.startswith(("rope_", "rotary_emb", "rotary_pct", "alibi")))

    @cached_property
    def ends(self) -> frozenset[int]:
        """Ids that end a sample: the tokenizer's end token and those of generation_config.json and config.json."""
        from transformers import GenerationConfig

        found = [self.tokenizer.eos_token_id, getattr(self.config, "eos_token_id", None)]
        if (self.folder / "generation_config.json").is_file():
            found.append(GenerationConfig.from_pretrained(self.folder).eos_token_id)
        return frozenset(i for ids in found if ids is not None for i in (ids if isinstance(ids, list | tuple) else [ids]))

    @cached_property
    def decode(self) -> Decode:
        """Text of token ids as the model wrote them: only end, padding and begin tokens are left out."""
        hidden = self.ends | {self.tokenizer.pad_token_id, self.tokenizer.bos_token_id}
        whole = partial(self.tokenizer.decode, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return lambda ids: whole([i for i in ids if i not in hidden])

    def worker(self, index: int) -> tuple[Decoder, Budget]:
        """A loaded model for engine thread `index`. Copies on one device share their weights."""
        device = self._device(index)
        with self._lock:
            if device not in self._copies:
                self._copies[device] = self._load(device)
            model = self._copies[device]
        pad = self.tokenizer.pad_token_id
        decoder = Decoder(model, self.ends, pad if pad is not None else next(iter(self.ends), 0), self.vision)
        return decoder, self._budget(model)

    def release(self) -> None:
        """Let go of the weights."""
        import torch

        self._copies.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _device(self, index: int) -> str | None:
        """Device of one replica; None where `device_map` spreads the one copy."""
        import torch

        if self.device_map is not None:
            return None
        device = self.device or ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
        if self.replicas == 1 or not device.startswith("cuda"):
            return device
        if device != "cuda" or self.replicas > torch.cuda.device_count():
            raise UnavailableError(
                f"{self.replicas} replicas on {device}: one GPU each, and there are {torch.cuda.device_count()}"
            )
        return f"cuda:{index}"

    def _load(self, device: str | None) -> Any:
        if self.live is not None:
            return self.live
        arguments: dict[str, Any] = {"dtype": self.dtype, "trust_remote_code": self.trust_remote_code}
        if self.attn_implementation is not None:
            arguments["attn_implementation"] = self.attn_implementation
        if self.device_map is not None:
            arguments["device_map"] = self.device_map
        try:
            with no_bars():
                model = self.auto_class.from_pretrained(self.folder, **arguments)
            if device is not None:
                model = model.to(device)
            if self.adapter is not None:
                from peft import PeftModel

                # The base model with the adapter's layers inside, not merged: in bfloat16 merging rounds small updates away.
                adapted = PeftModel.from_pretrained(model, str(self.adapter))
                if adapted.active_peft_config.is_prompt_learning:
                    raise UnavailableError(
                        f"adapter {self.adapter}: prompt-learning adapters are not supported, LoRA and its kin are"
                    )
                model = adapted.get_base_model()
        except ImportError as error:
            raise UnavailableError(f"loading {self.folder} needs a package that is missing: {error}") from error
        except EvalsuiteError:
            raise
        except Exception as error:
            raise UnavailableError(f"{self.folder} cannot be loaded: {type(error).__name__}: {error}") from error
        return model.eval()

    def _budget(self, model: Any) -> Budget:
        """The batch size asked for, else what the free memory holds: KV cache, activations of a prefill, logits."""
        if self.batch_size is not None or self.max_batch_tokens is not None:
            return Budget(self.batch_size or UNLIMITED, self.max_batch_tokens or UNLIMITED, UNLIMITED)
        config = self.config
        heads = getattr(config, "num_attention_heads", None) or 1
        head = getattr(config, "head_dim", None) or config.hidden_size // heads
        width = head * (getattr(config, "num_key_value_heads", None) or heads)
        inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        free = _free_bytes(model.device)
        tokens = int(0.5 * free / (2 * config.num_hidden_layers * width * model.dtype.itemsize))
        if model.device.type == "cpu":
            tokens = min(tokens, CPU_TOKENS)
        prefill = int(0.2 * free / ((8 * config.hidden_size + 3 * inner) * model.dtype.itemsize))
        rows = int(0.1 * free / (32 * config.vocab_size))  # logits, probabilities, their cumulative sum in float64
        return Budget(max(1, rows), max(1, tokens), max(1, prefill))


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Without transformers' own progress bars, which would end up between ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def dtype_name(dtype: str) -> str:
    """torch's name of a number format, `auto` for the checkpoint's own. Raises UsageError for another."""
    name = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}.get(dtype, dtype)
    if name not in ("auto", "bfloat16", "float16", "float32", "float64"):
        raise UsageError(f"dtype={dtype}: auto, bfloat16, float16, float32 or float64")
    return name


def _free_bytes(device: Any) -> int:
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # not told by this operating system
        return 4 << 30
