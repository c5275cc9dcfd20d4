"""A browser view of what lies under `results/`: `evalsuite leaderboard`. It reads files and never a live object."""
