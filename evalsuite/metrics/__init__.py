"""The statistics as a library: arrays in, numbers out, numpy and nothing else. docs/metrics.md has the formulas and examples.

Questions are rows: scores are (Q, K) single samples, NaN where one is missing, or (Q,) values of questions. Some functions have
the name of the module that they are in; `from evalsuite.metrics.aggregate import Aggregate` reaches the module all the same.
"""

from __future__ import annotations

from evalsuite.metrics.aggregate import Aggregate, aggregate, macro, summarize, wilson
from evalsuite.metrics.bootstrap import Bootstrap, bootstrap
from evalsuite.metrics.counts import g_pass_at_k, mg_pass_at_k, pass_at_k, pass_hat_k
from evalsuite.metrics.multiple import Ranking, adjust, benjamini_hochberg, compare_many, holm
from evalsuite.metrics.paired import Difference, compare, mcnemar_mid_p, paired_stderr, sign_flip_p
from evalsuite.metrics.pilot import Pilot, paired_pilot, pilot
from evalsuite.metrics.power import Noise, detectable_difference, power, required_questions, smallest_difference
from evalsuite.metrics.reduce import Metric, maj_at_k, parse_metric
from evalsuite.metrics.seeds import SeedDifference, seeds
from evalsuite.metrics.sequential import crossing_probability, information, pocock_constant
from evalsuite.metrics.variance import VarianceComponents, clustered_stderr, standard_error, variance_components

__all__ = [
    "Aggregate",
    "Bootstrap",
    "Difference",
    "Metric",
    "Noise",
    "Pilot",
    "Ranking",
    "SeedDifference",
    "VarianceComponents",
    "adjust",
    "aggregate",
    "benjamini_hochberg",
    "bootstrap",
    "clustered_stderr",
    "compare",
    "compare_many",
    "crossing_probability",
    "detectable_difference",
    "g_pass_at_k",
    "holm",
    "information",
    "macro",
    "maj_at_k",
    "mcnemar_mid_p",
    "mg_pass_at_k",
    "paired_pilot",
    "paired_stderr",
    "parse_metric",
    "pass_at_k",
    "pass_hat_k",
    "pilot",
    "pocock_constant",
    "power",
    "required_questions",
    "seeds",
    "sign_flip_p",
    "smallest_difference",
    "standard_error",
    "summarize",
    "variance_components",
    "wilson",
]
