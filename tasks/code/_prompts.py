"""Prompts of HumanEval and MBPP, and what turns their records into tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from evalsuite import Prompt

# The text form is the prompt itself, which the model continues. Stop strings of the Codex paper, and the fence of
# lm-evaluation-harness: a base model that has seen Markdown ends the function with it.
_CONTINUED = {"plain": "{problem}", "gap": "", "plain_stop": ("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\n```")}
# evalplus (evalplus/codegen.py): its instruction for chat models.
COMPLETE = Prompt(
    name="complete",
    user="Please provide a self-contained Python script that solves the following problem in a markdown code block:\n"
    "```python\n{problem}\n```",
    **_CONTINUED,
)
# NVIDIA NeMo Gym, and before it DeepSeek-Coder.
NEMO = Prompt(
    name="nemo",
    user="Here is a problem for which you need to generate/complete code:\n{problem}\n\nPlease continue to complete the "
    "function with python programming language. You are not allowed to modify the given code and do the completion only.\n\n"
    "The solution should be in the following format:\n```python\n# Your code here\n```",
    **_CONTINUED,
)
# openai/simple-evals.
SIMPLE = Prompt(
    name="simple_evals",
    user="Read the following function signature and docstring, and fully implement the function described. Your response "
    "should only contain the code for this function.\n{problem}",
    **_CONTINUED,
)

_TASK = "You are an expert Python programmer, and here is your task: {problem}"
_MARKED = {"plain": _TASK + "\n[BEGIN]\n", "gap": "", "plain_stop": ("[DONE]",)}
# Austin et al. 2021, as in lm-evaluation-harness; the marks end and begin the turns of a chat too, as its examples show.
AUSTIN = Prompt(name="austin", user=_TASK + "\n[BEGIN]\n", **_MARKED)
BLOCK = Prompt(
    name="block", user=_TASK + "\n\nGive the whole program in one markdown code block that starts with ```python.", **_MARKED
)


def mbpp_problem(text: str, asserts: Iterable[str]) -> str:
    """The task in words and the asserts that the protocol shows: the first three."""
    return f"{text.strip()} Your code should pass these tests:\n\n" + "\n".join(list(asserts)[:3])


def called_function(code: str, asserts: Iterable[str]) -> str | None:
    """The function of `code` that the asserts call most; None where they call none of its functions.

    Names that `code` defines come before Python's own: task 126 of MBPP defines `sum`.
    """
    calls = Counter(re.findall(r"(\w+)\s*\(", "\n".join(asserts)))
    functions = re.findall(r"^def\s+(\w+)", code, re.MULTILINE)
    return max(functions, key=calls.__getitem__) if any(calls[name] for name in functions) else None
