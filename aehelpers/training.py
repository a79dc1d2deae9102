"""Training through Keras' own `fit`, with a whole epoch in one compiled step."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
import json
import random
from threading import RLock
from types import FunctionType
import warnings

from aehelpers.checks import check_numbers, check_positive, check_seed
from aehelpers.progress import Progress
import keras
import numpy as np
import tensorflow as tf

_compiled = {}  # network without its weights and names -> _CompiledEpoch


def train(
    model,
    x,
    y=None,
    *,
    epochs,
    seed,
    batch_size=32,
    corrupt=None,
    validation_data=None,
    callbacks=(),
):
    """Train a compiled model with Keras' `fit`, small dense ones many times as fast as `fit` alone.

    `fit` calls the compiled training step once a batch; for networks as small as ours most of the
    time goes into these calls. Here one call runs Keras' own training step over all batches of an
    epoch. XLA compiles all of it or, if there are convolutions, which it would slow down in its
    loop, the single step; layers that do not support it are left to TensorFlow. The weights equal
    those of `fit` over the same batches, the short last one included, after
    ``compile(jit_compile=True)``. Models that differ only in their weights share one compilation.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential, compiled, with one input and one output.
    x : array, shape (n, ...)
        Inputs, finite; turned into float32.
    y : array, shape (n, ...), optional
        Targets, finite; without them the inputs (uncorrupted) are the targets. A binary
        cross-entropy wants them in [0, 1].
    epochs : int
        How many times to go through the data.
    seed : int
        Seed of the order of the images, new in each epoch, and of the generator that `corrupt`
        gets.
    batch_size : int
        Images in a batch; the last batch of an epoch holds what is left.
    corrupt : callable, optional
        Called as ``corrupt(x, rng)`` for each epoch, `x` being read-only and `rng` a
        `numpy.random.Generator`; its result, of the shape of `x`, is the input of that epoch. Runs
        in a thread of its own, while the epoch before trains.
    validation_data : tuple of two arrays, optional
        Inputs and targets whose loss is measured after each epoch.
    callbacks : sequence of keras.callbacks.Callback
        Batch callbacks are called once an epoch.

    Returns
    -------
    keras.callbacks.History
        As from `fit`; ``history.history["loss"]`` has one value an epoch.

    Raises
    ------
    TypeError
        If `model` is not a functional or sequential model with one input and one output, compiled
        with an optimizer and not with several losses, `corrupt` no function, or `callbacks` no
        callbacks.
    ValueError
        If an argument has a wrong shape, is empty, not finite or out of range; names it. Also
        Keras' own, if the model has no loss at all or a weight that its optimizer does not know.
    RuntimeError
        If another thread trains a model that differs only in its weights.
    FloatingPointError
        If a loss or metric stops being finite; names the epoch.
    """
    _check_model(model)
    epochs = check_positive("epochs", epochs)
    batch_size = check_positive("batch_size", batch_size)
    seed = check_seed(seed)
    if corrupt is not None and not callable(corrupt):
        raise TypeError(f"corrupt: expected a function of images and a generator, got {corrupt!r}")
    if not isinstance(callbacks, list | tuple) or not all(
        isinstance(callback, keras.callbacks.Callback) for callback in callbacks
    ):
        raise TypeError(f"callbacks: expected a sequence of Keras' callbacks, got {callbacks!r}")
    x = _checked_array("x", x, model.input_shape)
    same = y is None
    y = _checked_targets("y, for which x is taken" if same else "y", x if same else y, x, model)
    held_out = None
    if validation_data is not None:
        held_out = _checked_validation(validation_data, model)

    order_rng, corruption_rng = np.random.default_rng(seed).spawn(2)
    inputs = None if corrupt else tf.constant(x)
    # Without targets of their own, each batch of images is gathered once instead of twice.
    targets = None if same and not corrupt else tf.constant(y)
    compiled = _compiled_epoch(model, batch_size)
    progress = Progress(epochs, "epoch")
    clean = x.view()
    clean.flags.writeable = False  # a corruption in place would spoil the reader's own images

    watched = bool(callbacks)
    with ThreadPoolExecutor(1) as pool, progress, compiled.training(model, watched):

        def draw():
            # The next epoch's corruption is drawn on another core while this epoch trains. It is
            # copied there, too: a function may return the same array each time.
            return pool.submit(
                lambda: tf.constant(_checked_corruption(corrupt(clean, corruption_rng), x))
            )

        def draws():
            upcoming = draw()
            for _ in range(epochs - 1):
                drawn = upcoming.result()
                upcoming = draw()
                yield drawn
            yield upcoming.result()

        corrupted = draws()

        def train_epoch(_):
            epoch_inputs = next(corrupted) if corrupt else inputs
            order = tf.constant(order_rng.permutation(len(x)).astype(np.int32))
            return compiled.train(model, epoch_inputs, targets, order, watched)

        validate = [_Validate(compiled, held_out, watched)] if held_out else []
        # `fit` keeps the books: of its data it only ever sees one image, so that it takes one
        # step an epoch, and calls this function for the step.
        model.train_function = train_epoch
        history = model.fit(
            _one_image_for_ever(x, y),
            epochs=epochs,
            steps_per_epoch=1,
            shuffle=False,
            verbose=0,
            callbacks=[*validate, _StopWhenNotFinite(), *callbacks, _Report(progress, epochs)],
        )
    if not watched:
        # `fit` did this to the weights of before: an optimizer may put their averages in place.
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return history


def _check_model(model):
    shapes = [getattr(model, f"{side}_shape", None) for side in ("input", "output")]
    if not isinstance(model, keras.Model) or not all(isinstance(shape, tuple) for shape in shapes):
        raise TypeError(
            "model: expected a functional or sequential Keras model with one input and one output, "
            f"got {model!r}"
        )
    if not model.compiled or model.optimizer is None:
        raise TypeError(
            f"model: expected a model compiled with an optimizer, got {model!r}; "
            "call model.compile(...) first"
        )
    if isinstance(model.loss, dict | list | type):  # a list that Keras has wrapped, too
        raise TypeError(
            f"model: expected one loss, its name, a function or an object, got {model.loss!r}"
        )


def _checked_array(name, array, model_shape):
    shape = ("n", *(side or "any" for side in model_shape[1:]))
    return np.ascontiguousarray(check_numbers(name, array, shape, np.float32, "the model's "))


def _checked_targets(name, targets, inputs, model):
    targets = _checked_array(name, targets, model.output_shape)
    if len(targets) != len(inputs):
        raise ValueError(
            f"{name}: expected {len(inputs)} targets, one an input, got {len(targets)}"
        )
    low, high = targets.min(), targets.max()
    if _is_cross_entropy(model.loss) and (low < 0 or high > 1):
        raise ValueError(
            f"{name}: expected targets in [0, 1] for a binary cross-entropy, "
            f"got values from {low:g} to {high:g}"
        )
    return targets


def _is_cross_entropy(loss):
    found = keras.losses.get(loss)
    kind = keras.losses.BinaryCrossentropy
    return isinstance(found, kind) or found is keras.losses.binary_crossentropy


def _checked_validation(validation_data, model):
    if not isinstance(validation_data, list | tuple) or len(validation_data) != 2:
        raise ValueError(
            "validation_data: expected a pair of arrays, inputs and targets, "
            f"got {validation_data!r}"
        )
    inputs = _checked_array("validation_data[0]", validation_data[0], model.input_shape)
    return inputs, _checked_targets("validation_data[1]", validation_data[1], inputs, model)


def _checked_corruption(corrupted, x):
    return np.ascontiguousarray(check_numbers("corrupt", corrupted, x.shape, np.float32))


class _CompiledEpoch:
    """Keras' training and test steps of one network, compiled, the former over whole epochs.

    The compiled code reads and writes the variables of `engine`. The state of the model in training
    is copied in and out; a model that is its own engine needs no copies.
    """

    def __init__(self, engine, batch_size):
        self.engine = engine
        self.batch_size = batch_size
        self._in_use = RLock()  # a callback may train another model of the kind in between
        supported = all(layer.supports_jit for layer in engine._flatten_layers())

        def compiled(function, xla=supported):
            # A partial, since TensorFlow counts compilations by a function's code: it would warn of
            # a fifth network in a loop as of a function that is compiled again and again.
            # Nothing is rewritten by AutoGraph, which Keras' `fit` does without, too.
            return tf.function(partial(function), jit_compile=xla, autograph=False)

        def train_step(x, y):
            engine.train_step((x, y))

        alone = supported and _convolves(engine)
        self._train_step = compiled(train_step) if alone else train_step
        self._train = compiled(self._train_epoch, xla=supported and not alone)
        self._evaluate = compiled(lambda x, y: engine.test_step((x, y)))

    @contextmanager
    def training(self, model, watched):
        """Hand the model's state to the engine, and at the end back, come what may.

        A model that callbacks watch has it back after each epoch; they may change it at the end.
        """
        if not self._in_use.acquire(blocking=False):
            raise RuntimeError(
                f"model: another thread trains a model that differs from {model.name!r} only in "
                "its weights; train one after the other, or in processes, as `sweep` does"
            )
        try:
            _create_metrics(model)
            self._load(model)
            try:
                yield
            finally:
                if not watched:
                    self._store(model)
                model.train_function = None
        finally:
            self._in_use.release()

    def train(self, model, x, y, order, watched):
        return self._call(self._train, model, watched, x, y, order)

    def evaluate(self, model, x, y, watched):
        return self._call(self._evaluate, model, watched, x, y)

    def _call(self, function, model, watched, *arguments):
        if watched:  # callbacks may change the model, and look at it
            self._load(model)
        self.engine.reset_metrics()
        function(*arguments)
        if watched:  # an evaluation, too, may draw random numbers
            self._store(model)
        return self._results(model)

    def _train_epoch(self, x, y, order):
        def train_batch(indices):
            inputs = tf.gather(x, indices)
            self._train_step(inputs, inputs if y is None else tf.gather(y, indices))

        def take_step(step):
            train_batch(batches[step])
            return [step + 1]

        steps, left = divmod(order.shape[0], self.batch_size)
        if steps:  # the compiler refuses a loop over nothing
            batches = tf.reshape(order[: steps * self.batch_size], (steps, self.batch_size))
            tf.while_loop(lambda _: True, take_step, [0], maximum_iterations=steps)
        if left:
            train_batch(order[-left:])

    def _load(self, model):
        _copy(_state(model), _state(self.engine))

    def _store(self, model):
        _copy(_state(self.engine), _state(model))

    def _results(self, model):
        _copy(self.engine.metrics_variables, model.metrics_variables)
        return model.get_metrics_result()


def _convolves(model):
    # XLA turns the gradients of a convolution into matrix products, but not inside a loop of XLA's:
    # there they are ten times slower than TensorFlow's own. More than two axes are mostly theirs.
    return any(len(weights.shape) > 2 for weights in model.weights)


def _compiled_epoch(model, batch_size):
    network = _network_without_weights(model)
    # An optimizer that was built before layers were frozen is built for other weights.
    known = model.optimizer._trainable_variables if model.optimizer.built else None
    other = known is not None and [*map(id, known)] != [*map(id, model.trainable_variables)]
    if network is None or other:
        return _CompiledEpoch(model, batch_size)
    key = (network, batch_size)
    if key not in _compiled:
        # A copy's first weights, which nobody sees, take their seeds from Python's generator.
        state = random.getstate()
        engine = keras.models.clone_model(model)
        random.setstate(state)
        engine.compile_from_config(model.get_compile_config())
        _create_metrics(engine)
        _compiled[key] = _CompiledEpoch(engine, batch_size)
    return _compiled[key]


def _create_metrics(model):
    """Have the metrics that a model is compiled with create their variables."""
    shapes = [[side or 1 for side in shape] for shape in (model.input_shape, model.output_shape)]
    x, y = map(np.zeros, shapes)
    model.compute_metrics(x, y, y)
    model.reset_metrics()


def _state(model):
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _copy(source, target):
    for old, new in zip(source, target, strict=True):
        if old is not new:
            new.assign(old)


def _one_image_for_ever(x, y):
    return tf.data.Dataset.from_tensors((x[:1], y[:1])).repeat()


def _network_without_weights(model):
    """What two models must share to share their compiled code, as text.

    Returns None if the model is or holds a function or class of the reader's own, which may change
    while they keep their name, or a layer that knows data apart from its weights.
    """
    if not _is_known(type(model).__module__):
        return None
    layers = list(model._flatten_layers())
    held = [value for layer in layers for value in vars(layer).values()]
    # Keras writes down an activation by its name, which a reader's own may share.
    own = any(isinstance(it, FunctionType) and not _is_known(it.__module__) for it in held)
    if own or any(hasattr(layer, "adapt") for layer in layers):
        return None
    names = {}

    def canonical(node):
        if isinstance(node, dict):
            if str(node.get("class_name")).endswith("DTypePolicy"):
                return node  # its name is what it is
            module = node.get("module", "keras")
            if module == "keras.initializers":
                return None
            if node.get("class_name") == "__lambda__" or not _is_known(module):
                raise LookupError(module)
            return {
                key: names.setdefault(value, len(names)) if key == "name" else canonical(value)
                for key, value in node.items()
            }
        if isinstance(node, list | tuple):
            if [type(item) for item in node] == [str, int, int]:  # refers to a layer's output
                return [names.setdefault(node[0], len(names)), *node[1:]]
            return [canonical(item) for item in node]
        return node

    try:
        with warnings.catch_warnings():
            # Keras means whoever loads a model from a file.
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            config = [canonical(model.get_config()), canonical(model.get_compile_config())]
            return json.dumps(config, sort_keys=True)
    except (LookupError, NotImplementedError, TypeError, ValueError):  # or what cannot be written
        return None


def _is_known(module):
    """Whether a module, by its name, is Keras' or ours and so does not change meanwhile."""
    return str(module).partition(".")[0] in ("keras", "aehelpers")


class _Validate(keras.callbacks.Callback):
    """Adds the loss on held-out data to what all other callbacks are told of an epoch."""

    def __init__(self, compiled, held_out, watched):
        super().__init__()
        self.compiled = compiled
        self.held_out = [tf.constant(array) for array in held_out]
        self.watched = watched

    def on_epoch_end(self, epoch, logs=None):
        results = self.compiled.evaluate(self.model, *self.held_out, self.watched)
        logs |= {f"val_{name}": float(value) for name, value in results.items()}


class _StopWhenNotFinite(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            if not np.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} in epoch {epoch + 1}: training has diverged; "
                    "a smaller learning rate usually helps"
                )


class _Report(keras.callbacks.Callback):
    def __init__(self, progress, epochs):
        super().__init__()
        self.progress = progress
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        self.progress.step(f"epoch {epoch + 1} of {self.epochs}, loss {float(logs['loss']):.4f}")
