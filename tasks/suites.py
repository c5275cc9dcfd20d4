"""Suites: several tasks with one macro average, `--tasks suite:math`."""

from __future__ import annotations

from evalsuite.registry import suite

# The five or six sets that papers on RL for mathematics report, and GSM8K.
suite("math", tasks=("gsm8k", "math500", "aime24", "aime25", "amc23", "minerva_math", "olympiadbench"))
suite("competition", tasks=("aime24", "aime25", "aime26", "hmmt_feb25", "hmmt_nov25", "hmmt_feb26"))
# Search-R1 (arXiv 2503.09516) averages these seven.
suite("qa", tasks=("nq", "triviaqa", "popqa", "hotpotqa", "2wiki", "musique", "bamboogle"))
suite("sciknoweval", tasks=("sciknoweval_biology", "sciknoweval_chemistry", "sciknoweval_material", "sciknoweval_physics"))
suite(
    "science",
    tasks=("gpqa_diamond", "sciknoweval_biology", "sciknoweval_chemistry", "sciknoweval_material", "sciknoweval_physics"),
)
suite("reasoning", tasks=("sort_letters", "arithmetic", "linear_equations", "masked_step", "step_reorder"))
