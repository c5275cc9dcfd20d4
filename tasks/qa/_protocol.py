"""The closed-book protocol that seven question-answering sets share, after Search-R1 (arXiv 2503.09516).

Search-R1 asks for reasoning in <think> and the answer in <answer>, and scores exact match of the last <answer> under the
SQuAD normalisation against any accepted answer. Closed book is the same without its search clause. Sampling is its
evaluation's, greedy; its 500 tokens per turn become 2,048 for the single turn. Data: RUC-NLPIR/FlashRAG_datasets, plain
files `<set>/<split>.jsonl` with `{id, question, golden_answers, metadata}`; local copies of other origin are read as well.

Pitfalls: Search-R1 scores prompt and response together and demands two <answer> pairs, because its prompt holds one; here
only the model's own text is read, so that one pair counts and the prompt's "Beijing" never does. The normalisation drops
punctuation ("3.5" equals "35") and articles ("The Who" equals "who"). F1 and cover-EM are in the parts; never mix them up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evalsuite import Prompt, Sampling, Shot, Source, Task
from evalsuite.verifiers.text import TextVerifier

_TEMPLATE = (
    "Answer the given question. You must conduct reasoning inside <think> and </think> first. After reasoning, provide the "
    "answer inside <answer> and </answer>, without detailed illustrations. For example, <answer> Beijing </answer>. "
    "Question: {problem}"
)
CLOSED_BOOK = Prompt(name="closed_book", user=_TEMPLATE, plain=_TEMPLATE, gap="\n", plain_stop=("\n\nAnswer the given",))
SHOTS = (
    Shot(
        "Which river flows through the capital of Austria?",
        "<think> The capital of Austria is Vienna, which lies on the Danube. </think>\n<answer> Danube </answer>",
    ),
    Shot(
        "Who wrote the novel that the film Blade Runner is based on?",
        "<think> Blade Runner is based on Do Androids Dream of Electric Sheep? by Philip K. Dick. </think>\n"
        "<answer> Philip K. Dick </answer>",
    ),
)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """The question with a question mark at its end, as Search-R1 asks it; PopQA's `possible_answers` parsed from its JSON."""
    question = str(row["question"] if "question" in row else row["Question"]).strip()
    row = {**row, "question": question if question.endswith("?") else question + "?"}
    if isinstance(row.get("possible_answers"), str):
        row["golden_answers"] = json.loads(row["possible_answers"])
    return row


def closed_book(folder: str, split: str, size: int, local: tuple[str, ...], **source: Any) -> Task:
    """The task of one FlashRAG set: `folder/split.jsonl` on the hub, `size` questions."""
    return Task(
        samples=Source(
            hub="RUC-NLPIR/FlashRAG_datasets",
            files=(f"{folder}/{split}.jsonl",),
            split=split,
            local=local,
            **{"id": ("id", "idx", "QuestionId"), "problem": ("question",), "adapt": read, "size": size}
            | {"target": ("golden_answers", "answer", "Answer.Aliases"), "metadata": ("metadata.type", "metadata.level")}
            | source,
        ),
        prompt=CLOSED_BOOK,
        verifier=TextVerifier(metric="em", extract="answer_tag"),
        sampling=Sampling(max_tokens=2048),
        metrics=("avg", "part:f1", "part:cover_em"),
        fewshot=SHOTS,
    )
