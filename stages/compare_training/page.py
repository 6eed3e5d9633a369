"""report.html: each text over the bytes seen and over the operations spent, every training a line."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.compare_training.words import quantity, text_name, variant_name
from stages.shared.page.axis import axis
from stages.shared.page.environment import page_environment
from stages.shared.page.plot import Curve, Plot, make_plot
from stages.shared.verdict import signed

TEMPLATES = Path(__file__).parent / "templates"
LABELS = {"adapted": "Adapted", "source_finetuned": "Source, fine-tuned"}
TABLES = ("comparisons", "changes")
AXES = {"bytes": ("B", "bytes of training text seen"), "flops": ("FLOP", "floating-point operations spent")}


def render_page(found: Mapping[str, Any]) -> str:
    """Return the comparison as a page that needs nothing beside itself."""
    environment = page_environment(TEMPLATES)
    environment.filters |= {"signed": signed}
    environment.globals |= {"labels": LABELS, "quantity": quantity, "variant_name": variant_name}
    sections = [
        (_heading(text, found), size, list(plots(found, text)), *(_of(text, found[name]) for name in TABLES))
        for text, size in found["texts"].items()
    ]
    return environment.get_template("page.html.j2").render(found=found, sections=sections)


def _heading(text: str, found: Mapping[str, Any]) -> str:
    name = text_name(text, found)
    return f"{name[0].upper()}{name[1:]}"


def plots(found: Mapping[str, Any], text: str) -> Iterator[Plot]:
    """Yield the two charts of one text."""
    for kind, (unit, title) in AXES.items():
        curves = [
            _curve(training, training["curves"][text], kind, found["variants"][0]["replay"])
            for training in found["trainings"]
            if text in training["curves"]
        ]
        marks = axis(0.0, max(float(curve.x[-1]) for curve in curves))
        ticks = [(mark, quantity(mark, unit)) for mark in marks]
        yield make_plot(f"{text_name(text, found)} over {title}", curves, ticks, title)


def _curve(training: Mapping[str, Any], measured: Mapping[str, Any], kind: str, first: str) -> Curve:
    """Return a line in its system's colour; only those of the first variant are whole."""
    style = training["system"] if training["replay"] == first else f"{training['system']} dashed"
    label = ", ".join(filter(None, (LABELS[training["system"]], variant_name(training["replay"]))))
    return Curve(style, label, np.array(measured[kind]), np.array(measured["bits_per_byte"]))


def _of(text: str, entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if entry["text"] == text]
