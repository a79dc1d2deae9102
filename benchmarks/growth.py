"""Measure how the time of an epoch grows with what is trained: `make bench`.

Takes the deep network of the chapters, 784-128-32-128-784, and varies one thing at a time: the
number of images, the width of its hidden layers, its code size, and how many such networks there
are, trained by the book's `train` in turn or all of them together in one compiled loop; the number
also of narrow networks, which take a quarter of the memory. Prints the table and writes it to
growth.csv. The images are the small edition's digits, repeated where there are more.
"""

from itertools import count
from pathlib import Path
from statistics import median, quantiles
import time

from aehelpers.data import load_mnist
from aehelpers.models import dense_autoencoder
from aehelpers.training import train
import keras
import numpy as np
from tabulate import tabulate
import tensorflow as tf
from tqdm import tqdm
from training_speed import BATCH_SIZE, machine, write_summary

SUMMARY = Path(__file__).with_suffix(".csv")
ROUNDS = 5
USUAL = {"images": 4_000, "width": 128, "code size": 32, "networks": 1}
VARIED = {
    "images": [1_000, 4_000, 16_000, 60_000],
    "width": [32, 128, 512, 2048],
    "code size": [2, 8, 32, 128, 512],
    "networks": [1, 2, 4, 8],
    "narrow networks": [1, 2, 4, 8],
}
NARROW = 32  # the width of a narrow network


def networks(number, width=USUAL["width"], code_size=USUAL["code size"]):
    """Build networks of one shape, with the seeds 0, 1, ..., a list of `Autoencoder`."""
    return [dense_autoencoder((width,), code_size, seed=seed) for seed in range(number)]


def in_turn(built, x):
    """Train networks one after another, by the book's `train`.

    Parameters
    ----------
    built : list of Autoencoder
    x : array, shape (n, 784)

    Returns
    -------
    callable
        Takes a number of epochs, for which it trains every network.
    """
    seeds = count()

    def run(epochs):
        for network in built:
            train(network.autoencoder, x, epochs=epochs, seed=next(seeds), batch_size=BATCH_SIZE)

    return run


def together(built, x):
    """Train networks of one shape side by side: an epoch of all is one compiled loop.

    Their weights are stacked, so each layer multiplies a stack of matrices. Each network has an
    order of the images of its own, as if it were trained alone.

    Parameters
    ----------
    built : list of Autoencoder
        Of dense layers, whose activations are ReLU and at the end a sigmoid.
    x : array, shape (n, 784)
        Whole batches of `BATCH_SIZE`.

    Returns
    -------
    callable
        Takes a number of epochs, for which it trains every network.
    """
    models, images = [network.autoencoder for network in built], tf.constant(x)
    # The variables of one place in all models, as one: shape (networks, inputs, outputs) or
    # (networks, 1, outputs).
    stacked = []
    for variables in zip(*(model.trainable_variables for model in models), strict=True):
        value = np.stack([variable.numpy() for variable in variables])
        stacked.append(keras.Variable(value if value.ndim > 2 else value[:, None]))
    optimizer = keras.optimizers.Adam()
    optimizer.build(stacked)
    rng = np.random.default_rng(0)

    def losses(batch):  # shape (networks, images, 784); the gradient of a sum is that of each part
        output = batch
        for i in range(0, len(stacked), 2):
            output = output @ stacked[i].value + stacked[i + 1].value
            output = tf.nn.relu(output) if i + 2 < len(stacked) else output
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(batch, output)
        return tf.reduce_mean(entropy, axis=(1, 2))

    @tf.function(jit_compile=True)
    def epoch(order):
        total = tf.zeros(len(built))
        for step in tf.range(len(order)):
            with tf.GradientTape() as tape:
                of_batch = losses(tf.gather(images, order[step]))
            gradients = tape.gradient(of_batch, [variable.value for variable in stacked])
            optimizer.apply(gradients, stacked)
            total += of_batch
        return total / len(order)

    def run(epochs):
        for _ in range(epochs):
            orders = [rng.permutation(len(x)).reshape(-1, BATCH_SIZE) for _ in built]
            epoch(tf.constant(np.stack(orders, axis=1).astype(np.int32))).numpy()
        for values, *variables in zip(
            stacked, *(model.trainable_variables for model in models), strict=True
        ):
            for variable, value in zip(variables, values.numpy(), strict=True):
                variable.assign(value.reshape(variable.shape))

    return run


def cases():
    """Prepare what is timed.

    Returns
    -------
    dict of (str, int, str) to (callable, int)
        By what is varied, its value and how the networks are trained: what trains them, and for how
        many epochs it is timed.
    """
    digits = load_mnist("small").x_train
    prepared = {}
    for varied, values in VARIED.items():
        for value in values:
            setting = USUAL | {varied: value}
            if varied == "narrow networks":
                setting |= {"networks": value, "width": NARROW}
            x = np.resize(digits, (setting["images"], 784))
            for way in (in_turn, together) if "networks" in varied else (in_turn,):
                built = networks(setting["networks"], setting["width"], setting["code size"])
                size = setting["images"] * setting["width"]
                # Several epochs each time, so that what `train` does once a call hardly counts.
                epochs = max(4, 10 * USUAL["images"] * USUAL["width"] // size)
                prepared[varied, value, way.__name__.replace("_", " ")] = way(built, x), epochs
    return prepared


def measure(prepared, rounds=ROUNDS):
    """Time all cases in rounds: a slow minute of the machine hits all alike.

    Parameters
    ----------
    prepared : dict
        As from `cases`. Each is trained for an epoch first, in which it compiles.
    rounds : int

    Returns
    -------
    dict of (str, int, str) to list of float
        Seconds an epoch of all networks in each round.
    """
    for run, _ in tqdm(prepared.values(), "compiling"):
        run(1)
    seconds = {case: [] for case in prepared}
    for _ in tqdm(range(rounds), "timing"):
        for case, (run, epochs) in prepared.items():
            start = time.perf_counter()
            run(epochs)
            seconds[case].append((time.perf_counter() - start) / epochs)
    return seconds


def summarise(seconds):
    """Turn what `measure` returns into the rows of a table, a list of dict."""
    rows = []
    for (varied, value, way), rounds in seconds.items():
        number = value if "networks" in varied else USUAL["networks"]
        lower, _, upper = quantiles(rounds, method="inclusive")
        rows.append(
            {
                "varied": varied,
                "value": value,
                "way": way,
                "epoch of a network (s)": round(median(rounds) / number, 4),
                "lower quartile": round(lower / number, 4),
                "upper quartile": round(upper / number, 4),
            }
        )
    return rows


def main():
    """Measure, print and store all cases."""
    rows = summarise(measure(cases()))
    write_summary(rows, machine("keras", "tensorflow"), SUMMARY)
    print(tabulate(rows, "keys"))


if __name__ == "__main__":
    main()
