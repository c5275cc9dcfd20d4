"""MATH-500: 500 problems of MATH, the test split of "Let's Verify Step by Step".

Papers: Hendrycks et al. 2021, arXiv 2103.03874; Lightman et al. 2023, arXiv 2305.20050. Data: HuggingFaceH4/MATH-500; the
local file is the authors' own (openai/prm800k math_splits/test.jsonl, sha256 35dc4108...6132); MIT. Protocol: DeepSeek-R1's
(temperature 0.6, top-p 0.95, 32,768 tokens, the mean over 4 samples); openai/simple-evals repeats 10 times and lets a model
judge equality, which is not deterministic and therefore not done here. Pitfalls: answers are also intervals, matrices,
text (`\\text{Evelyn}`) and numbers with a base as subscript; MATH training sets overlap. The worked examples are our own.
"""

from __future__ import annotations

from evalsuite import Sampling, Shot, Source, Task, task
from evalsuite.verifiers.math import MathVerifier

from ._prompts import PROMPTS, QWEN

SHOTS = (
    Shot(
        "A rectangle is three times as long as it is wide, and its perimeter is $56$. What is its area?",
        "Let the width be $w$. Then the length is $3w$ and $2(w + 3w) = 56$, so $8w = 56$ and $w = 7$. The area is "
        "$7 \\cdot 21 = 147$. The final answer is $\\boxed{147}$.",
    ),
    Shot(
        "Find all real $x$ for which $x^2 - 2x - 8 \\le 0$. Express your answer in interval notation.",
        "Since $x^2 - 2x - 8 = (x - 4)(x + 2)$, the expression is not positive exactly between its roots $-2$ and $4$, "
        "ends included. The final answer is $\\boxed{[-2, 4]}$.",
    ),
    Shot(
        "Two fair six-sided dice are rolled. What is the probability that the larger of the two numbers is $4$?",
        "Both numbers are at most $4$ in $16$ of $36$ cases and at most $3$ in $9$. So the larger one is $4$ in "
        "$16 - 9 = 7$ cases. The final answer is $\\boxed{\\frac{7}{36}}$.",
    ),
    Shot(
        "Write $\\frac{6}{\\sqrt{5} - \\sqrt{2}}$ without a root in the denominator.",
        "Multiplying both parts by $\\sqrt{5} + \\sqrt{2}$ turns the denominator into $5 - 2 = 3$, which leaves "
        "$2(\\sqrt{5} + \\sqrt{2})$. The final answer is $\\boxed{2\\sqrt{5} + 2\\sqrt{2}}$.",
    ),
)


@task("math500", tags=("math", "competition"))
def math500() -> Task:
    """MATH-500: 500 competition problems over seven subjects and five levels."""
    return Task(
        samples=Source(
            hub="HuggingFaceH4/MATH-500", local="math500/test.jsonl", id=("unique_id",), metadata=("subject", "level"), size=500
        ),
        prompt=QWEN,
        prompts=PROMPTS,
        verifier=MathVerifier(),
        sampling=Sampling(repeats=4, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=SHOTS,
    )
