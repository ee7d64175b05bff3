"""One line on what each term of the page means, shown when the mouse rests on it or a screen reader reads it."""

from __future__ import annotations

from pathlib import Path

TERMS = Path(__file__).parent / "assets" / "terms.json"  # what a label, choice or heading says -> its line


def explain_terms() -> str:
    """JavaScript for the page: labels, choices and headings that are terms get their line."""
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return script.replace("TERMS", TERMS.read_text(encoding="utf-8"))
