"""From a `Request` to the text and the token ids that an engine reads: chat templates, and plain text for base models."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.errors import RequestError, UsageError
from evalsuite.models.stopping import checked
from evalsuite.words.completion import Request
from evalsuite.words.thinking import FORMS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OPENERS = tuple(opener for opener, _ in FORMS)


class Rendered(NamedTuple):
    """`text` of the prompt, whether it came out of a chat template, the `stop` strings, and whether it ends in a thought."""

    text: str
    chat: bool
    stop: tuple[str, ...]
    opened: bool


def uses_chat(tokenizer: PreTrainedTokenizerBase, chat: bool | str) -> bool:
    """Whether prompts go through the chat template: `auto` means where the tokenizer has one.

    Raises UsageError where one is demanded and there is none.
    """
    if chat not in (True, False, "auto"):
        raise UsageError(f"chat={chat!r}: use auto, True or False")
    has = bool(getattr(tokenizer, "chat_template", None))
    if chat is True and not has:
        raise UsageError(f"{tokenizer.name_or_path}: no chat template; leave --apply_chat_template out to use the text form")
    return has if chat == "auto" else bool(chat)


def render(tokenizer: PreTrainedTokenizerBase, request: Request, chat: bool) -> Rendered:
    """The prompt of `request` as text.

    With `chat`, the tokenizer's template over the messages; `enable_thinking`, `reasoning_effort` and `template_args` go
    to it, and a system turn that the template refuses or drops is put ahead of the first user turn. A last turn of the
    assistant is continued. Without `chat`, `request.plain` (else the messages' text) and its additional stop strings.
    Raises RequestError for images and for messages that the template refuses, UsageError for an empty stop string.
    """
    if any(not isinstance(m.content, str) and any(not isinstance(p, str) for p in m.content) for m in request.messages):
        raise RequestError("this backend reads text only, and the prompt holds an image")
    sampling = request.sampling
    if not chat:
        text = request.plain if request.plain is not None else "\n\n".join(m.text for m in request.messages)
        return Rendered(text, False, checked((*sampling.stop, *request.plain_stop)), _opened(text))
    arguments: dict[str, Any] = dict(sampling.template_args)
    if sampling.thinking is not None:
        arguments["enable_thinking"] = sampling.thinking
    if sampling.effort is not None:
        arguments["reasoning_effort"] = sampling.effort
    if request.tools:
        arguments["tools"] = [dict(tool) for tool in request.tools]
    messages = [{"role": m.role, "content": m.text} for m in request.messages]
    text = _apply(tokenizer, messages, arguments)
    return Rendered(text, True, checked(sampling.stop), _opened(text))


def encode(tokenizer: PreTrainedTokenizerBase, text: str, chat: bool) -> list[int]:
    """Token ids of a rendered prompt. A template writes its own special tokens; plain text gets the tokenizer's (BOS)."""
    ids = list(tokenizer(text, add_special_tokens=not chat)["input_ids"])
    # Some tokenizers close every text with EOS; a prompt is to be continued.
    if not chat and len(ids) > 1 and ids[-1] == tokenizer.eos_token_id and not text.endswith(tokenizer.eos_token):
        ids.pop()
    return ids


def encode_pair(tokenizer: PreTrainedTokenizerBase, text: str, continuation: str, chat: bool) -> tuple[list[int], list[int]]:
    """Token ids of a context and of what continues it, tokenised in one piece so that the seam is a natural one.

    Trailing space of the context belongs to the continuation (as in lm-eval). Raises RequestError if the continuation has
    no token of its own.
    """
    kept = text.rstrip()
    head = encode(tokenizer, kept, chat)
    whole = encode(tokenizer, text + continuation, chat)
    tail = whole[len(head) :]
    if not tail or not head:
        raise RequestError(f"nothing to score: context {text[-40:]!r} with continuation {continuation[:40]!r}")
    return whole[: len(head)], tail


def digest(tokenizer: PreTrainedTokenizerBase) -> dict[str, str | None]:
    """Hash of the tokenizer's vocabulary and rules, and of its chat template (12 hex digits each, None without one)."""
    core = getattr(tokenizer, "backend_tokenizer", None)
    rules = core.to_str() if core is not None else repr(sorted(tokenizer.get_vocab().items()))
    template = getattr(tokenizer, "chat_template", None)
    return {
        "tokenizer": hashlib.sha256(rules.encode()).hexdigest()[:12],
        "chat_template": hashlib.sha256(str(template).encode()).hexdigest()[:12] if template else None,
    }


def _apply(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], arguments: dict[str, Any]) -> str:
    from jinja2.exceptions import TemplateError

    go_on = bool(messages) and messages[-1]["role"] == "assistant"
    how = {"tokenize": False, "add_generation_prompt": not go_on, "continue_final_message": go_on, **arguments}
    system = messages[0]["content"].strip() if messages and messages[0]["role"] == "system" else ""
    try:
        text = tokenizer.apply_chat_template(messages, **how)
        if system in text:
            return text
    except TemplateError as error:
        if not system:
            raise RequestError(f"the chat template refuses these messages: {error}") from error
    merged = [dict(m) for m in messages[1:]]
    first = next((m for m in merged if m["role"] == "user"), None)
    if first is None:
        raise RequestError("the chat template takes no system turn, and there is no user turn to put it in")
    first["content"] = f"{system}\n\n{first['content']}"
    try:
        return tokenizer.apply_chat_template(merged, **how)
    except TemplateError as error:
        raise RequestError(f"the chat template refuses these messages: {error}") from error


def _opened(text: str) -> bool:
    return text.rstrip().endswith(OPENERS)
