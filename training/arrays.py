"""Tensors of any Keras backend as numpy arrays."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def to_numpy(tensor: Any) -> NDArray[Any]:
    """A tensor or variable as an array."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))
