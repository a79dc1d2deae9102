"""Let processes share what XLA compiles, which takes as long as many epochs of a small network.

The processes have to have the same processor and the same settings of TensorFlow and of XLA, by
which code that was kept is not told apart.
"""

import os

VARIABLE = "TF_XLA_FLAGS"  # TensorFlow reads it
OPTION = "--tf_xla_persistent_cache_directory="


def kept_in(folder):
    """Name the folder in which TensorFlow keeps compiled code, and looks for it.

    Parameters
    ----------
    folder : str
        Without white space.

    Returns
    -------
    dict of str to str
        The environment variable for the processes that share the code, with whatever flags it has
        in this one.
    """
    return {VARIABLE: f"{os.environ.get(VARIABLE, '')} {OPTION}{folder}".lstrip()}
