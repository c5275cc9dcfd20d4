"""Prompts of the mathematics benchmarks. `--prompt NAME` picks another than the task's own."""

from __future__ import annotations

from evalsuite import Prompt

_PLAIN = {"plain": "Question: {problem}\nAnswer:", "plain_stop": ("\nQuestion:",)}

# MathArena (eth-sri/matharena, configs/competitions): instruction, blank line, problem.
BOXED = Prompt(name="boxed", user="Put your final answer within \\boxed{}.\n\n{problem}", **_PLAIN)
BOXED_AIME = Prompt(
    name="boxed_aime",
    user="Put your final answer within \\boxed{}.\nThe answer is an integer between 0 and 999 inclusive.\n\n{problem}",
    **_PLAIN,
)
# Qwen2.5-Math (arXiv 2409.12122), its chain-of-thought form: instruction as the system turn, the bare problem after it.
# The recorded math_cot_100 completions were drawn with this prompt.
QWEN = Prompt(name="qwen", system="Please reason step by step, and put your final answer within \\boxed{}.", **_PLAIN)
# NVIDIA NeMo-Skills and NeMo Gym.
NEMO = Prompt(
    name="nemo",
    user="Solve the following math problem. Make sure to put the answer (and only answer) inside \\boxed{}.\n\n{problem}",
    **_PLAIN,
)
# openai/simple-evals, math: an answer line in place of a box.
ANSWER_LINE = Prompt(
    name="answer_line",
    user="Solve the following math problem step by step. The last line of your response should be of the form Answer: $ANSWER "
    "(without quotes) where $ANSWER is the answer to the problem.\n\n{problem}\n\nRemember to put your answer on its own line "
    'after "Answer:", and you do not need to use a \\boxed command.',
    **_PLAIN,
)
PROMPTS = (BOXED, QWEN, NEMO, ANSWER_LINE)
