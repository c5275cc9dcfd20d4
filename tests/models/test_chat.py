"""From messages to the text and tokens that a model reads."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("transformers")

from evalsuite.errors import RequestError, UsageError
from evalsuite.models import chat
from evalsuite.words.completion import Request, Sampling
from evalsuite.words.sample import Image, Message

PLAIN = (
    "{% for m in messages %}{{ '[' + m.role + ']' + m.content + ';' }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% if enable_thinking %}<think>\n{% endif %}{% endif %}"
)
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + PLAIN
DROPS = "{% for m in messages if m.role != 'system' %}{{ '[' + m.role + ']' + m.content + ';' }}{% endfor %}[assistant]"
EFFORT = "{{ 'effort ' + (reasoning_effort or 'none') }}{% if tools %}{{ ' tools ' + tools[0].function.name }}{% endif %}{{ extra|default('') }}"


@pytest.fixture
def tokenizer() -> Any:
    from evalsuite.demo import tokenizer as characters

    return characters()


def ask(*messages: tuple[str, Any], sampling: Sampling | None = None, **fields: Any) -> Request:
    return Request(messages=tuple(Message(*m) for m in messages), sampling=sampling or Sampling(), **fields)


def test_auto_follows_the_tokenizer(tokenizer: Any) -> None:
    assert chat.uses_chat(tokenizer, "auto") is False
    with pytest.raises(UsageError, match="no chat template"):
        chat.uses_chat(tokenizer, True)
    tokenizer.chat_template = PLAIN
    assert chat.uses_chat(tokenizer, "auto") is True
    assert chat.uses_chat(tokenizer, False) is False
    with pytest.raises(UsageError, match="auto, True or False"):
        chat.uses_chat(tokenizer, "yes")


def test_template_over_the_messages(tokenizer: Any) -> None:
    tokenizer.chat_template = PLAIN
    request = ask(("system", "be brief"), ("user", "1+1?"), sampling=Sampling(stop=("x",)), plain="Q: 1+1?", plain_stop=("\n",))
    rendered = chat.render(tokenizer, request, True)
    assert rendered == chat.Rendered("[system]be brief;[user]1+1?;[assistant]", True, ("x",), False)


@pytest.mark.parametrize("template", [REFUSES, DROPS])
def test_a_system_turn_that_the_template_will_not_take_goes_to_the_user(tokenizer: Any, template: str) -> None:
    tokenizer.chat_template = template
    request = ask(("system", "be brief"), ("user", "1+1?"), ("assistant", "2"), ("user", "2+2?"))
    text = chat.render(tokenizer, request, True).text
    assert text == "[user]be brief\n\n1+1?;[assistant]2;[user]2+2?;[assistant]"


def test_a_refusal_without_a_system_turn_fails_the_request(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(RequestError, match="roles must alternate"):
        chat.render(tokenizer, ask(("user", "a")), True)


def test_thinking_effort_tools_and_own_arguments_reach_the_template(tokenizer: Any) -> None:
    tokenizer.chat_template = PLAIN
    assert chat.render(tokenizer, ask(("user", "a"), sampling=Sampling(thinking=True)), True).opened
    assert not chat.render(tokenizer, ask(("user", "a"), sampling=Sampling(thinking=False)), True).opened
    tokenizer.chat_template = EFFORT
    sampling = Sampling(effort="low", template_args={"extra": "!"})
    tools = ({"type": "function", "function": {"name": "search"}},)
    assert chat.render(tokenizer, ask(("user", "a"), sampling=sampling, tools=tools), True).text == "effort low tools search!"


def test_a_last_turn_of_the_assistant_is_continued(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ '[' + m.role + ']' + m.content }}{% endfor %}"
    rendered = chat.render(tokenizer, ask(("user", "a"), ("assistant", "so far")), True)
    assert rendered.text.endswith("[assistant]so far")


def test_plain_text_brings_its_stops(tokenizer: Any) -> None:
    request = ask(("user", "1+1?"), sampling=Sampling(stop=("x",)), plain="Q: 1+1?\nA:", plain_stop=("Q:",))
    assert chat.render(tokenizer, request, False) == chat.Rendered("Q: 1+1?\nA:", False, ("x", "Q:"), False)
    assert chat.render(tokenizer, ask(("system", "s"), ("user", "u")), False).text == "s\n\nu"
    assert chat.render(tokenizer, ask(("user", "u"), plain="go <think>\n"), False).opened


def test_images_are_refused(tokenizer: Any) -> None:
    with pytest.raises(RequestError, match="image"):
        chat.render(tokenizer, ask(("user", ("look", Image("a.png")))), False)


def _with_ends(tokenizer: Any, single: str) -> Any:
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=[("<pad>", 0), ("<eos>", 1)])
    return tokenizer


def test_begin_tokens_are_for_plain_text_and_end_tokens_for_none(tokenizer: Any) -> None:
    bare = tokenizer("ab")["input_ids"]
    both = _with_ends(tokenizer, "<pad> $A <eos>")
    assert both("ab")["input_ids"] == [0, *bare, 1]
    assert chat.encode(both, "ab", chat=False) == [0, *bare]
    assert chat.encode(both, "ab", chat=True) == bare


def test_pairs_are_tokenised_in_one_piece(tokenizer: Any) -> None:
    def ids(text: str) -> list[int]:
        return tokenizer(text)["input_ids"]

    assert chat.encode_pair(tokenizer, "a:", " b", False) == (ids("a:"), ids(" b"))
    # Trailing space of the context belongs to the continuation.
    assert chat.encode_pair(tokenizer, "a: ", "b", False) == (ids("a:"), ids(" b"))
    with pytest.raises(RequestError, match="nothing to score"):
        chat.encode_pair(tokenizer, "a:", "", False)
    with pytest.raises(RequestError, match="nothing to score"):
        chat.encode_pair(tokenizer, "", "b", False)


def test_digests_tell_vocabulary_and_template_apart(tokenizer: Any) -> None:
    first = chat.digest(tokenizer)
    assert first["chat_template"] is None
    tokenizer.chat_template = PLAIN
    second = chat.digest(tokenizer)
    assert second["tokenizer"] == first["tokenizer"] and second["chat_template"]
    tokenizer.add_tokens(["<tool>"])
    assert chat.digest(tokenizer)["tokenizer"] != first["tokenizer"]
