"""A question and its samples on a page: prompt with images and boxes, thought, answer, score and tool calls. All of it as text:
nothing that a model or a data set wrote is read as Markdown or HTML, and no image is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from evalsuite.words.thinking import split

from . import ui
from .catalog import Run
from .data.browse import verdict
from .data.media import Box
from .data.samples import Question
from .data.trace import Crop, Turn, read_trace
from .pieces import image, pretty, text
from .plots.logprobs import token_logprobs

_LOOK = {
    "right": ("green", ":material/check:"),
    "wrong": ("red", ":material/close:"),
    "graded": ("blue", ":material/percent:"),
    "no_answer": ("orange", ":material/question_mark:"),
    "truncated": ("orange", ":material/content_cut:"),
    "timeout": ("orange", ":material/timer:"),
    "error": ("gray", ":material/error:"),
}


def show_question(run: Run, question: Question, samples: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """The prompt as the model saw it, evidence boxes and the crops of `samples` drawn on its images.

    `samples` are by the `mark` that `show_sample` has for them.
    """
    crops = [(f"{mark}C{c.number}", c) for mark, s in (samples or {}).items() for c in read_trace(s.get("trace") or [])[1]]
    if not question.prompt and not question.problem:
        st.info("The text of the question is not kept here: a run stores it when it ends, and baselines leave it out.")
    messages = question.prompt or ([["user", question.problem]] if question.problem else [])
    first = max(0, len(messages) - 3)
    for number, (role, said) in enumerate(messages[:first]):
        with st.expander(f"Message {number + 1} of {len(messages)}"):
            _message(run, question, number, role, said, crops)
    for number, (role, said) in enumerate(messages[first:], first):
        with st.container(border=True):
            _message(run, question, number, role, said, crops)
    if not messages:
        _message_images(run, question, 0, crops)


def show_sample(run: Run | None, sample: Mapping[str, Any], target: Any = None, *, key: str, mark: str = "") -> None:
    """One sample: verdict, what was extracted against the target, why, the parts of the score, counts, turns, text.

    `key` is unique on the page. `mark` stands before the tags of its crops, where several samples have some: `A·` for `A·C1`.
    """
    word = verdict(sample.get("value"), sample.get("outcome"))
    colour, icon = _LOOK.get(word, ("gray", ":material/help:"))
    st.badge(word.replace("_", " ") if word in _LOOK else "other outcome", icon=icon, color=colour)
    st.text(facts(sample))
    left, right = st.columns(2)
    with left:
        st.caption("Extracted answer")
        text("none" if sample.get("answer") is None else str(sample["answer"]), f"{key}-answer")
    if target is not None:
        with right:
            st.caption("Target")
            text(pretty(target), f"{key}-target")
    if sample.get("feedback"):
        st.caption("Why")
        text(sample["feedback"], f"{key}-why")
    if sample.get("parts"):
        _parts(sample["parts"], key)
    turns, crops = read_trace(sample.get("trace") or [])
    if turns:
        st.caption(f"Turns and tool calls before the final text ({len(turns)})")
        for number, turn in enumerate(turns):
            _turn(run, turn, crops, f"{key}-{number}", mark)
    _completion(sample, key)
    if sample.get("logprobs"):
        with st.expander(f"Log-probabilities of {len(sample['logprobs']):,} tokens"):
            mean = sum(sample["logprobs"]) / len(sample["logprobs"])
            ui.show_figure(
                token_logprobs(sample["logprobs"]),
                f"logprobs-{key}",
                alt=f"Log-probability of every token of the sample; the mean is {mean:.3g} nats.",
            )


def show_side_by_side(columns: Sequence[tuple[str, str, Run | None, Mapping[str, Any]]], target: Any = None) -> None:
    """Samples in columns, each with its name above: (mark of `show_sample`, name, run, sample)."""
    for number, (column, (mark, name, run, sample)) in enumerate(zip(st.columns(len(columns)), columns, strict=True)):
        with column, st.container(border=True):
            st.text(name)
            show_sample(run, sample, target, key=f"side-{number}", mark=mark)


def show_classes(question: Question) -> None:
    """Which samples gave the same answer: by the run's answer classes, by the extracted text where it computed none."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for sample in question.samples:
        classed = sample.get("answer_class")
        groups.setdefault(sample.get("answer") if classed is None else classed, []).append(sample)
    rows = [
        {
            "answer": "none" if of[0].get("answer") is None else str(of[0]["answer"]),
            "samples": len(of),
            "which": ", ".join(str(s["i"]) for s in of),
            "mean value": _mean([s["value"] for s in of if s.get("value") is not None]),
        }
        for of in sorted(groups.values(), key=len, reverse=True)
    ]
    ui.show_table(pd.DataFrame(rows), "answers", alt=f"{len(rows)} different answers in {len(question.samples)} samples.")


def facts(sample: Mapping[str, Any]) -> str:
    """Numbers of a sample in one line of plain text."""
    value = sample.get("value")
    said = [
        "no value" if value is None else f"value {value:.4g}",
        *(
            f"{name} {sample[k]:.4g}"
            for k, name in (("reward", "reward"), ("advantage", "advantage"))
            if sample.get(k) is not None
        ),
        *(["kept" if sample["kept"] else "left out of the step"] if sample.get("kept") is not None else []),
        f"{sample['completion_tokens']:,} tokens" if sample.get("completion_tokens") is not None else "",
        f"{sample['prompt_tokens']:,} in the prompt" if sample.get("prompt_tokens") is not None else "",
        f"{sample['latency']:.2f} s" if sample.get("latency") is not None else "",
        f"${sample['cost']:.4g}" if sample.get("cost") else "",
        f"verified in {1000 * sample['seconds']:.3g} ms" if sample.get("seconds") else "",
        f"finish reason {sample['finish_reason']}" if sample.get("finish_reason") else "",
        f"seed {sample['seed']}" if sample.get("seed") is not None else "",
    ]
    return " · ".join(s for s in said if s)


def _message(run: Run, question: Question, number: int, role: str, said: str, crops: Sequence[tuple[str, Crop]]) -> None:
    st.text(role)
    _message_images(run, question, number, crops)
    if said:
        text(said, f"message-{number}")


def _message_images(run: Run, question: Question, number: int, crops: Sequence[tuple[str, Crop]]) -> None:
    """The images of one message with boxes on them, these in words, and what was cropped. `crops` have their tags."""
    for position, reference in enumerate(question.images):
        if reference.get("message", 0) != number:
            continue
        boxes = [
            (Box(tuple(e["box"]), f"E{n}", "evidence"), f"evidence{': ' if e.get('label') else ''}{e.get('label') or ''}")
            for n, e in enumerate(question.evidence, 1)
            if e.get("image", 0) == position
        ]
        boxes += [
            (Box(c.box, tag), "crop, where the model asked for it" if c.said else "crop")
            for tag, c in crops
            if c.image == position
        ]
        image(run, reference, [box for box, _ in boxes], f"Image {position + 1} of the question")
        if boxes:
            st.text("\n".join(box.words(label) for box, label in boxes))
        seen = [(tag, part) for tag, c in crops if c.image == position for part in c.seen]
        if seen:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                for tag, part in seen:
                    with st.container(width=200):
                        image(run, part, (), tag, 200)
                        st.text(tag)


def _turn(run: Run | None, turn: Turn, crops: Sequence[Crop], key: str, mark: str) -> None:
    with st.container(border=True):
        about = ", ".join(f"{mark}C{n}" for n in turn.crops)
        st.text(f"{turn.who or 'turn'}{f'  [{about}]' if about else ''}")
        beside = turn.images and any(c.number in turn.crops for c in crops)
        said = split(turn.text) if turn.who == "assistant" else None
        for name, thought in (("Reasoning", turn.thought), ("Thought", said.reasoning if said else None)):
            if thought:
                with st.expander(f"{name}, {len(thought):,} characters"):
                    text(thought, f"{key}-{name}")
        if answer := said.answer if said else turn.text:
            text(answer, f"{key}-text")
        for number, (name, arguments) in enumerate(turn.calls):
            text(f"{name}({arguments})", f"{key}-call-{number}")
        for number, reference in enumerate(turn.images, 1):
            image(run, reference, (), f"Crop {about}" if beside else f"Image {number} of this turn", 500)
        if turn.rest:
            with st.expander("Other fields"):
                text(turn.rest, f"{key}-rest")


def _completion(sample: Mapping[str, Any], key: str) -> None:
    """The text, its thought folded; with the thought it is whole and unchanged."""
    said = sample.get("text")
    if said is None:
        st.text("No completion is kept: the request failed, or the run left it out.")
        return
    thought = split(said, opened=bool(sample.get("opened")))
    for name, content in (("Reasoning (sent apart by the server)", sample.get("reasoning")), ("Thought", thought.reasoning)):
        if content:
            with st.expander(f"{name}, {len(content):,} characters{'' if thought.closed else ', never closed'}"):
                text(content, f"{key}-{name}")
    st.caption("Text after the thought" if thought.reasoning else "Text")
    text(thought.answer if thought.answer else "(empty)", f"{key}-said")


def _parts(parts: Mapping[str, float], key: str) -> None:
    """Named components of a score: bars where all are shares."""
    frame = pd.DataFrame({"part": list(parts), "value": [float(v) for v in parts.values()]})
    shares = frame["value"].between(0, 1).all()
    config = {"value": st.column_config.ProgressColumn(format="%.3g", min_value=0, max_value=1)} if shares else None
    st.dataframe(frame, hide_index=True, column_config=config, key=f"parts-{key}", alt="The parts of the score.")


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
