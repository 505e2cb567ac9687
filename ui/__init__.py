"""The web chat, on Gradio: shows what `qa` answers and computes nothing."""
