"""Colours, fonts and style sheet of the app; light and dark, and told apart by the colour-blind (Okabe and Ito)."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

GENUINE = "#0072B2"  # pairs of one person
IMPOSTOR = "#D55E00"  # pairs of strangers
UNSURE = "#8C6BB1"
STYLE_SHEET = Path(__file__).with_name("style.css")


def make_theme() -> gr.themes.Base:
    """A quiet theme whose fonts ship with Gradio: nothing is fetched from elsewhere."""
    sans = (gr.themes.LocalFont("IBM Plex Sans"), "ui-sans-serif", "system-ui", "sans-serif")
    mono = (gr.themes.LocalFont("IBM Plex Mono"), "ui-monospace", "monospace")
    return gr.themes.Base(
        primary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=sans,
        font_mono=mono,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_shadow="none",
        block_label_text_weight="500",
        button_primary_background_fill="#075985",
        button_primary_background_fill_hover="#0369a1",
        button_primary_text_color="white",
        slider_color="#0369a1",
        slider_color_dark="#38bdf8",
    )
