"""HotpotQA, development set: 7,405 questions over two Wikipedia articles.

Paper: Yang et al. 2018, arXiv 1809.09600. Data: CC BY-SA 4.0; the local file is a subset of 500 (R1-Searcher) and is
marked as partial. Protocol and pitfalls: see `_protocol.py`. The official metric also scores supporting facts and a joint
number, which a closed-book answer cannot have; "yes" and "no" are golds of comparison questions.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("hotpotqa", tags=("qa", "multi-hop", "closed-book"))
def hotpotqa() -> Task:
    """HotpotQA: 7,405 two-hop questions, exact match, closed book."""
    return closed_book("hotpotqa", "dev", 7405, local=("hotpotqa/dev.jsonl", "hotpotqa/hotpotqa_500.jsonl"))
