"""The words: what flows through evalsuite, as frozen dataclasses."""
