"""The regression gate: compare with a baseline, decide, report."""
