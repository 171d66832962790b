"""What `tests.forked` imports once: all that the product's processes import, as nobody's terminal."""

import gc
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
    # What those import when they first need it.
    "channels.whatsapp.api",
    "chromadb.api.rust",
    "pwdlib.hashers.argon2",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "transformers.models.bert.modeling_bert",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
):
    importlib.import_module(name)

gc.collect()
gc.freeze()  # it is no garbage: looking through it again and again would take each of the processes a while
