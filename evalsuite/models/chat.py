"""From a `Request` to the text and the token ids that an engine reads: chat templates, and plain text for base models."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.errors import RequestError, UsageError
from evalsuite.models.stopping import checked
from evalsuite.words.completion import Request
from evalsuite.words.sample import Image, Message
from evalsuite.words.thinking import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerBase

OPENERS = tuple(opener for opener, _ in FORMS)


class Rendered(NamedTuple):
    """`text` of the prompt, whether it came out of a chat template, the `stop` strings, and whether it ends in a thought.

    `images` are in the order of their placeholders in the text.
    """

    text: str
    chat: bool
    stop: tuple[str, ...]
    opened: bool
    images: tuple[Image, ...] = ()


def uses_chat(tokenizer: Any, chat: bool | str) -> bool:
    """Whether prompts go through the chat template: `auto` means where the tokenizer, or processor, has one.

    Raises UsageError where one is demanded and there is none.
    """
    if chat not in (True, False, "auto"):
        raise UsageError(f"chat={chat!r}: use auto, True or False")
    has = bool(getattr(tokenizer, "chat_template", None))
    if chat is True and not has:
        name = getattr(tokenizer, "name_or_path", None) or type(tokenizer).__name__
        raise UsageError(f"{name}: no chat template; leave --apply_chat_template out to use the text form")
    return has if chat == "auto" else bool(chat)


def images_of(request: Request) -> tuple[Image, ...]:
    """The images of a request, in order."""
    return tuple(p for m in request.messages if not isinstance(m.content, str) for p in m.content if isinstance(p, Image))


def render(tokenizer: PreTrainedTokenizerBase, request: Request, chat: bool, processor: Any = None) -> Rendered:
    """The prompt of `request` as text.

    With `chat`, the tokenizer's template over the messages; `enable_thinking`, `reasoning_effort` and `template_args` go
    to it, and a system turn that the template refuses or drops is put ahead of the first user turn. A last turn of the
    assistant is continued. With `processor`, that of an image-text model, its template, over text and image parts in their
    order. Without `chat`, `request.plain` (else the messages' text) and its additional stop strings.
    Raises RequestError for images that cannot be rendered and for messages that the template refuses, UsageError for an
    empty stop string.
    """
    images = images_of(request)
    if images and processor is None:
        raise RequestError("the prompt holds an image, and this model or its backend reads text only; hf:MODEL reads images")
    if images and not chat:
        raise RequestError("images go through the chat template, and there is none or it is switched off (chat)")
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
    text = _apply(tokenizer if processor is None else processor, request.messages, arguments, typed=processor is not None)
    return Rendered(text, True, checked(sampling.stop), _opened(text), images)


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
    return pair(lambda piece: encode(tokenizer, piece, chat), text, continuation)


def pair(encode: Callable[[str], list[int]], text: str, continuation: str) -> tuple[list[int], list[int]]:
    """`encode_pair` with `encode` to make token ids of a text."""
    kept = text.rstrip()
    head = encode(kept)
    whole = encode(text + continuation)
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


def _apply(template: Any, messages: tuple[Message, ...], arguments: dict[str, Any], typed: bool) -> str:
    """`template` is a tokenizer, or a processor, whose template reads `typed` parts."""
    from jinja2.exceptions import TemplateError

    go_on = bool(messages) and messages[-1].role == "assistant"
    how = {"tokenize": False, "add_generation_prompt": not go_on, "continue_final_message": go_on, **arguments}

    def applied(turns: tuple[Message, ...]) -> str:
        return str(template.apply_chat_template([{"role": m.role, "content": _content(m, typed)} for m in turns], **how))

    system = messages[0].text.strip() if messages and messages[0].role == "system" else ""
    try:
        text = applied(messages)
        if system in text:
            return text
    except (TemplateError, TypeError) as error:
        if not system:
            raise RequestError(f"the chat template refuses these messages: {error}") from error
    rest = messages[1:]
    first = next((i for i, m in enumerate(rest) if m.role == "user"), None)
    if first is None:
        raise RequestError("the chat template takes no system turn, and there is no user turn to put it in")
    content = rest[first].content
    joined = f"{system}\n\n{content}" if isinstance(content, str) else (f"{system}\n\n", *content)
    try:
        return applied((*rest[:first], Message("user", joined), *rest[first + 1 :]))
    except (TemplateError, TypeError) as error:
        raise RequestError(f"the chat template refuses these messages: {error}") from error


def _content(message: Message, typed: bool) -> str | list[dict[str, str]]:
    if not typed:
        return message.text
    parts = (message.content,) if isinstance(message.content, str) else message.content
    return [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in parts]


def _opened(text: str) -> bool:
    return text.rstrip().endswith(OPENERS)
