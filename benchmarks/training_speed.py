"""Compare the book's `train` with other ways to train its deep network: `make bench`.

Each measurement has a process of its own, since TensorFlow reads its settings once:
`python training_speed.py --entry "fit on all cores" --images 4000` prints one as JSON. Without
--entry all are taken, in rounds, and summarised in training_speed.csv. All train on the processor.
"""

import argparse
from contextlib import redirect_stdout
import csv
from functools import partial
from importlib.metadata import version
import io
from itertools import count
import json
import os
from pathlib import Path
import platform
import re
from statistics import median, quantiles
import subprocess
import sys
import time

from tabulate import tabulate
from tqdm import tqdm

# Whatever imports TensorFlow is imported where it is used, after the environment has been set.

SUMMARY = Path(__file__).with_suffix(".csv")
ROUNDS = 5
TIMED_EPOCHS = {4_000: 20, 60_000: 2}  # by the number of images
BATCH_SIZE = 32

# The ways to train. Each takes a compiled model and images, shape (n, 784), and returns a function
# that trains for a number of epochs.


def book(model, x):
    from aehelpers.training import train

    seeds = count()
    return lambda epochs: train(model, x, epochs=epochs, seed=next(seeds), batch_size=BATCH_SIZE)


def fit(model, x, **settings):
    model.compile(optimizer="adam", loss="binary_crossentropy", **settings)
    return lambda epochs: model.fit(x, x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)


def fit_pipeline(model, x):
    batches = _pipeline(x).map(lambda batch: (batch, batch))
    return lambda epochs: model.fit(batches, epochs=epochs, shuffle=False, verbose=0)


def own_loop(model, x, jit_compile):
    import keras
    import tensorflow as tf

    batches = _pipeline(x)
    # One iterator for all epochs: starting one costs as much as training on 4,000 images.
    endless = batches.repeat()
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=jit_compile)
    def train_batch(batch):
        with tf.GradientTape() as tape:
            reconstruction = model(batch, training=True)
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(batch, reconstruction))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    @tf.function
    def train(steps):
        iterator = iter(endless)
        for _ in tf.range(steps):
            train_batch(next(iterator))

    return lambda epochs: train(epochs * batches.cardinality())


def _pipeline(x):
    import tensorflow as tf

    images = tf.data.Dataset.from_tensor_slices(x)
    return images.shuffle(len(x)).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


# Where the package differs from TensorFlow's own settings, all but the book take TensorFlow's. For
# networks this small one thread can be faster than all cores, so each may try both.
ALL_CORES = {
    "TF_NUM_INTRAOP_THREADS": "0",
    "TF_NUM_INTEROP_THREADS": "0",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
ONE_THREAD = ALL_CORES | {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

# Each entry is a way to train and the environment variables that it runs with.
ENTRIES = {"book": (book, {})}
for _name, _way in {
    "fit": fit,
    "fit jit": partial(fit, jit_compile=True),
    "fit 125 steps": partial(fit, steps_per_execution=125),
    "fit jit 125 steps": partial(fit, jit_compile=True, steps_per_execution=125),
    "fit pipeline": fit_pipeline,
    "own loop": partial(own_loop, jit_compile=False),
    "own loop jit": partial(own_loop, jit_compile=True),
}.items():
    ENTRIES[f"{_name} on all cores"] = _way, ALL_CORES
    ENTRIES[f"{_name} on one thread"] = _way, ONE_THREAD
DEFAULT = "fit on all cores"  # what one gets without choosing anything


def measure(entry, images, epochs, seed):
    """Train the deep network once, in this process and its environment.

    Parameters
    ----------
    entry : str
        One of `ENTRIES`.
    images : int
        Number of training digits: the first of an edition, or all of it repeated.
    epochs : int
        Timed epochs; one more goes before them, in which TensorFlow compiles.
    seed : int
        Of the first weights.

    Returns
    -------
    dict
        `digits`, the edition of MNIST; `epoch`, in seconds; `compiling`, the seconds by which the
        first epoch took longer; `loss` on the test digits, in nats a pixel.
    """
    from aehelpers.data import full_mnist_available, load_mnist
    from aehelpers.models import deep_autoencoder
    import numpy as np

    edition = "full" if images > 4_000 and full_mnist_available() else "small"
    digits = load_mnist(edition)
    x = np.resize(digits.x_train, (images, 784))
    model = deep_autoencoder(seed=seed).autoencoder
    train = ENTRIES[entry][0](model, x)
    start = time.perf_counter()
    train(1)
    compiled = time.perf_counter()
    train(epochs)
    epoch = (time.perf_counter() - compiled) / epochs
    return {
        "digits": edition if images <= len(digits.x_train) else f"{edition} repeated",
        "epoch": epoch,
        "compiling": compiled - start - epoch,
        "loss": model.evaluate(digits.x_test, digits.x_test, verbose=0),
    }


def measure_all():
    """Measure every entry in a new process, in rounds: a slow minute of the machine hits all alike.

    Returns
    -------
    dict of (int, str) to list of dict
        By the number of images and the entry, what `measure` returned in each round.
    """
    results = {(images, entry): [] for images in TIMED_EPOCHS for entry in ENTRIES}
    progress = tqdm([(seed, *key) for seed in range(ROUNDS) for key in results])
    for seed, images, entry in progress:
        progress.set_description(f"{entry}, {images:,} images")
        options = [f"--entry={entry}", f"--images={images}", f"--seed={seed}"]
        worker = subprocess.run(
            [sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True, check=True
        )
        results[images, entry].append(json.loads(worker.stdout))
    return results


def summarise(results):
    """Turn what `measure_all` returns into the rows of a table, a list of dict."""

    def middle(images, entry, figure):
        return median(result[figure] for result in results[images, entry])

    rows = []
    for (images, entry), rounds in results.items():
        lower, seconds, upper = quantiles([r["epoch"] for r in rounds], method="inclusive")
        rows.append(
            {
                "images": images,
                "digits": rounds[0]["digits"],
                "entry": entry,
                "epoch (s)": round(seconds, 4),
                "lower quartile": round(lower, 4),
                "upper quartile": round(upper, 4),
                "times the default": round(middle(images, DEFAULT, "epoch") / seconds, 2),
                "compiling (s)": round(middle(images, entry, "compiling"), 1),
                "test loss": round(middle(images, entry, "loss"), 4),
            }
        )
    return rows


def machine():
    """Name what the times depend on: processor, cores and versions, as a dict."""
    cpuinfo = Path("/proc/cpuinfo")  # Linux's, where Python itself knows no name
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    processor = named[1] if named else platform.processor() or platform.machine()
    versions = {name: version(name) for name in ("keras", "tensorflow")}
    return {"processor": processor, "cores": os.cpu_count(), **versions}


def main():
    """Print the measurement that the command line names, or take and summarise all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entry", choices=ENTRIES)
    parser.add_argument("--images", type=int, choices=TIMED_EPOCHS, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.entry:
        os.environ.update(ENTRIES[arguments.entry][1])
        with redirect_stdout(io.StringIO()):  # the data tell which they are
            result = measure(**vars(arguments), epochs=TIMED_EPOCHS[arguments.images])
        print(json.dumps(result))
        return

    rows = summarise(measure_all())
    unfinished = SUMMARY.with_suffix(".unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], *machine()], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | machine() for row in rows)
    os.replace(unfinished, SUMMARY)
    print(tabulate([machine()], "keys"), tabulate(rows, "keys"), sep="\n\n")


if __name__ == "__main__":
    main()
