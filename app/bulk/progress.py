"""How far it is: a bar with lines a second and the time left, on a terminal or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress(total: int, done: int) -> Iterator[Callable[[int], None]]:
    """:param done: of ``total`` lines, by an earlier run.
    :returns: what is to be told of each further number of lines.
    """
    with tqdm(total=total, initial=done, unit=" lines", unit_scale=False, smoothing=0.05, mininterval=0.5) as bar:
        yield lambda count: (bar.update(count), None)[1]
