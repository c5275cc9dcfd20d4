"""SimpleQA: 4,326 short fact-seeking questions, graded correct, incorrect or not attempted by a judge model.

Paper: Wei et al. 2024, arXiv 2411.04368. Data: lighteval/SimpleQA, the CSV of openai/simple-evals; MIT. The local file of five
(NVIDIA-NeMo/Gym) only shows the format and is marked as partial. Protocol: the bare question, one answer; the judge says A,
B or C. Official numbers are accuracy (`avg`), accuracy given attempted (avg / (1 - not_attempted)) and their harmonic mean. Pitfalls: exact match (lighteval) is not the official metric; scores of different judges do not compare.
"""

from __future__ import annotations

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.verifiers.judge import JudgeVerifier

LOCAL = ("simpleqa/test.jsonl", "nemo_gym/simpleqa/example.jsonl")
BARE = Prompt(name="bare", plain="Question: {problem}\nAnswer:", plain_stop=("\n",))


@task("simpleqa", tags=("qa", "factuality", "judge", "closed-book"))
def simpleqa() -> Task:
    """SimpleQA: 4,326 short factual questions, graded by a judge model (`--judge`)."""
    return Task(
        samples=Source(hub="lighteval/SimpleQA", local=LOCAL, target=("answer", "expected_answer"), size=4326),
        prompt=BARE,
        verifier=JudgeVerifier(template="simpleqa"),
        sampling=Sampling(max_tokens=2048),
        metrics=("avg", "part:not_attempted"),
    )
