"""Rows of a matrix that belong together and follow each other: phrases of an article, sentences of a passage."""

from collections.abc import Iterable

import numpy as np


class Groups:
    """How many rows each group has, in order."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self.sizes = np.fromiter(sizes, dtype=np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.owners = np.repeat(np.arange(len(self.sizes)), self.sizes)  # the group of each row
        self._filled = np.flatnonzero(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def highest(self, values: np.ndarray, without: float = -1.0) -> np.ndarray:
        """The highest value of each group, along the first axis; `without` for a group of no rows."""
        found = np.full((len(self), *values.shape[1:]), without, dtype=np.float32)
        if len(self._filled):
            found[self._filled] = np.maximum.reduceat(values, self.starts[self._filled], axis=0)
        return found

    def highest_mean(self, values: np.ndarray, count: int) -> np.ndarray:
        """The mean of each group's `count` highest values; 0 for a group of no rows."""
        order = np.lexsort((-values, self.owners))
        rank = np.arange(len(order)) - np.repeat(self.starts, self.sizes)
        top = order[rank < count]
        sums = np.bincount(self.owners[top], weights=values[top], minlength=len(self))
        return (sums / np.maximum(1, np.minimum(self.sizes, count))).astype(np.float32)

    def sums(self, vectors: np.ndarray) -> np.ndarray:
        """The sum of each group's rows."""
        found = np.zeros((len(self), vectors.shape[1]), dtype=np.float32)
        if len(self._filled):
            found[self._filled] = np.add.reduceat(vectors, self.starts[self._filled], axis=0)
        return found
