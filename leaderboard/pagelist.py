"""The pages in their order: file, title, icon, path in the URL."""

PAGES = (
    ("leaderboard.py", "Leaderboard", ":material/leaderboard:", "leaderboard"),
    ("compare.py", "Compare", ":material/compare_arrows:", "compare"),
    ("pass_at_k.py", "pass@k", ":material/stacked_line_chart:", "pass_at_k"),
    ("efficiency.py", "Efficiency", ":material/speed:", "efficiency"),
    ("samples.py", "Samples", ":material/search:", "samples"),
    ("training.py", "Training", ":material/show_chart:", "training"),
    ("methods.py", "Methods", ":material/grid_on:", "methods"),
    ("validity.py", "Validity", ":material/verified:", "validity"),
)
