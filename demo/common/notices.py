"""Sentences for the visitor, and data inside Markdown: what comes from a dataset, report, card or address is escaped.

It may hold anything; on the page it is text, never markup.
"""

from __future__ import annotations

from html import escape

import gradio as gr

from sfpn.reporting.words import in_markdown

__all__ = ["in_markdown", "notices_html", "warn"]


def notices_html(sentences: list[str]) -> str:
    """Sentences that say what was refused and why."""
    return "".join(f'<div class="notice" role="alert">{escape(sentence)}</div>' for sentence in sentences)


def warn(sentence: str) -> None:
    """Show a warning in the corner of the page; Gradio would take HTML in it for HTML."""
    gr.Warning(escape(sentence))
