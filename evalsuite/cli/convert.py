"""`evalsuite convert`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "Turn recorded completions into rows that --model replay:FILE and `evalsuite score FILE` read."

EPILOG = """\
examples:
  evalsuite convert gsm8k/example_model_solutions.jsonl --completions 175b_verification.solution \\
      --scores 175b_verification.is_correct -o gsm8k_175b_verification.jsonl
  evalsuite convert math_cot_100/math_cot_100.jsonl --id idx --completions code --scores score -o math_cot.jsonl
  evalsuite convert bamboogle/recorded/bamboogle_qwen.jsonl --problem question --completions gen_text_store -o bamboogle.jsonl
  evalsuite convert out/samples_gsm8k_2025-01-01T00-00-00.jsonl --from lm-eval -o gsm8k.jsonl
then:
  evalsuite run --model replay:gsm8k.jsonl --tasks gsm8k

Without --id or --problem a question is known by its position, which must be its position in the task.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite convert`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", metavar="FILE", help="JSONL, JSON, TSV, CSV or Parquet, also gzipped")
    parser.add_argument(
        "--from", dest="source", choices=("records", "lm-eval"), default="records", help="what FILE is (default: %(default)s)"
    )
    parser.add_argument("--completions", metavar="FIELD", help="field with the text, or the list of texts; dots reach inside")
    parser.add_argument("--id", metavar="FIELD", help="field with the sample id")
    parser.add_argument("--problem", metavar="FIELD", help="field with the question's text, where there is no id")
    parser.add_argument("--scores", metavar="FIELD", help="field with recorded verdicts, for `evalsuite score --diff`")
    parser.add_argument("--task", metavar="NAME", help="the task the rows are for (default: any)")
    parser.add_argument("--out", "-o", metavar="FILE", help="file to write (default: standard output)")


def main(args: argparse.Namespace) -> int:
    """Write the rows; a count goes to stderr."""
    from evalsuite.errors import UsageError
    from evalsuite.files import write_atomically
    from evalsuite.formats import read_records
    from evalsuite.runlog.convert import convert, convert_lm_eval
    from evalsuite.runlog.log import encode

    records = read_records(args.file)
    if args.source == "lm-eval":
        given = [flag for flag in ("completions", "problem", "scores") if getattr(args, flag) is not None]
        if given:
            raise UsageError(f"--{given[0]} is for --from records; an lm-eval log says itself where its completions are")
        rows = convert_lm_eval(records, id=args.id, task=args.task)
    elif args.completions is None:
        has = ", ".join(next(records, {}))
        raise UsageError(f"--completions FIELD is missing: which field of {args.file} has the text? It has {has}")
    else:
        fields = {name: getattr(args, name) for name in ("completions", "id", "problem", "scores", "task")}
        rows = convert(records, **fields)
    lines, completions = [], 0
    try:
        for row in rows:
            lines.append(encode(row))
            completions += len(row["completions"])
    except UsageError as error:
        raise UsageError(f"{args.file}: {error}") from None
    if args.out:
        write_atomically(Path(args.out), b"".join(lines))
    else:
        sys.stdout.buffer.write(b"".join(lines))
    print(f"{len(lines)} questions, {completions} completions", file=sys.stderr)
    return 0
