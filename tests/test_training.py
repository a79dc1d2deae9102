from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
import logging
import random
from threading import Event
from time import sleep

from aehelpers import training
from aehelpers.models import (
    convolutional_autoencoder,
    deep_autoencoder,
    dense_autoencoder,
    shallow_autoencoder,
    variational_autoencoder,
)
from aehelpers.training import train
import keras
import numpy as np
import pytest
import tensorflow as tf

IMAGES = np.random.default_rng(0).random((101, 784), dtype=np.float32)  # 101 = 3 * 32 + 5
OTHERS = np.random.default_rng(1).random((101, 784), dtype=np.float32)


def batches_of_train(seed, x, y, epochs):
    """The batches that `train` takes, spelled out."""
    order = np.random.default_rng(seed).spawn(2)[0]
    for _ in range(epochs):
        indices = order.permutation(len(x))
        for start in range(0, len(x), 32):
            batch = indices[start : start + 32]
            yield x[batch], y[batch]


def trained_by_keras(model, x, y, epochs):
    for batch in batches_of_train(3, x, y, epochs):
        model.train_on_batch(*batch)
    return model.get_weights()


def penalised():
    return shallow_autoencoder(8, seed=0, code_penalty=keras.regularizers.L1(0.01)).autoencoder


def convolutional():
    return convolutional_autoencoder(8, seed=0).autoencoder


def variational():
    return variational_autoencoder(3, seed=0, beta=0.5).autoencoder


def with_dropout():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.5, seed=4),
            keras.layers.Dense(784, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    return model


def normalised():
    keras.utils.set_random_seed(0)
    normalise = keras.layers.Normalization()  # knows the mean of its data apart from its weights
    normalise.adapt(10 * IMAGES)
    model = keras.Sequential([keras.Input((784,)), normalise, keras.layers.Dense(784)])
    model.compile(optimizer="adam", loss="mse")
    return model


def convolutional_with_chance():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Conv2D(2, 3, padding="same", use_bias=False),  # which the next would undo
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=4),
            keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
            keras.layers.Reshape((784,)),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    return model


def assert_trained_as_by_keras(build, x, targets=None, xla=True):
    model, reference = build(), build()
    reference.jit_compile = xla
    train(model, x, targets, epochs=2, seed=3)
    expected = trained_by_keras(reference, x, x if targets is None else targets, 2)
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "build",
    [penalised, variational, with_dropout, normalised, convolutional, convolutional_with_chance],
)
@pytest.mark.parametrize("targets", [None, OTHERS])
def test_weights_equal_those_of_keras_own_steps_short_last_batch_included(build, targets):
    assert_trained_as_by_keras(build, IMAGES, targets)


class HalvedByNumpy(keras.layers.Layer):
    """What XLA cannot compile."""

    def __init__(self):
        super().__init__()
        self.supports_jit = False

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda x: x / 2, [x], tf.float32), x.shape)


@pytest.mark.parametrize("build", [with_dropout, convolutional_with_chance])
def test_layers_that_xla_does_not_support_are_left_to_tensorflow(build):
    def build_with_such_a_layer():
        model = keras.Sequential([keras.Input((784,)), HalvedByNumpy(), *build().layers])
        model.compile(optimizer="adam", loss="mse")
        return model

    assert_trained_as_by_keras(build_with_such_a_layer, IMAGES, xla=False)


def test_pictures_may_be_of_any_size_where_the_network_takes_any():
    def build():
        keras.utils.set_random_seed(0)
        convolution = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")
        model = keras.Sequential([keras.Input((None, None, 1)), convolution])
        model.compile(optimizer="adam", loss="mse")
        return model

    pictures = IMAGES[:40].reshape(-1, 28, 28, 1)
    model, reference = build(), build()
    train(model, pictures, epochs=2, seed=3)
    expected = trained_by_keras(reference, pictures, pictures, 2)
    np.testing.assert_allclose(model.get_weights()[0], expected[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [5, 32, 33, 64])
def test_weights_equal_those_of_keras_however_many_batches_there_are(n):
    assert_trained_as_by_keras(penalised, IMAGES[:n])


def test_models_of_one_shape_share_a_compilation_but_not_their_weights():
    first, second = (deep_autoencoder(9, seed=seed).autoencoder for seed in (0, 1))
    compilations = len(training._compiled)
    train(first, IMAGES, epochs=1, seed=0)
    kept = first.get_weights()
    train(second, IMAGES, epochs=1, seed=0)
    assert len(training._compiled) == compilations + 1
    alone = deep_autoencoder(9, seed=1).autoencoder
    train(alone, IMAGES, epochs=1, seed=0)
    for before, after in zip(kept, first.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for ours, expected in zip(second.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_networks_of_many_sizes_are_trained_without_a_warning(caplog):
    x = np.random.default_rng(0).random((4, 3), dtype=np.float32)
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for units in range(1, 8):
            hidden, output = keras.layers.Dense(units), keras.layers.Dense(3)
            model = keras.Sequential([keras.Input((3,)), hidden, output])
            model.compile(optimizer="sgd", loss="mse")
            train(model, x, epochs=1, seed=0, validation_data=(x, x))
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.messages


def test_models_whose_layers_are_the_same_but_joined_otherwise_do_not_share_a_compilation():
    def build(order):
        keras.utils.set_random_seed(0)
        pixels = keras.Input((784,))
        first = keras.layers.Dense(784)(pixels)
        second = keras.layers.Dense(784)(first)
        output = keras.layers.Subtract()([(first, second)[i] for i in order])
        model = keras.Model(pixels, output)
        model.compile(optimizer="sgd", loss="mse")
        return model

    for order in ([0, 1], [1, 0]):
        model = build(order)
        before = model.evaluate(IMAGES, IMAGES, verbose=0)
        run = train(model, IMAGES, epochs=1, seed=0, batch_size=len(IMAGES))
        assert run.history["loss"] == pytest.approx([before], rel=1e-5)


def test_models_that_calculate_with_other_precision_do_not_share_a_compilation():
    def build(dtype):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(784, dtype=dtype)])
        model.compile(optimizer="sgd", loss="mse")
        return model

    losses = [
        train(build(dtype), IMAGES, epochs=1, seed=0).history["loss"][0]
        for dtype in ("float32", "mixed_bfloat16")
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_models_with_functions_of_the_readers_own_do_not_share_them():
    def scaled(scale):
        def own(x):
            return scale * x

        return own

    def build(scale):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(4, scaled(scale))])
        model.compile(optimizer="adam", loss="mse")
        return model

    train(build(1), IMAGES[:8], IMAGES[:8, :4], epochs=1, seed=3)
    assert_trained_as_by_keras(lambda: build(2), IMAGES[:8], IMAGES[:8, :4])


def ending_in(build_layer, loss="mse"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(784), build_layer()])
    model.compile(optimizer="adam", loss=loss)
    return model


@pytest.mark.parametrize(
    ("layer", "loss"),
    [
        (lambda: keras.layers.Dense(784, activation=lambda x: x / 2), "mse"),
        (lambda: keras.layers.Lambda(lambda x: x / 2), "mse"),
        (lambda: keras.layers.Dense(784), lambda y, output: keras.ops.mean((y - output) ** 4)),
    ],
)
def test_a_function_without_a_name_is_one_of_the_readers_own(layer, loss):
    assert_trained_as_by_keras(lambda: ending_in(layer, loss), IMAGES[:40])


def test_a_function_that_has_the_name_of_one_of_keras_is_one_of_the_readers_own():
    def relu(x):
        return x / 2

    def build(activation):
        return ending_in(lambda: keras.layers.Activation(activation))

    train(build("relu"), IMAGES[:8], epochs=1, seed=3)
    assert_trained_as_by_keras(lambda: build(relu), IMAGES[:8])


class Added(keras.layers.Layer):
    """What has a loss of its own, and is made from something that Keras cannot write down."""

    def __init__(self, something):
        super().__init__()
        self.something = something

    def call(self, x):
        self.add_loss(keras.ops.mean((x - 1) ** 2))
        return x


def leaky_relu_in_part():
    return keras.layers.Activation(partial(keras.activations.leaky_relu, negative_slope=0.3))


@pytest.mark.parametrize(
    ("layer", "loss"),
    [(leaky_relu_in_part, "mse"), (lambda: Added(object()), "mse"), (lambda: Added(1), None)],
)
def test_what_keras_cannot_write_down_or_has_its_own_loss_is_trained_all_the_same(layer, loss):
    assert_trained_as_by_keras(lambda: ending_in(layer, loss), IMAGES[:40])


def test_a_model_of_the_readers_own_class_is_trained_as_its_class_says():
    class Doubled(keras.Model):
        def compute_loss(self, *arguments, **options):
            return 2 * super().compute_loss(*arguments, **options)

    def loss(kind):
        keras.utils.set_random_seed(0)
        pixels = keras.Input((784,))
        model = kind(pixels, keras.layers.Dense(784)(pixels))
        model.compile(optimizer="sgd", loss="mse")
        return train(model, IMAGES, epochs=1, seed=0, batch_size=101).history["loss"][0]

    assert loss(Doubled) == pytest.approx(2 * loss(keras.Model), rel=1e-5)
    assert loss(Doubled) == pytest.approx(2 * loss(keras.Model), rel=1e-5)


def test_a_layer_that_is_frozen_after_a_training_stays_and_the_others_train_on():
    model = with_dropout()
    train(model, IMAGES, epochs=1, seed=0)
    frozen, other = model.layers[0], model.layers[-1]
    frozen.trainable = False
    before = frozen.get_weights()[0], other.get_weights()[0]
    train(model, IMAGES, epochs=1, seed=0)
    np.testing.assert_array_equal(frozen.get_weights()[0], before[0])
    assert not np.allclose(other.get_weights()[0], before[1])


def test_an_optimizer_is_not_taken_for_that_of_a_layer_of_the_same_shape_which_it_does_not_know():
    keras.utils.set_random_seed(0)
    first, second = keras.layers.Dense(784), keras.layers.Dense(784, trainable=False)
    model = keras.Sequential([keras.Input((784,)), first, second])
    model.compile(optimizer="adam", loss="mse")
    train(model, IMAGES[:8], epochs=1, seed=0)
    first.trainable, second.trainable = False, True
    with pytest.raises(ValueError, match="Unknown variable"):  # as from `fit`
        train(model, IMAGES[:8], epochs=1, seed=0)


def test_pythons_own_generator_stays_as_it_was():
    model = dense_autoencoder((7, 5), 3, seed=0).autoencoder
    state, compilations = random.getstate(), len(training._compiled)
    train(model, IMAGES, epochs=1, seed=0)
    assert len(training._compiled) == compilations + 1  # where a copy of the model is made
    assert random.getstate() == state


def test_training_prints_nothing(capfd):
    train(shallow_autoencoder(8, seed=0).autoencoder, IMAGES, epochs=2, seed=0)
    assert capfd.readouterr() == ("", "")


def test_a_person_is_told_the_epoch_of_how_many_and_its_loss(monkeypatch):
    told = []

    class Progress:
        def __init__(self, total, unit):
            told.append((total, unit))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def step(self, text):
            told.append(text)

    monkeypatch.setattr(training, "Progress", Progress)
    losses = train(penalised(), IMAGES, epochs=2, seed=0).history["loss"]
    assert told == [
        (2, "epoch"),
        f"epoch 1 of 2, loss {losses[0]:.4f}",
        f"epoch 2 of 2, loss {losses[1]:.4f}",
    ]


def test_corruption_is_drawn_afresh_each_epoch_and_the_target_stays_clean():
    seen = []

    def corrupt(x, rng):
        seen.append(rng.random())
        return np.zeros_like(x)

    model = shallow_autoencoder(8, seed=0).autoencoder
    before = model.get_weights()
    train(model, 0.5 + IMAGES / 2, epochs=3, seed=0, corrupt=corrupt)
    assert len(seen) == len(set(seen)) == 3
    # Black inputs pass nothing to the encoder, yet the output's biases learn the bright targets.
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert (model.get_weights()[-1] > 0.01).all()


def test_a_corruption_may_fill_the_same_array_each_time(monkeypatch):
    same, drawn, copy = np.zeros((1, 1), np.float32), count(1), tf.constant

    def copy_slowly(values):
        sleep(0.02)  # in which the next corruption would be drawn
        return copy(values)

    monkeypatch.setattr(tf, "constant", copy_slowly)

    def corrupt(x, rng):
        same.fill(next(drawn))
        return same

    copies = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), copies])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    settings = {"epochs": 9, "seed": 0, "corrupt": corrupt}
    losses = train(model, [[0.0]], **settings).history["loss"]
    assert losses == [epoch**2 for epoch in range(1, 10)]


def test_a_corruption_in_place_is_stopped_before_it_spoils_the_images():
    def corrupt(x, rng):
        x[:, :100] = 0
        return x

    images = IMAGES.copy()
    with pytest.raises(ValueError, match="read-only"):
        train(shallow_autoencoder(8, seed=0).autoencoder, images, epochs=1, seed=0, corrupt=corrupt)
    np.testing.assert_array_equal(images, IMAGES)


def test_validation_loss_is_measured_over_all_held_out_images():
    model = dense_autoencoder(seed=0, loss="mse").autoencoder
    # From dark to bright: of images that are all alike a part would have the loss of the whole.
    images = OTHERS * np.linspace(0, 1, len(OTHERS), dtype=np.float32)[:, np.newaxis]
    history = train(model, IMAGES, epochs=1, seed=0, validation_data=(images, images))
    expected = model.evaluate(images, images, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(expected, abs=1e-5)


def test_callbacks_see_the_weights_of_each_epoch():
    seen = []
    model = shallow_autoencoder(8, seed=0).autoencoder
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0])
    )
    train(model, IMAGES, epochs=2, seed=0, callbacks=[look])
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[1], model.get_weights()[0])


@pytest.mark.parametrize("averages", [False, True])
def test_what_a_callback_does_to_the_weights_at_the_end_stays(averages):
    model = shallow_autoencoder(8, seed=0).autoencoder
    model.compile(keras.optimizers.Adam(use_ema=averages), "mse")
    zeros = [np.zeros_like(weights) for weights in model.get_weights()]
    clear = keras.callbacks.LambdaCallback(on_train_end=lambda logs: model.set_weights(zeros))
    train(model, IMAGES, epochs=1, seed=0, callbacks=[clear])
    for weights in model.get_weights():
        assert not weights.any()


def test_a_callback_may_evaluate_the_model_on_other_images():
    seen = []
    model = shallow_autoencoder(8, seed=0).autoencoder
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.evaluate(OTHERS, OTHERS, verbose=0))
    )
    train(model, IMAGES, epochs=1, seed=0, validation_data=(IMAGES, IMAGES), callbacks=[look])
    assert seen == pytest.approx([model.evaluate(OTHERS, OTHERS, verbose=0)], rel=1e-6)


def test_a_callback_that_does_nothing_changes_nothing():
    found = []
    for callbacks in ([], [keras.callbacks.Callback()]):  # the network draws in evaluations, too
        model = variational_autoencoder(seed=0).autoencoder
        validated = {"validation_data": (OTHERS, OTHERS), "callbacks": callbacks}
        run = train(model, IMAGES, epochs=3, seed=0, **validated)
        found.append(run.history["loss"] + run.history["val_loss"])
    assert found[0] == found[1]


def test_validation_sees_what_a_callback_did_to_the_weights_after_the_last_batch():
    model = shallow_autoencoder(8, seed=0).autoencoder
    zeros = [np.zeros_like(weights) for weights in model.get_weights()]
    clear = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: model.set_weights(zeros)
    )
    validated = {"validation_data": (IMAGES, IMAGES), "callbacks": [clear]}
    run = train(model, IMAGES, epochs=1, seed=0, **validated)
    assert run.history["val_loss"] == pytest.approx([np.log(2)], rel=1e-5)  # of grey pictures


def test_an_optimizer_that_averages_weights_ends_with_their_averages_as_in_fit():
    by_fit, by_train = (shallow_autoencoder(8, seed=0).autoencoder for _ in range(2))
    for model in (by_fit, by_train):
        model.compile(keras.optimizers.Adam(use_ema=True), "mse", jit_compile=True)
    train(by_train, IMAGES[:32], epochs=3, seed=0)
    by_fit.fit(IMAGES[:32], IMAGES[:32], epochs=3, verbose=0)  # one batch, in whatever order
    for found, expected in zip(by_train.get_weights(), by_fit.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("metrics", [["mae", "mse", "mape"], ["msle", "mse", "mape"]])
def test_metrics_are_those_that_the_model_is_compiled_with(metrics):
    model = shallow_autoencoder(8, seed=0).autoencoder
    model.compile("adam", "mse", metrics=metrics)
    run = train(model, IMAGES, epochs=2, seed=0, validation_data=(IMAGES, IMAGES))
    expected = model.evaluate(IMAGES, IMAGES, verbose=0, return_dict=True)
    for name in ("loss", *metrics):
        assert run.history[f"val_{name}"][1] == pytest.approx(expected[name], rel=1e-4)


def test_divergence_stops_training_and_names_the_epoch():
    model = dense_autoencoder(seed=0, output_activation="linear", loss="mse").autoencoder
    model.optimizer.learning_rate = 1e30
    with pytest.raises(FloatingPointError, match="in epoch 1"):
        train(model, IMAGES, epochs=3, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": IMAGES[:0]}, r"x: expected the model's shape \(n, 784\), got \(0, 784\)"),
        ({"x": IMAGES.astype(str)}, "x: expected numbers, got an array of dtype <U"),
        ({"x": IMAGES[0]}, r"x: expected the model's shape \(n, 784\), got \(784,\)"),
        ({"x": IMAGES[:, :10]}, r"x: expected the model's shape \(n, 784\), got \(101, 10\)"),
        ({"x": np.full((3, 784), np.nan)}, "x: expected finite numbers, got 2352"),
        ({"x": IMAGES * 255}, r"y, for which x is taken: expected targets in \[0, 1\]"),
        ({"y": IMAGES[:5]}, "y: expected 101 targets"),
        ({"y": IMAGES - 0.5}, r"y: expected targets in \[0, 1\] .* from -0.49"),
        ({"y": IMAGES + 0.5}, r"y: expected targets in \[0, 1\] .* to 1.5"),
        ({"validation_data": IMAGES}, "validation_data: expected a pair of arrays"),
        ({"validation_data": (IMAGES,)}, "validation_data: expected a pair of arrays"),
        (
            {"validation_data": (IMAGES[:, :10], IMAGES)},
            r"validation_data\[0\]: expected the model",
        ),
        ({"validation_data": (IMAGES, IMAGES[:5])}, r"validation_data\[1\]: expected 101 targets"),
        ({"batch_size": 0}, "batch_size: expected a whole number from 1, got 0"),
        ({"epochs": 0}, "epochs: expected a whole number from 1, got 0"),
        ({"seed": -1}, "seed: expected a whole number from 0, got -1"),
        (
            {"corrupt": lambda x, rng: x[:1]},
            r"corrupt: expected shape \(101, 784\), got \(1, 784\)",
        ),
        ({"corrupt": lambda x, rng: x * np.nan}, "corrupt: expected finite numbers"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, message):
    model = shallow_autoencoder(8, seed=0).autoencoder
    with pytest.raises(ValueError, match=message):
        train(model, **{"x": IMAGES, "epochs": 1, "seed": 0, **arguments})


def test_what_is_no_compiled_model_is_refused():
    with pytest.raises(TypeError, match="model: expected a functional or sequential Keras model"):
        train("model", IMAGES, epochs=1, seed=0)
    inputs = [keras.Input((784,)), keras.Input((784,))]
    two_inputs = keras.Model(inputs, keras.layers.Add()(inputs))
    with pytest.raises(TypeError, match="with one input and one output, got <Functional"):
        train(two_inputs, IMAGES, epochs=1, seed=0)
    network = shallow_autoencoder(8, seed=0)
    with pytest.raises(TypeError, match="model: expected a model compiled with an optimizer"):
        train(keras.Model(network.encoder.input, network.encoder.output), IMAGES, epochs=1, seed=0)
    network.encoder.compile("adam", "mse")
    message = r"y, for which x is taken: expected the model's shape \(n, 8\), got \(101, 784\)"
    with pytest.raises(ValueError, match=message):
        train(network.encoder, IMAGES, epochs=1, seed=0)


@pytest.mark.parametrize("callbacks", [keras.callbacks.History(), [3], "abc"])
def test_what_are_no_callbacks_is_refused(callbacks):
    model = shallow_autoencoder(8, seed=0).autoencoder
    with pytest.raises(TypeError, match="callbacks: expected a sequence of Keras' callbacks"):
        train(model, IMAGES, epochs=1, seed=0, callbacks=callbacks)


def test_only_a_cross_entropy_wants_targets_from_0_to_1_both_included():
    model = shallow_autoencoder(8, seed=0).autoencoder
    train(model, np.eye(3, 784), epochs=1, seed=0)
    model.compile(optimizer="adam", loss="mse")
    train(model, IMAGES, 5 * IMAGES, epochs=1, seed=0)
    for loss in (
        *("bce", "BinaryCrossentropy", keras.losses.binary_crossentropy),
        keras.losses.BinaryCrossentropy(name="of_my_own"),
    ):
        model.compile(optimizer="adam", loss=loss)
        with pytest.raises(ValueError, match=r"y: expected targets in \[0, 1\]"):
            train(model, IMAGES, 5 * IMAGES, epochs=1, seed=0)


def test_of_two_threads_that_train_like_models_the_second_is_refused_and_the_first_undisturbed():
    settings = {"epochs": 2, "seed": 0}
    alone, first, second = (dense_autoencoder((), 4, seed=0).autoencoder for _ in range(3))
    train(alone, IMAGES, **settings)
    training, go_on = Event(), Event()

    class Wait(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            training.set()
            assert go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(train, first, IMAGES, callbacks=[Wait()], **settings)
        assert training.wait(60)
        try:
            with pytest.raises(RuntimeError, match=r"^model: another thread trains a model that"):
                train(second, OTHERS, **settings)
        finally:
            go_on.set()
        run.result()
    train(second, IMAGES, **settings)  # nothing is locked any more
    for model in (first, second):
        assert all(map(np.array_equal, model.get_weights(), alone.get_weights()))
