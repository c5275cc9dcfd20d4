"""Tiny image-text models with random weights, made offline: one token per character, images of a few patches."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "idefics3", "gemma3")
MROPE = FAMILIES[:3]

ENDS = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    **ENDS,
}
MARKS = {
    "qwen": "<|vision_start|><|image_pad|><|vision_end|>",
    "llava": "<image>",
    "idefics3": "<image>",
    "gemma3": "<start_of_image>",
}
TEMPLATE = (
    "{%% for m in messages %%}[{{ m.role }}]{%% for p in m.content %%}"
    "{%% if p.type == 'image' %%}%s{%% else %%}{{ p.text }}{%% endif %%}{%% endfor %%};{%% endfor %%}"
    "{%% if add_generation_prompt %%}[assistant]{%% endif %%}"
)


def save(name: str, folder: Path, seed: int = 0) -> Path:
    """A checkpoint folder of this family: configuration, weights, tokenizer, processor, chat template."""
    import torch
    from transformers import AutoModelForImageTextToText

    config, processor = _MAKERS[name]()
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():  # as far as sight goes, so that an image makes a difference
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def without_video(patch: Any) -> None:
    """Let the processors of Qwen's models load without torchvision, which only their video half needs."""
    import importlib.util

    import transformers

    if importlib.util.find_spec("torchvision") is None:
        for kind in (transformers.Qwen2VLProcessor, transformers.Qwen2_5_VLProcessor, transformers.Qwen3VLProcessor):
            patch.setattr(kind, "get_attributes", classmethod(lambda cls: ["image_processor", "tokenizer"]))


def png(width: int, height: int, seed: int = 0) -> bytes:
    """A picture of noise in a colour of its own."""
    import numpy as np
    import PIL.Image

    rng = np.random.default_rng(seed)
    pixels = (rng.random((height, width, 3)) * 100 + rng.integers(0, 155, 3)).astype("uint8")
    out = BytesIO()
    PIL.Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def _tokenizer(*special: str, **named: str) -> Any:
    from evalsuite.demo import tokenizer

    made = tokenizer()
    made.add_special_tokens({"additional_special_tokens": [*special, *named.values()]})
    for name, token in named.items():
        made._set_model_specific_special_tokens({name: token})
    return made


def _qwen(name: str) -> tuple[Any, Any]:
    import transformers as t

    tokens = _tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    ids = tokens.convert_tokens_to_ids
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    text = TEXT | {"vocab_size": len(tokens), "rope_parameters": rope}
    sight: dict[str, Any] = {"depth": 2, "hidden_size": 32, "patch_size": 4, "num_heads": 2, "spatial_merge_size": 2}
    if name == "qwen2_vl":
        sight |= {"embed_dim": 16, "mlp_ratio": 2}
    else:
        sight |= {"out_hidden_size": 32, "intermediate_size": 32}
    if name == "qwen2_5_vl":
        sight |= {"window_size": 16, "fullatt_block_indexes": [1]}
    if name == "qwen3_vl":
        sight |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 64}
        text |= {"head_dim": 8, "rope_parameters": rope | {"mrope_interleaved": True}}
    kind = {"qwen2_vl": t.Qwen2VLConfig, "qwen2_5_vl": t.Qwen2_5_VLConfig, "qwen3_vl": t.Qwen3VLConfig}[name]
    config = kind(
        text_config=text,
        vision_config=sight,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    images = Qwen2VLImageProcessorPil(patch_size=4, merge_size=2, temporal_patch_size=2, min_pixels=64, max_pixels=1024)
    whole = {"qwen2_vl": t.Qwen2VLProcessor, "qwen2_5_vl": t.Qwen2_5_VLProcessor, "qwen3_vl": t.Qwen3VLProcessor}[name]
    return config, whole(images, tokens, chat_template=TEMPLATE % MARKS["qwen"])


def _llava() -> tuple[Any, Any]:
    import transformers as t
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokens = _tokenizer("<image>")
    sight = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = t.LlavaConfig(
        text_config=t.LlamaConfig(**TEXT, vocab_size=len(tokens)),
        vision_config=t.CLIPVisionConfig(**sight, patch_size=4, image_size=12),
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        image_seq_length=9,
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 12}, crop_size={"height": 12, "width": 12})
    how = {"patch_size": 4, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return config, t.LlavaProcessor(images, tokens, chat_template=TEMPLATE % MARKS["llava"], **how)


def _idefics3() -> tuple[Any, Any]:
    import transformers as t
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    tokens = _tokenizer("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")
    tokens.add_special_tokens(
        {"additional_special_tokens": [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]}, False
    )
    sight = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = t.Idefics3Config(
        text_config=t.LlamaConfig(**TEXT, vocab_size=len(tokens)),
        vision_config=sight | {"patch_size": 4, "image_size": 16},
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    images = Idefics3ImageProcessorPil(size={"longest_edge": 32}, max_image_size={"longest_edge": 16})
    return config, t.Idefics3Processor(images, tokens, image_seq_len=4, chat_template=TEMPLATE % MARKS["idefics3"])


def _gemma3() -> tuple[Any, Any]:
    import transformers as t
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokens = _tokenizer(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>")
    ids = tokens.convert_tokens_to_ids
    sight = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = t.Gemma3Config(
        text_config=t.Gemma3TextConfig(**TEXT, vocab_size=len(tokens), head_dim=8, sliding_window=8, layer_types=LAYERS),
        vision_config=t.SiglipVisionConfig(**sight, patch_size=4, image_size=16),
        mm_tokens_per_image=4,
        image_token_id=ids("<image_soft_token>"),
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
    )
    images = Gemma3ImageProcessorPil(size={"height": 16, "width": 16})
    return config, t.Gemma3Processor(images, tokens, image_seq_length=4, chat_template=TEMPLATE % MARKS["gemma3"])


LAYERS = ["sliding_attention", "full_attention"]
_MAKERS = {
    **{name: lambda name=name: _qwen(name) for name in MROPE},
    "llava": _llava,
    "idefics3": _idefics3,
    "gemma3": _gemma3,
}
