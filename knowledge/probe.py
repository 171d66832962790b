"""Which article a question's vector looks like: a linear discriminant over everything an article says or is asked."""

import numpy as np

# How far the spread is taken to be the same in every direction: from few texts an article it is hardly known.
SHRINKAGE = 0.6
# Keeps the spread invertible where all texts of every article are the same.
LEAST_SPREAD = 1e-4


class Probe:
    """Gaussian classes with one shared covariance (Fisher's discriminant), solved in closed form.

    Against the cosine to a centroid it discounts the directions in which texts of one article differ anyway.
    """

    def __init__(self, means: np.ndarray, spread: np.ndarray) -> None:
        """`means`: (articles, d); `spread`: (d, d), the covariance of texts around their article's mean."""
        size = spread.shape[0]
        even = np.trace(spread) / size * SHRINKAGE + LEAST_SPREAD
        shrunk = (1 - SHRINKAGE) * spread + even * np.eye(size, dtype=np.float32)
        self._means = means
        self._precision = np.linalg.inv(shrunk.astype(np.float64)).astype(np.float32)
        self._weights = self._precision @ means.T
        self._offsets = -0.5 * np.einsum("ad,da->a", means, self._weights)

    def scores(self, vector: np.ndarray) -> np.ndarray:
        """Of each article the logarithm of its likelihood, up to a constant, (articles,)."""
        return vector @ self._weights + self._offsets

    def distance(self, vector: np.ndarray, article: int) -> float:
        """The Mahalanobis distance to an article's mean, over the root of the dimensions: about 1 for its own texts."""
        off = vector - self._means[article]
        return float(np.sqrt(max(0.0, off @ self._precision @ off) / len(off)))
