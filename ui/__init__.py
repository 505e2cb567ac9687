"""The web chat. It shows what `qa` computes.

Gradio reads its settings when it is imported, which the modules here do. Otherwise it asks its makers for
news, sends usage figures, and keeps uploads in a folder that all users of a machine share.
"""

import os
import tempfile

_UPLOADS = tempfile.TemporaryDirectory(prefix="article-qa-")  # gone when the process ends
os.environ["GRADIO_TEMP_DIR"] = _UPLOADS.name
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
