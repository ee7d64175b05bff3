"""The tabs of the Gradio app; with app.py the only place that imports gradio."""
