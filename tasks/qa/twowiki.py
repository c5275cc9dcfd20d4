"""2WikiMultihopQA, development set: 12,576 questions over Wikipedia and Wikidata, 2 to 5 hops.

Paper: Ho et al. 2020, arXiv 2011.01060. Data: Apache-2.0; the local file is a subset of 500 (R1-Searcher), which dropped
the aliases, so that exact match on it is lower; it is marked as partial. Protocol and pitfalls: see `_protocol.py`.
"""

from __future__ import annotations

from evalsuite import Task, task

from ._protocol import closed_book


@task("2wiki", tags=("qa", "multi-hop", "closed-book"))
def twowiki() -> Task:
    """2WikiMultihopQA: 12,576 multi-hop questions, exact match, closed book."""
    return closed_book("2wikimultihopqa", "dev", 12576, local=("2wikimultihopqa/dev.jsonl", "2wikimultihopqa/2wiki_500.jsonl"))
