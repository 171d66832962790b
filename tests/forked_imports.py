"""What `tests.forked` imports once: all that the product's processes import, as nobody's terminal."""

import os

with open(os.devnull, "r+b") as nothing:
    for descriptor in range(3):
        os.dup2(nothing.fileno(), descriptor)

import chromadb  # noqa: F401
import sentence_transformers  # noqa: F401

import service.__main__
import service.app  # noqa: F401
import tests.kill_process  # noqa: F401
