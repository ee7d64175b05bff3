"""The public endpoints, for gradio_client, agents and other programs; what each takes is checked before it is used."""
