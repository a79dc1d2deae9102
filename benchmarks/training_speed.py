"""Compare the book's `train` with other ways to train its networks: `make bench`.

Each entry has a process of its own, since libraries read their settings once and not all of them
can be loaded together; with --entry the program is such a process, and prints JSON. Without, it
takes all entries, in rounds, and summarises them in training_speed.csv. All train on the processor.
The entries on JAX load TensorFlow as well, since the package does.
It needs Linux, which keeps a process to a core and says how much memory it has used.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
import csv
from functools import partial
import gc
from importlib.metadata import version
from itertools import count
import json
from math import inf, prod
from multiprocessing import get_context
import os
from pathlib import Path
import platform
from random import Random
import re
from statistics import median, quantiles
import subprocess
import sys
from tempfile import TemporaryDirectory
import time
from typing import NamedTuple

import joblib
from tabulate import tabulate
from tqdm import tqdm

# Whatever imports Keras is imported where it is used, after the environment has been set.

PROGRAM = Path(__file__)
SUMMARY = PROGRAM.with_suffix(".csv")
BATCH_SIZE = 32
FEW, MANY = 4_000, 60_000
ROUNDS = 3


class Case(NamedTuple):
    """What every entry trains, and for how many epochs it is timed in each round."""

    network: str
    images: int
    epochs: int


# The two of the deep network begin a round each: their memory is compared in the book.
CASES = [
    Case("deep", FEW, epochs=10),
    Case("deep", MANY, epochs=2),
    Case("shallow", FEW, epochs=10),
    Case("shallow", MANY, epochs=2),
    Case("convolutional", FEW, epochs=2),
    Case("convolutional", MANY, epochs=1),
]

# The ways to train. Each takes the name of a network, images of shape (n, 784) and a seed, and
# returns two functions: one trains for a number of epochs, the other takes images and returns the
# loss in nats a pixel. A way that is not made for so many images returns None.


def keras_model(network, seed):
    from aehelpers import models

    return getattr(models, f"{network}_autoencoder")(seed=seed).autoencoder


def keras_loss(model):
    return lambda images: model.evaluate(images, images, verbose=0)


def book(network, x, seed):
    from aehelpers.training import train

    model, seeds = keras_model(network, seed), count()
    return (
        lambda epochs: train(model, x, epochs=epochs, seed=next(seeds), batch_size=BATCH_SIZE),
        keras_loss(model),
    )


def fit(network, x, seed, **settings):
    model = keras_model(network, seed)
    model.compile(optimizer="adam", loss="binary_crossentropy", **settings)
    return (
        lambda epochs: model.fit(x, x, batch_size=BATCH_SIZE, epochs=epochs, verbose=0),
        keras_loss(model),
    )


def fit_pipeline(network, x, seed):
    import tensorflow as tf

    model = keras_model(network, seed)
    batches = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x)).batch(BATCH_SIZE)
    batches = batches.map(lambda batch: (batch, batch)).prefetch(tf.data.AUTOTUNE)
    return (
        lambda epochs: model.fit(batches, epochs=epochs, shuffle=False, verbose=0),
        keras_loss(model),
    )


def own_loop(network, x, seed):
    import keras
    import numpy as np
    import tensorflow as tf

    model, optimizer = keras_model(network, seed), keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    images, rng = tf.constant(x), np.random.default_rng(seed)

    @tf.function(jit_compile=True)
    def train_batch(batch):  # returns the loss, since an epoch ends with its mean, as in `fit`
        with tf.GradientTape() as tape:
            reconstruction = model(batch, training=True)
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(batch, reconstruction))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    @tf.function
    def epoch(order):  # shape (updates, batch size)
        total = 0.0
        for update in tf.range(len(order)):
            total += train_batch(tf.gather(images, order[update]))
        return total / tf.cast(len(order), tf.float32)

    def train(epochs):
        for _ in range(epochs):
            epoch(tf.constant(rng.permutation(len(x)).reshape(-1, BATCH_SIZE))).numpy()

    return train, keras_loss(model)


def jax_scan(network, x, seed):
    """Keras' layers and optimizer on JAX, without `fit`: an epoch is one compiled scan."""
    import jax
    import keras
    import numpy as np

    model, optimizer = keras_model(network, seed), keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    rng, fixed = np.random.default_rng(seed), [v.value for v in model.non_trainable_variables]

    def loss(weights, batch):
        reconstruction, _ = model.stateless_call(weights, fixed, batch, training=True)
        return keras.losses.binary_crossentropy(batch, reconstruction).mean()

    def epoch(state, images, order):
        def step(state, batch):
            value, gradients = jax.value_and_grad(loss)(state[0], images[batch])
            return optimizer.stateless_apply(state[1], gradients, state[0]), value

        state, losses = jax.lax.scan(step, state, order)
        return state, losses.mean()

    images, epoch = jax.numpy.asarray(x), jax.jit(epoch, donate_argnums=0)

    def train(epochs):
        parts = model.trainable_variables, optimizer.variables
        state = tuple([variable.value for variable in part] for part in parts)
        for _ in range(epochs):
            order = rng.permutation(len(x)).reshape(-1, BATCH_SIZE)
            state, mean = epoch(state, images, order)
            float(mean)  # waits for the epoch, as a loop does that prints its loss
        for part, values in zip(parts, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)

    return train, keras_loss(model)


def torch_loop(network, x, seed):
    """PyTorch step by step, but no DataLoader, and all of Adam in one fused operation."""
    import torch

    model, images = torch_model(network, seed), torch.from_numpy(x)
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7, fused=True)

    def train(epochs):
        for _ in range(epochs):
            for batch in torch.randperm(len(images)).split(BATCH_SIZE):
                torch_step(model, optimizer, images[batch])

    return train, torch_loss(model)


def torch_loader(network, x, seed):
    """PyTorch as its tutorials write it."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    model = torch_model(network, seed)
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7)
    batches = DataLoader(TensorDataset(torch.from_numpy(x)), BATCH_SIZE, shuffle=True)

    def train(epochs):
        for _ in range(epochs):
            for (batch,) in batches:
                torch_step(model, optimizer, batch)

    return train, torch_loss(model)


def torch_model(network, seed):
    from torch import manual_seed, nn

    manual_seed(seed)
    halves = {
        "deep": [
            *(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU()),
            *(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784)),
        ],
        "shallow": [nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784)],
        "convolutional": [
            nn.Unflatten(1, (1, 28, 28)),
            *(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(7 * 7 * 32, 32), nn.ReLU()),
            *(nn.Linear(32, 7 * 7 * 32), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))),
            *(nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 1, 3, 2, 1, 1), nn.Flatten()),
        ],
    }
    model = nn.Sequential(*halves[network], nn.Sigmoid())
    for weights in model.parameters():  # as Keras begins
        nn.init.xavier_uniform_(weights) if weights.ndim > 1 else nn.init.zeros_(weights)
    return model


def torch_step(model, optimizer, batch):
    from torch.nn import functional

    optimizer.zero_grad()
    functional.binary_cross_entropy(model(batch), batch).backward()
    optimizer.step()


def torch_loss(model):
    import torch

    def loss(images):
        images = torch.from_numpy(images)
        with torch.no_grad():
            return torch.nn.functional.binary_cross_entropy(model(images), images).item()

    return loss


def product_shapes(model):
    """Find the matrix products with which a network's layers begin.

    A convolution is the product of its kernel and of what the kernel sees from every position; a
    transposed one is the same backwards. What it costs to lay the positions out is left out.

    Parameters
    ----------
    model : keras.Model
        Its layers may be models.

    Returns
    -------
    list of (int, int, int)
        Of each layer that has a kernel: rows an image, inputs and outputs of each row.
    """
    shapes = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            shapes += product_shapes(layer)
        elif type(layer).__name__ == "Conv2DTranspose":
            *window, outputs, inputs = layer.kernel.shape
            shapes.append((prod(layer.input.shape[1:-1]), inputs, prod(window) * outputs))
        elif hasattr(layer, "kernel"):
            *window, inputs, outputs = layer.kernel.shape
            shapes.append((prod(layer.output.shape[1:-1]), prod(window) * inputs, outputs))
    return shapes


def products(network, x, seed):
    """No training: the matrix products of its updates, alone.

    They are the same in every update, so it is enough to time them with few images.
    """
    import numpy as np

    if len(x) > FEW:
        return None
    shapes = [(BATCH_SIZE * n, *shape) for n, *shape in product_shapes(keras_model(network, seed))]
    inputs = [np.ones((rows, of), np.float32) for rows, of, _ in shapes]
    kernels = [np.ones((of, to), np.float32) for _, of, to in shapes]
    outputs = [np.ones((rows, to), np.float32) for rows, _, to in shapes]
    of_inputs, of_kernels, of_outputs = (
        [np.empty_like(array) for array in arrays] for arrays in (inputs, kernels, outputs)
    )

    def step():
        for i, kernel in enumerate(kernels):
            np.matmul(inputs[i], kernel, out=of_outputs[i])
            np.matmul(inputs[i].T, outputs[i], out=of_kernels[i])
            if i:  # no gradient is needed of the images
                np.matmul(outputs[i], kernel.T, out=of_inputs[i])

    return _repeated(step, x), None


def products_and_adam(network, x, seed):
    """A yardstick of what an update takes: its matrix products, and Adam's reads and writes."""
    import numpy as np

    part = products(network, x, seed)
    if part is None:
        return None
    size = keras_model(network, seed).count_params()
    weights, gradients, first, second = np.ones((4, size), np.float32)

    def adam():  # reads all four arrays, and writes three
        np.add(weights, gradients, out=weights)
        np.negative(first, out=first)
        np.negative(second, out=second)

    repeat, (multiply, _) = _repeated(adam, x), part
    return lambda epochs: (multiply(epochs), repeat(epochs)), None


def updates(images):
    """Count the updates of an epoch, the last of which may be of a smaller batch."""
    return -(-images // BATCH_SIZE)


def _repeated(step, x):
    def run(epochs):
        for _ in range(epochs * updates(len(x))):
            step()

    return run


# Where the package differs from the libraries' own settings, all but the book take theirs. For
# networks this small one core can be faster than all, so each may try both. An entry on one core
# may use no other: some libraries start threads whatever they are told.
TENSORFLOW = {"KERAS_BACKEND": "tensorflow"}
JAX = {"KERAS_BACKEND": "jax"}
ALL_CORES = {
    "TF_NUM_INTRAOP_THREADS": "0",
    "TF_NUM_INTEROP_THREADS": "0",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
}
ONE_CORE = ALL_CORES | {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",  # PyTorch's
    "OPENBLAS_NUM_THREADS": "1",  # NumPy's
    "NPROC": "1",  # JAX'
}

# Each entry is a way to train and the environment variables that it runs with.
ENTRIES = {"book": (book, TENSORFLOW)}
for _name, _way, _settings in [
    ("fit", fit, TENSORFLOW),
    ("fit pipeline", fit_pipeline, TENSORFLOW),
    ("fit jit 125 steps", partial(fit, jit_compile=True, steps_per_execution=125), TENSORFLOW),
    ("own loop jit", own_loop, TENSORFLOW),
    ("JAX fit", fit, JAX),
    ("JAX fit 125 steps", partial(fit, steps_per_execution=125), JAX),
    ("JAX scan", jax_scan, JAX),
    ("PyTorch", torch_loop, {}),
    ("PyTorch DataLoader", torch_loader, {}),
    ("products", products, TENSORFLOW),
    ("products and Adam", products_and_adam, TENSORFLOW),
]:
    ENTRIES[f"{_name} on all cores"] = _way, ALL_CORES | _settings
    ENTRIES[f"{_name} on one core"] = _way, ONE_CORE | _settings
DEFAULT = "fit on all cores"  # what one gets without choosing anything
FLOORS = ["products and Adam on all cores", "products and Adam on one core"]  # the faster counts


def environment(entry):
    """Put together the environment variables of an entry; of settings it has its own alone."""
    ours = os.environ.keys() - ONE_CORE.keys()
    return {name: os.environ[name] for name in ours} | ENTRIES[entry][1]


def use_cores(part):
    """Keep this process to a part, a slice, of the cores that it has."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[part])


def cases_of_round(number):
    """List the cases as a round takes them: in each another begins."""
    begins = number % len(CASES)
    return CASES[begins:] + CASES[:begins]


def save_digits(folder):
    """Save the images that the cases train on, and their test images, as arrays in a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict of int to str
        By the number of images, which edition of MNIST they are from. Where the whole of it is not
        at hand, the small edition is repeated.
    """
    from aehelpers.data import full_mnist_available, load_mnist
    import numpy as np

    editions = {}
    for images in {case.images for case in CASES}:
        edition = "full" if images > FEW and full_mnist_available() else "small"
        digits = load_mnist(edition)
        np.save(folder / f"{images}.npy", np.resize(digits.x_train, (images, 784)))
        np.save(folder / f"{images} test.npy", digits.x_test)
        editions[images] = edition if images <= len(digits.x_train) else f"{edition} repeated"
    return editions


def measure(entry, case, seed, folder):
    """Train a network once, in this process and its environment.

    Parameters
    ----------
    entry : str
        One of `ENTRIES`.
    case : Case
        One epoch more than is timed goes before, in which the libraries compile.
    seed : int
        Of the first weights.
    folder : Path
        Where `save_digits` has put the images.

    Returns
    -------
    dict or None
        `epoch`, in seconds; `compiling`, the seconds by which the first epoch took longer; `loss`
        on the test digits, in nats a pixel, or None if nothing was trained; `memory`, the most that
        the process has used meanwhile, in MiB, with what earlier cases have left. None if the entry
        is not made for so many images.
    """
    import numpy as np

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of memory until now
    x, x_test = (np.load(folder / f"{name}.npy") for name in (case.images, f"{case.images} test"))
    prepared = ENTRIES[entry][0](case.network, x, seed)
    if prepared is None:
        return None
    train, loss = prepared
    start = time.perf_counter()
    train(1)
    compiled = time.perf_counter()
    train(case.epochs)
    epoch, memory = (time.perf_counter() - compiled) / case.epochs, peak_memory()
    return {
        "epoch": epoch,
        "compiling": compiled - start - epoch,
        "loss": loss and loss(x_test),
        "memory": memory,
    }


def peak_memory():
    """Find the most memory that this process has used since that was last forgotten, in MiB."""
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1024


def run(entry, seed, folder):
    """Measure the cases of a round in a new process, which has the settings of an entry.

    Parameters
    ----------
    entry : str
        One of `ENTRIES`.
    seed : int
        The number of the round, too.
    folder : Path
        Where `save_digits` has put the images.

    Returns
    -------
    list of (Case, dict or None)
        What `measure` has returned of each.
    """
    settings = environment(entry)  # made here, since NumPy reads some as soon as it is imported
    cores = slice(1) if settings.get("NPROC") == "1" else slice(None)
    worker = subprocess.run(
        [sys.executable, PROGRAM, f"--entry={entry}", f"--seed={seed}", f"--folder={folder}"],
        env=settings,
        preexec_fn=lambda: use_cores(cores),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return list(zip(cases_of_round(seed), json.loads(worker.stdout), strict=True))


def measure_all():
    """Measure all entries in rounds, each in an order of its own: slow minutes hit now one of them,
    now another, and the medians leave them out.

    Returns
    -------
    dict of (Case, str) to list of dict
        By the case and the entry, what `measure` returned in each round, with the edition as
        `digits`.
    """
    results = {(case, entry): [] for case in CASES for entry in ENTRIES}
    plan = []
    for seed in range(ROUNDS):
        plan += [(seed, entry) for entry in Random(seed).sample(list(ENTRIES), len(ENTRIES))]
    progress = tqdm(plan)
    with TemporaryDirectory() as folder:
        # A process of its own, since the package changes the environment, which others inherit.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            editions = pool.submit(save_digits, Path(folder)).result()
        for seed, entry in progress:
            progress.set_description(entry)
            for case, result in run(entry, seed, folder):
                if result:
                    result["digits"] = editions[case.images]
                    results[case, entry].append(result)
    return {key: rounds for key, rounds in results.items() if rounds}


def summarise(results):
    """Turn what `measure_all` returns into the rows of a table, a list of dict."""

    def middle(case, entry, figure):
        rounds = results.get((case, entry), [{figure: None}])
        return None if rounds[0][figure] is None else median(r[figure] for r in rounds)

    def ratio(numerator, denominator):
        return numerator and round(numerator / denominator, 2)

    floors = {}  # by the network, of an update
    for case, entry in results:
        if entry in FLOORS:
            found = middle(case, entry, "epoch") / updates(case.images)
            floors[case.network] = min(found, floors.get(case.network, inf))
    rows = []
    for (case, entry), rounds in results.items():
        lower, seconds, upper = quantiles([r["epoch"] for r in rounds], method="inclusive")
        loss = middle(case, entry, "loss")
        floor = floors.get(case.network)
        rows.append(
            {
                "network": case.network,
                "images": case.images,
                "digits": rounds[0]["digits"],
                "entry": entry,
                "epoch (s)": round(seconds, 4),
                "lower quartile": round(lower, 4),
                "upper quartile": round(upper, 4),
                "times the default": ratio(middle(case, DEFAULT, "epoch"), seconds),
                "times the floor": floor and ratio(seconds, floor * updates(case.images)),
                "compiling (s)": round(middle(case, entry, "compiling"), 1),
                "test loss": loss and round(loss, 4),
                # The least, which is that of the round in which the case was first, if one was.
                "memory (MiB)": round(min(r["memory"] for r in rounds)),
            }
        )
    return rows


def machine(*libraries):
    """Name what the times depend on: processor, cores and the libraries' versions, as a dict."""
    text = Path("/proc/cpuinfo").read_text()
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    processor = named[1] if named else platform.machine()
    versions = {name: version(name) for name in libraries}
    cores, physical = (joblib.cpu_count(only_physical_cores=only) for only in (False, True))
    return {"processor": processor, "cores": cores, "physical cores": physical, **versions}


def write_summary(rows, described, path):
    """Write a table as a whole or not at all.

    Parameters
    ----------
    rows : list of dict
        With the same columns.
    described : dict
        From `machine`: further columns, the same in all rows.
    path : Path
        Of the CSV file.
    """
    # As tools/files.py does; but a benchmark needs no more than the package and this folder.
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0], *described], lineterminator="\n")
            writer.writeheader()
            writer.writerows(row | described for row in rows)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def main():
    """Print the measurement that the command line names, or take and summarise all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entry", choices=ENTRIES)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.entry:
        if arguments.seed is None or arguments.folder is None:
            parser.error("--entry needs --seed and --folder")
        with redirect_stdout(sys.stderr):  # whatever libraries have to say
            cases = cases_of_round(arguments.seed)
            result = [measure(case=case, **vars(arguments)) for case in cases]
        print(json.dumps(result))
        return

    rows = summarise(measure_all())
    described = machine("keras", "tensorflow", "jax", "torch")
    write_summary(rows, described, SUMMARY)
    print(tabulate([described], "keys"), tabulate(rows, "keys"), sep="\n\n")


if __name__ == "__main__":
    main()
