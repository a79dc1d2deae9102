"""Compare what a sweep takes on one core, on all, and on a Dask cluster on this machine.

Prints the table and writes it to sweep_speed.csv. Each sweep has a process of its own; with
--epochs the program is such a process, and prints the seconds that the call of `sweep` took. What
the cores can give at all is seen by programs that know nothing of each other: each has a core and
its share of the seeds, and has loaded all libraries before its clock starts.
"""

import argparse
from contextlib import contextmanager, redirect_stdout
from math import prod
import os
from pathlib import Path
from random import Random
from statistics import median, quantiles
import subprocess
import sys
from tempfile import TemporaryDirectory
import time

from distributed import Client
import joblib
from tabulate import tabulate
from tqdm import tqdm
from training_speed import machine, use_cores, write_summary

SUMMARY = Path(__file__).with_suffix(".csv")
ROUNDS = 5
GRID = {"code_size": [8, 32], "penalty": [0, 1e-3]}
EPOCHS = [30, 150]
ALL = joblib.cpu_count()
SEEDS = 2 * ALL  # as many for each core
# What runs the sweep, and in how many processes that train.
WAYS = {"one core": 1, "all cores": ALL, "Dask": ALL, "programs apart": ALL}


def time_sweep(epochs, seeds, scheduler):
    """Run the chapter's sweep over a smaller grid.

    Parameters
    ----------
    epochs : int
        How long each run trains.
    seeds : int
        How many.
    scheduler : str or None
        As `sweep` takes it.

    Returns
    -------
    float
        Seconds, compilation and the processes that the sweep starts itself included.
    """
    from aehelpers.data import load_mnist
    from aehelpers.metrics import bce
    from aehelpers.models import shallow_autoencoder
    from aehelpers.sweep import sweep
    from aehelpers.training import train
    from keras.regularizers import L1
    import numpy as np

    digits = load_mnist("small")

    def measure(code_size, penalty, seed):
        model = shallow_autoencoder(code_size, seed=seed, code_penalty=L1(penalty)).autoencoder
        train(model, digits.x_train, epochs=epochs, seed=seed)
        return {"loss": bce(digits.x_test, np.asarray(model(digits.x_test))).mean()}

    start = time.perf_counter()
    sweep(measure, GRID, range(seeds), scheduler=scheduler)
    return time.perf_counter() - start


@contextmanager
def cluster(workers, threads):
    """Start a Dask scheduler and workers on this machine, which find what this process can import.

    Parameters
    ----------
    workers : int
        How many processes.
    threads : int
        Threads of each.

    Yields
    ------
    address : str
        The scheduler's.
    workers : list of subprocess.Popen
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "scheduler.json")

        def start(*arguments):
            command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", file]
            return subprocess.Popen(
                [*command, "--no-dashboard"],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
        worker = ["worker", "--nthreads", str(threads), "--no-nanny", "--local-directory", folder]
        try:
            processes += [start(*worker) for _ in range(workers)]
            with Client(scheduler_file=str(file), timeout=60) as client:
                client.wait_for_workers(workers, timeout=60)
                address = client.scheduler.address
            yield address, processes[1:]
        finally:
            for process in processes:
                process.kill()
                process.wait()


def run(way, epochs):
    """Time a sweep in a process of its own.

    Parameters
    ----------
    way : str
        A key of `WAYS`.
    epochs : int
        How long each run trains.

    Returns
    -------
    float
        Seconds.
    """
    if way == "Dask":
        with cluster(ALL, threads=1) as (scheduler, _):
            return seconds_of([start(epochs, SEEDS, slice(ALL), "--scheduler", scheduler)])
    if way == "programs apart":
        cores = [slice(core, core + 1) for core in range(ALL)]
        return seconds_of([start(epochs, SEEDS // ALL, core) for core in cores])
    return seconds_of([start(epochs, SEEDS, slice(WAYS[way]))])


def start(epochs, seeds, cores, *options):
    """Start this program to time a sweep on some of the cores, and return its process."""
    numbers = [f"--epochs={epochs}", f"--seeds={seeds}"]
    return subprocess.Popen(
        [sys.executable, __file__, *numbers, *options],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: use_cores(cores),
    )


def seconds_of(processes):
    """Wait for processes, and return the most seconds that one of them has printed."""
    outputs = [process.communicate()[0] for process in processes]
    for process in processes:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
    return max(map(float, outputs))


def summarise(seconds):
    """Put measured times into the rows of the table.

    Parameters
    ----------
    seconds : dict of (int, str) to list of float
        Epochs and way, and how long the rounds took.

    Returns
    -------
    list of dict
    """
    grid = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in GRID.items())
    rows = []
    for (epochs, way), taken in seconds.items():
        lower, middle, upper = quantiles(taken, method="inclusive")
        rows.append(
            {
                "epochs": epochs,
                "way": way,
                "processes": WAYS[way],
                "grid": grid,
                "seeds": SEEDS,
                "runs": prod(map(len, GRID.values())) * SEEDS,
                "rounds": len(taken),
                "seconds": round(middle, 1),
                "lower quartile": round(lower, 1),
                "upper quartile": round(upper, 1),
                "times one core": round(median(seconds[epochs, "one core"]) / middle, 2),
            }
        )
    return rows


def main():
    """Print the seconds of the sweep that the command line names, or measure all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--scheduler")
    arguments = parser.parse_args()
    if arguments.epochs:
        with redirect_stdout(sys.stderr):  # whatever libraries have to say
            seconds = time_sweep(**vars(arguments))
        print(seconds)
        return

    seconds = {(epochs, way): [] for epochs in EPOCHS for way in WAYS}
    # Each round in an order of its own: slow minutes hit now one way, now another.
    plan = [turn for i in range(ROUNDS) for turn in Random(i).sample(list(seconds), len(seconds))]
    for epochs, way in tqdm(plan):
        seconds[epochs, way].append(run(way, epochs))
    rows, described = summarise(seconds), machine("keras", "tensorflow", "joblib", "distributed")
    write_summary(rows, described, SUMMARY)
    print(tabulate(rows, "keys"))


if __name__ == "__main__":
    main()
