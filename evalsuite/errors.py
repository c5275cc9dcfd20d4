"""Errors a person can act on. The command line prints the message and leaves with `exit_code`; no traceback."""

from __future__ import annotations


class EvalsuiteError(Exception):
    """Base of every error that is the user's or the machine's, not ours. The message says what was tried and what to do."""

    exit_code = 2


class UsageError(EvalsuiteError):
    """A wrong name, flag, file or column (exit 2)."""

    exit_code = 2


class BusyError(UsageError):
    """Another process is writing what this one would write."""


class IncompleteError(EvalsuiteError):
    """The run ended with samples missing or errors above `--max-errors` (exit 3)."""

    exit_code = 3


class UnavailableError(EvalsuiteError):
    """A backend, a sandbox layer or a judge that this needs is not there (exit 4)."""

    exit_code = 4


class RequestError(EvalsuiteError):
    """One request failed for good. The run goes on: that sample's Score is `None` with outcome `error`."""

    exit_code = 3


class BudgetError(EvalsuiteError):
    """A token or cost budget is spent. What is logged stays; the run is incomplete (exit 3)."""

    exit_code = 3


class NotComparableError(EvalsuiteError):
    """Two runs that do not measure the same thing: other questions, prompt, sampling or verifier (exit 12)."""

    exit_code = 12
