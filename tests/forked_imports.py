"""What `tests.forked` imports once: all that the product's processes import, as nobody's terminal."""

import importlib
import os

with open(os.devnull, "r+b") as nothing:
    for descriptor in range(3):
        os.dup2(nothing.fileno(), descriptor)

for name in (
    "knowledge.embedder",  # first: it says how many threads torch may have, before torch is there
    "chromadb",
    "sentence_transformers",
    "service.__main__",
    "service.app",
    "tests.plain_logs",
    "tests.kill_process",
    "tests.whatsapp_process",
    "tests.search_process",
):
    importlib.import_module(name)
