"""Helpers of the book: data, models, training, metrics and plots for autoencoders.

Import this package before NumPy and Keras: they read their settings from the environment once.
"""

import gc
import os

for _name, _value in {
    # The compiled training loop is TensorFlow's.
    "KERAS_BACKEND": "tensorflow",
    # One thread sums in one order, so results do not depend on the number of cores; on networks
    # this small it is also the fastest.
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # The same for NumPy's matrix products and scikit-learn's loops, whose threads would also spin
    # and hold up other notebooks that run at the same time.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # oneDNN picks its kernels by processor, which changes the last digits.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    # The book runs alike on every laptop, with or without a graphics card.
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}.items():
    os.environ.setdefault(_name, _value)


def _import_tensorflow():
    """Import TensorFlow faster than `import` alone, and without a word on stderr."""
    # Its start-up messages ignore the log level; they would be in stored outputs.
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    # Python would go through hundreds of thousands of objects, again and again, for some to free.
    # Once frozen, they are left out later, too, when networks are built and compiled.
    collecting = gc.isenabled()
    gc.disable()
    try:
        import tensorflow  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
        os.dup2(stderr, 2)
        os.close(stderr)


_import_tensorflow()
