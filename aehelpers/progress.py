"""Tell a person how far something long is, and leave no trace of it."""

import time

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm


class Progress:
    """A terminal gets a bar, a notebook a line; both are gone at the end. Others get nothing.

    Parameters
    ----------
    total : int
        Number of steps.
    unit : str
        What a step is.
    """

    def __init__(self, total, unit):
        self._bar = tqdm(total=total, unit=unit, leave=False, delay=1, disable=None)
        self._in_notebook = hasattr(get_ipython(), "kernel")
        self._last_shown = time.monotonic()
        self._output = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()
        if self._output:
            self._output.update({}, raw=True)

    def step(self, text):
        """Count a step that is done.

        Parameters
        ----------
        text : str
            Where it stands; what a notebook shows, once a second at most.
        """
        self._bar.update()
        if self._in_notebook and time.monotonic() - self._last_shown > 1:
            self._last_shown = time.monotonic()
            if self._output:
                self._output.update({"text/plain": text}, raw=True)
            else:
                self._output = display({"text/plain": text}, raw=True, display_id=True)
