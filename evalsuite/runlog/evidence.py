"""Evidence boxes of a question: where in its images the answer is to be seen."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

# Field of `Sample.privileged` -> whether its numbers are x, y, width, height; else x1, y1, x2, y2. Both in pixels of the original.
FIELDS = {
    "bbox": True,  # V* (`bbox`, a list of them) and COCO
    "bboxes": True,
    "bbox_2d": False,  # Qwen's grounding format, and the argument of DeepEyes' zoom tool
    "bboxes_2d": False,
    "box": False,
    "boxes": False,  # torchvision
    "evidence_box": False,
    "evidence_boxes": False,
}
_LABELS = ("target_object", "labels", "label")


def evidence(privileged: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`{"box": [x1, y1, x2, y2], "label": text, "image": 0}` for every box in `privileged`, in pixels of the question's image.

    A field of FIELDS holds one box or a list of them. Labels are those of V* (`target_object`) in either mapping, where there is
    one for each box; `image` counts the images of the prompt and is 0 unless `privileged["image_index"]` says
    otherwise. What is not four finite numbers is left out.
    """
    found: list[list[float]] = []
    for name, sized in FIELDS.items():
        given: Any = privileged.get(name, ())
        for box in (given,) if _is_box(given) else given if isinstance(given, list | tuple) else ():
            if _is_box(box):
                x, y, a, b = (float(n) for n in box)
                found.append([x, y, x + a, y + b] if sized else [x, y, a, b])
    labels = next((_texts(where[name]) for name in _LABELS for where in (privileged, metadata) if name in where), [])
    labels = labels if len(labels) == len(found) else [""] * len(found)
    image = privileged.get("image_index")
    return [
        {"box": box, "label": label, "image": image if isinstance(image, int) else 0}
        for box, label in zip(found, labels, strict=True)
    ]


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 4
        and all(isinstance(n, Real) and not isinstance(n, bool) and abs(float(n)) < 1e9 for n in value)
    )


def _texts(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
