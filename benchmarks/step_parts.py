"""Measure which parts of a training step take its time: `make bench`.

Trains the deep network of the chapters in compiled loops that do ever more of a step: they take the
batches, then also reconstruct them, then also find the gradients and follow them, then leave that
to Adam. The last is the book's `train`, which adds Keras. What a part takes is what its loop takes
more than the one before in the same round. Prints the table and writes it to step_parts.csv.
"""

from pathlib import Path
from statistics import median, quantiles

from aehelpers.data import load_mnist
from aehelpers.models import deep_autoencoder
from growth import in_turn, measure
import keras
import numpy as np
from tabulate import tabulate
import tensorflow as tf
from training_speed import BATCH_SIZE, machine, write_summary

SUMMARY = Path(__file__).with_suffix(".csv")
ROUNDS = 9
EPOCHS = 10


def batches(_):
    """Take the batches, and read each number of them."""
    return tf.reduce_mean


def reconstruct(model):
    """Reconstruct the batches, and take the loss."""
    return lambda batch: model.compute_loss(batch, batch, model(batch, training=True))


def descend(model):
    """Find the gradients too, and take a plain step along them."""
    return _follow(model, keras.optimizers.SGD())


def adapt(model):
    """Leave the step to Adam."""
    return _follow(model, keras.optimizers.Adam())


def _follow(model, optimizer):
    optimizer.build(model.trainable_variables)
    loss_of = reconstruct(model)

    def update(batch):
        with tf.GradientTape() as tape:
            loss = loss_of(batch)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return update


def compiled_loop(part, model, x):
    """Do a part of each step of an epoch, the whole of it one compiled loop.

    Parameters
    ----------
    part : callable
        Takes the model; returns a function from a batch of images to a number.
    model : keras.Model
    x : array, shape (n, 784)
        Whole batches of `BATCH_SIZE`.

    Returns
    -------
    callable
        Takes a number of epochs and returns the mean of the numbers of the last one. The images
        have another order in each.
    """
    of_batch, images, rng = part(model), tf.constant(x), np.random.default_rng(0)

    @tf.function(jit_compile=True)
    def epoch(order):
        total = 0.0
        for step in tf.range(len(order)):
            total += of_batch(tf.gather(images, order[step]))
        return total / len(order)

    def run(epochs):
        for _ in range(epochs):
            order = rng.permutation(len(x)).reshape(-1, BATCH_SIZE).astype(np.int32)
            mean = epoch(tf.constant(order)).numpy()
        return mean

    return run


def summarise(seconds):
    """Turn what `measure` returns into the rows of a table, a list of dict."""
    rows, before = [], [0] * ROUNDS
    for name, rounds in seconds.items():
        more = [now - then for now, then in zip(rounds, before, strict=True)]
        lower, middle, upper = quantiles(more, method="inclusive")
        rows.append(
            {
                "loop": name,
                "epoch (s)": round(median(rounds), 4),
                "more than before (s)": round(middle, 4),
                "lower quartile": round(lower, 4),
                "upper quartile": round(upper, 4),
            }
        )
        before = rounds
    return rows


def main():
    """Measure, print and store what the parts take."""
    x = load_mnist("small").x_train
    parts = {
        "batches": batches,
        "loss": reconstruct,
        "gradients": descend,
        "Adam": adapt,
    }
    runs = {
        name: compiled_loop(part, deep_autoencoder(seed=0).autoencoder, x)
        for name, part in parts.items()
    }
    runs["train"] = in_turn([deep_autoencoder(seed=0)], x)
    rows = summarise(measure({name: (run, EPOCHS) for name, run in runs.items()}, ROUNDS))
    write_summary(rows, machine("keras", "tensorflow"), SUMMARY)
    print(tabulate(rows, "keys"))


if __name__ == "__main__":
    main()
