"""Schedules of a run: the learning rate, and how often the decoder reads its own predictions."""

import math

from training.config import TrainingConfig


def learning_rate(settings: TrainingConfig, step: int, progress: float) -> float:
    """Returns the learning rate of a step.

    It rises linearly to the peak over the warm-up and follows half a cosine down to a fraction of the peak (Loshchilov
    & Hutter 2017, arXiv:1608.03983, without restarts).

    Args:
        settings: Peak, warm-up and final fraction.
        step: Number of the step, from 0.
        progress: Completed part of the run, 0 to 1: of its steps, or of its budget.
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    final = settings.final_learning_rate_fraction
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return settings.learning_rate * min(warm, final + (1.0 - final) * cosine)


def sampling_rate(settings: TrainingConfig, progress: float) -> float:
    """Returns the probability that the decoder reads its own prediction.

    It rises linearly over the first part of the run (Bengio et al. 2015, arXiv:1506.03099).

    Args:
        settings: The final probability and the length of the rise.
        progress: Completed part of the run, 0 to 1.
    """
    return settings.sampling * (min(1.0, progress / settings.sampling_rise) if settings.sampling_rise else 1.0)
