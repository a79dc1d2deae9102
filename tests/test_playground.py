"""The live autoencoder: what a cell stores, what a browser computes, and what a reader can do."""

from base64 import b64decode
from io import BytesIO
import json
import random
import re
import subprocess
import sys
from urllib.parse import urlsplit
from zlib import crc32

from aehelpers import playground as export
from aehelpers.data import load_mnist
from aehelpers.metrics import mse
from aehelpers.models import dense_autoencoder
from aehelpers.training import train
from browser import new_page
from conftest import ROOT, serve, wait_for
import keras
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output
import numpy as np
from outputs import layer_arrays, NETWORK, parts
from PIL import Image
from playground import read_networks
import pytest

STORED = read_networks(sorted((ROOT / "book").glob("*.ipynb")))
DRAWING = "Draw here"
RUNNING = "ae-playground.running[aria-busy=false]"

# Do something to the playground, wait for the picture that follows, and read its numbers.
ACT = """async ([action, values]) => {
    const it = document.querySelector("ae-playground");
    if (action) it[action](Float32Array.from(values));
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    const numbers = {input: it.input, drawing: it.drawing, code: it.code, output: it.output};
    return Object.fromEntries(Object.entries(numbers).map(([name, values]) => [name, [...values]]));
}"""


@pytest.fixture(scope="module")
def digits():
    return load_mnist("small")


@pytest.fixture
def page(browser, html):
    """The front page, opened as a file; it may not log an error."""
    page = new_page(browser, theme="light", width=1280)
    faults = []
    page.on("console", lambda it: it.type in ("error", "warning") and faults.append(it.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((html / "index.html").as_uri())
    page.locator(RUNNING).wait_for()
    yield page
    page.close()
    assert not faults


@pytest.fixture
def served(browser, html):
    """The front page from a server; unlike those of a folder, its files can be held back."""
    page = new_page(browser, theme="light", width=1280)
    serve(page, html)
    page.goto("http://localhost/index.html")
    page.locator(RUNNING).wait_for()
    yield page
    page.close()


def act(page, action=None, values=()):
    numbers = page.evaluate(ACT, [action, np.asarray(values).tolist()])
    return {name: np.array(values) for name, values in numbers.items()}


def keras_halves(name):
    """Encoder and decoder, built anew from what the notebook stores."""
    halves = []
    for half in ("encoder", "decoder"):
        model = keras.Sequential()
        for layer in STORED[name].content[half]:
            weights, biases = layer_arrays(layer)
            model.add(keras.layers.Dense(len(biases), activation=layer["activation"]))
            model.build((None, len(weights))) if len(model.layers) == 1 else None
            model.layers[-1].set_weights([weights, biases])
        halves.append(model)
    return halves


def choose(page, name):
    page.get_by_role("radio", name=name).check()
    page.locator(RUNNING).wait_for()


def place(page, part, x, y):
    """Where on the page the share (x, y) of a part's sides lies."""
    part = page.locator(f"ae-playground {part}")
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def clear(page):
    page.get_by_role("button", name="Clear").click()


# ---- What a cell stores ----


@pytest.fixture(scope="module")
def network(digits):
    """Trained a little, so that it has biases and notices noise."""
    network = dense_autoencoder((16,), 4, seed=0)
    train(network.autoencoder, digits.x_train, epochs=5, seed=0)
    return network


@pytest.fixture(scope="module")
def shown(network, digits):
    return export.PageNetwork("tiny", network.encoder, network.decoder, digits)


def test_weights_are_rounded_to_the_nearest_of_255_steps_of_their_unit(network, shown):
    for half in ("encoder", "decoder"):
        pairs = zip(getattr(network, half).layers[1:], getattr(shown, half).layers, strict=True)
        for exact, rounded in pairs:
            step = np.abs(exact.kernel).max(axis=0) / 127
            assert (np.abs(np.subtract(exact.kernel, rounded.kernel)) <= 0.501 * step).all()
            steps = np.divide(rounded.kernel, step)
            assert np.abs(steps - np.rint(steps)).max() < 1e-3
            assert np.array_equal(exact.bias, rounded.bias)


def test_a_cell_stores_the_network_that_it_offers_in_keras(shown, digits):
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == "tiny: 784-16-4-16-784, 25,216 weights in 8 bits"
    content = bundle[NETWORK]
    for half in ("encoder", "decoder"):
        for stored, layer in zip(content[half], getattr(shown, half).layers, strict=True):
            assert stored["activation"] == layer.activation.__name__
            for array, expected in zip(layer_arrays(stored), layer.get_weights(), strict=True):
                assert np.array_equal(array, expected)
    codes = np.asarray(shown.encoder(digits.x_test))
    low, high = content["code"]
    assert np.mean(codes < low - 0.05) <= 0.001 <= np.mean(codes < low + 0.05)
    assert np.mean(codes > high + 0.05) <= 0.001 <= np.mean(codes > high - 0.05)


def test_pythons_own_generator_stays_as_it_was(network, digits):
    state = random.getstate()
    export.PageNetwork("tiny", network.encoder, network.decoder, digits)
    assert random.getstate() == state


def test_the_codes_range_is_told_to_a_tenth_but_for_one_in_a_thousand_at_either_end(digits):
    network = dense_autoencoder((), 3, seed=0, activation="linear")
    shown = export.PageNetwork("tiny", network.encoder, network.decoder, digits)
    codes = np.sort(np.asarray(shown.encoder(digits.x_test)), axis=None)
    left_out = len(codes) // 1000
    stored = shown._repr_mimebundle_()[NETWORK]["code"]
    assert stored == pytest.approx([codes[left_out], codes[-1 - left_out]], abs=0.06)
    assert all(f"{limit:.1f}" == str(limit) for limit in stored)


def test_the_ten_digits_are_the_first_of_each_kind(shown, digits):
    stored = np.frombuffer(b64decode(shown._repr_mimebundle_()[NETWORK]["digits"]), np.uint8)
    first = [next(x for x, y in zip(*digits[2:], strict=True) if y == i) for i in range(10)]
    assert np.array_equal(stored.reshape(10, 784), np.rint(255 * np.array(first)))


def test_errors_are_stored_for_each_tenth_of_noise_and_of_the_digits_and_for_the_rarest(shown):
    content = shown._repr_mimebundle_()[NETWORK]
    assert [10 * scale for scale in content["noise"]] == list(range(11))
    assert list(content["percents"]) == [*range(10, 100, 10), 95, 99]
    assert np.shape(content["errors"]) == (11, 11)


@pytest.mark.parametrize("level", [0, 5])
def test_the_stored_errors_are_percentiles_of_test_errors_under_noise(shown, digits, level):
    content = shown._repr_mimebundle_()[NETWORK]
    assert content["noise"][level] == level / 10
    noise = level / 10 * np.random.default_rng(7).standard_normal(digits.x_test.shape)
    outputs = shown.autoencoder(np.clip(digits.x_test + noise, 0, 1))
    found = mse(digits.x_test, np.asarray(outputs))
    for percent, error in zip(content["percents"], content["errors"][level], strict=True):
        assert np.mean(found < error) == pytest.approx(percent / 100, abs=0.03)


@pytest.mark.parametrize(
    ("name", "hidden", "message"),
    [
        ("Tiny network", "relu", "name: expected a word in lower case, got 'Tiny network'"),
        ("tiny network", "relu", "name: expected a word in lower case, got 'tiny network'"),
        ("Tiny", "relu", "name: expected a word in lower case, got 'Tiny'"),
        ("digits", "relu", "name: expected another than .*, which pages use, got 'digits'"),
        ("tiny", "gelu", "encoder: expected dense layers .* with activation gelu"),
    ],
)
def test_a_network_that_no_page_can_run_is_refused(digits, name, hidden, message):
    network = dense_autoencoder((16,), 4, seed=0, activation=hidden)
    with pytest.raises(ValueError, match=message):
        export.PageNetwork(name, network.encoder, network.decoder, digits)


def test_layers_may_be_those_of_a_network_put_into_models_of_their_own(network, digits, shown):
    models = []
    for half in (network.encoder, network.decoder):
        first = output = keras.Input(half.input_shape[1:])
        for layer in half.layers[1:]:
            output = layer(output)
        models.append(keras.Model(first, output))
    again = export.PageNetwork("tiny", *models, digits)
    assert again._repr_mimebundle_() == shown._repr_mimebundle_()


def test_halves_that_do_not_fit_are_refused(network, digits):
    other = dense_autoencoder((16,), 5, seed=0)
    with pytest.raises(ValueError, match=r"expected codes .*\(None, 4\), got \(None, 5\)"):
        export.PageNetwork("tiny", network.encoder, other.decoder, digits)
    for encoder, decoder in ((network.decoder, network.decoder), (network.encoder,) * 2):
        with pytest.raises(ValueError, match="expected 784 pixels"):
            export.PageNetwork("tiny", encoder, decoder, digits)


def test_a_half_with_two_inputs_is_refused(network, digits):
    sides = [keras.Input((2,)), keras.Input((2,))]
    picture = keras.layers.Dense(784)(keras.layers.concatenate(sides))
    with pytest.raises(TypeError, match="decoder: expected a Keras model with one input"):
        export.PageNetwork("tiny", network.encoder, keras.Model(sides, picture), digits)


def test_a_layer_that_is_not_dense_is_refused_even_if_the_pages_know_its_activation(digits):
    network = dense_autoencoder((), 4, seed=0)
    layers = [keras.layers.Activation("relu"), keras.layers.Dense(784, activation="sigmoid")]
    decoder = keras.Sequential([keras.Input((4,)), *layers])
    with pytest.raises(ValueError, match=r"decoder: .* got Activation with activation relu"):
        export.PageNetwork("tiny", network.encoder, decoder, digits)


def test_a_function_or_a_layer_of_ones_own_that_has_a_known_name_is_refused(digits):
    def relu(x):
        return keras.ops.leaky_relu(x, 0.3)

    class Dense(keras.layers.Dense):
        def call(self, x):
            return 2 * super().call(x)

    encoder = dense_autoencoder((), 4, seed=0).encoder
    for kind, activation in ((keras.layers.Dense, relu), (Dense, "relu")):
        layers = [kind(8, activation), keras.layers.Dense(784, activation="sigmoid")]
        decoder = keras.Sequential([keras.Input((4,)), *layers])
        with pytest.raises(ValueError, match=r"decoder: .* got Dense with activation relu"):
            export.PageNetwork("tiny", encoder, decoder, digits)


def test_a_layer_that_is_used_twice_is_refused(digits):
    encoder = dense_autoencoder((), 4, seed=0).encoder
    again = keras.layers.Dense(4, activation="relu")
    picture = keras.layers.Dense(784, activation="sigmoid")
    decoder = keras.Sequential([keras.Input((4,)), again, picture])
    export.PageNetwork("tiny", encoder, decoder, digits)
    code = keras.Input((4,))
    for between in ([], [keras.layers.Dense(8), keras.layers.Dense(4)]):
        output = again(code)
        for layer in [*between, again, picture]:
            output = layer(output)
        with pytest.raises(ValueError, match=f"decoder: .* got {again.name} used again"):
            export.PageNetwork("tiny", encoder, keras.Model(code, output), digits)


def test_a_unit_without_weights_keeps_none(digits):
    network = dense_autoencoder((), 4, seed=0)
    kernel, biases = network.encoder.layers[1].get_weights()
    kernel[:, 2] = 0
    network.encoder.layers[1].set_weights([kernel, biases])
    shown = export.PageNetwork("tiny", network.encoder, network.decoder, digits)
    assert not np.asarray(shown.encoder.layers[0].kernel)[:, 2].any()
    scales = shown._repr_mimebundle_()[NETWORK]["encoder"][0]["scales"]
    assert np.isfinite(np.frombuffer(b64decode(scales), "<f4")).all()


def test_weights_are_compared_as_pictures_and_the_rest_as_text(shown):
    data = shown._repr_mimebundle_()
    found = parts([new_output("display_data", data)])
    pictures = [name for name in found if name.endswith("image/png")]
    assert pictures == [
        f"output 1, layer {i} of the {half}, image/png"
        for half in ("encoder", "decoder")
        for i in (1, 2)
    ]
    assert '"activation": "relu"' in found[f"output 1, {NETWORK}"]
    assert data[NETWORK]["encoder"][0]["weights"] not in found[f"output 1, {NETWORK}"]


# ---- What the build makes of it ----


def test_an_unknown_network_or_figure_fails_the_build_and_is_named(tmp_path, shown):
    output = new_output("display_data", shown._repr_mimebundle_())
    cell = new_code_cell("shown", id="tiny", outputs=[output], execution_count=1)
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "chapter.ipynb")
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_nb', 'playground']\nnb_execution_mode = 'off'\n"
    )
    (tmp_path / "index.md").write_text(
        "# Title\n\n```{playground} none\n:figure: a\n```\n"
        "\n```{playground} tiny\n:figure: b\n```\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", tmp_path, tmp_path / "html"],
        env={"PYTHONPATH": f"{ROOT / 'tools'}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "index.md:3: ERROR: playground: no cell shows 'none', only ['tiny']" in run.stderr
    assert "expected a cell of chapter.ipynb that draws, one of [], got 'b'" in run.stderr


def test_two_networks_of_one_name_are_an_error_that_names_both_notebooks(tmp_path, shown):
    output = new_output("display_data", shown._repr_mimebundle_())
    cell = new_code_cell("shown", outputs=[output], execution_count=1)
    paths = [tmp_path / name for name in ("one.ipynb", "two.ipynb")]
    for path in paths:
        nbformat.write(new_notebook(cells=[cell]), path)
    with pytest.raises(ValueError, match=r"two.ipynb: there is a network 'tiny' in one.ipynb"):
        read_networks(paths)


def test_networks_that_have_other_digits_are_an_error_since_pages_share_them(tmp_path, shown):
    bundle = shown._repr_mimebundle_()
    other = bundle[NETWORK] | {"name": "other", "digits": "AAAA"}
    cells = [
        new_code_cell("shown", outputs=[new_output("display_data", data)], execution_count=1)
        for data in (bundle, bundle | {NETWORK: other})
    ]
    path = tmp_path / "chapter.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    with pytest.raises(ValueError, match=r"chapter.ipynb: the network 'other' has other digits"):
        read_networks([path])


def test_only_pages_with_a_playground_load_its_files_which_weigh_less_than_a_megabyte(html):
    files = list((html / "_static" / "playground").iterdir())
    common = {"digits.js", "playground.js", "playground.css"}
    assert {file.name for file in files} == {f"{name}.js" for name in STORED} | common
    assert sum(file.stat().st_size for file in files) < 1_000_000
    for path in html.glob("*.html"):
        text = path.read_text()
        expected = common if "<ae-playground" in text else set()
        assert set(re.findall(r"_static/playground/([\w.]+)", text)) == expected, path.name


@pytest.mark.parametrize("address", ["file", "http"])
def test_a_network_is_loaded_when_a_reader_comes_near_or_chooses_it_and_only_once(
    browser, html, address
):
    page = new_page(browser, theme="light", width=1280)
    serve(page, html)
    loaded = []
    page.on("request", lambda it: loaded.extend(re.findall(r"playground/(\w+)\.js\?", it.url)))
    home = html.as_uri() if address == "file" else "http://localhost"
    page.goto(f"{home}/vanilla.html")
    assert sorted(loaded) == ["digits", "playground"]
    assert page.locator("ae-playground > img").is_visible()
    page.locator("ae-playground").scroll_into_view_if_needed()
    page.locator(RUNNING).wait_for()
    assert sorted(loaded) == ["digits", "plain", "playground"]
    loaded.clear()
    page.goto(f"{home}/index.html")
    page.locator(RUNNING).wait_for()
    for name in ("sparse", "plain", "sparse"):
        choose(page, name)
    assert sorted(loaded) == ["digits", "plain", "playground", "sparse"]
    page.close()


def test_the_address_of_a_network_changes_with_its_weights(html):
    addresses = {}
    for path in html.glob("*.html"):
        for networks in re.findall(r'<ae-playground networks="([^"]*)"', path.read_text()):
            for address in networks.split():
                name, version = address.split(".js?v=")
                addresses.setdefault(name, set()).add(version)
    assert addresses.keys() == STORED.keys()
    for name, versions in addresses.items():
        text = (html / "_static" / "playground" / f"{name}.js").read_bytes()
        assert versions == {f"{crc32(text):08x}"}


def test_without_javascript_and_in_print_a_described_picture_stands_there(browser, html):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "index.html").as_uri())
    picture = page.locator("ae-playground > img")
    assert picture.is_visible()
    assert picture.get_attribute("alt").startswith("Two rows of ten digits.")
    assert page.locator("ae-playground canvas").count() == 0
    context.close()
    page = browser.new_page()
    page.goto((html / "index.html").as_uri())
    page.locator(RUNNING).wait_for()
    picture, live = page.locator("ae-playground > img"), page.locator("ae-playground .live")
    assert (picture.is_visible(), live.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (picture.is_visible(), live.is_visible()) == (True, False)
    page.close()


# ---- What the browser computes ----


@pytest.mark.parametrize("name", STORED)
def test_the_page_computes_what_keras_computes_from_test_digits(page, digits, name):
    choose(page, name)
    encoder, decoder = keras_halves(name)
    images = digits.x_test[:20]
    codes = np.asarray(encoder(images))
    for image, code, output in zip(images, codes, np.asarray(decoder(codes)), strict=True):
        found = act(page, "show", image)
        assert found["input"] == pytest.approx(image)
        assert np.abs(found["code"] - code).max() < 1e-3
        assert np.abs(found["output"] - output).max() < 1e-3


def test_the_error_and_its_rank_among_test_digits_are_told(page, digits):
    image = digits.x_test[0]
    output = act(page, "show", image)["output"]
    error = ((image - output) ** 2).mean()
    content = STORED["plain"].content
    rank = max(
        p for p, e in zip(content["percents"], content["errors"][0], strict=True) if error > e
    )
    message = f"Squared error {error:.4f}, larger than that of {rank} % of the test digits."
    assert message in page.locator("ae-playground .error").inner_text()
    page.get_by_role("button", name="Invert").click()
    page.get_by_role("status").get_by_text("A strange picture to this network.").wait_for()


def test_a_forward_pass_fits_into_a_frame(page):
    median = page.evaluate(
        """() => {
            const {network, drawing} = document.querySelector("ae-playground");
            const times = Array.from({length: 50}, () => {
                const start = performance.now();
                network.decode(network.encode(drawing));
                return performance.now() - start;
            });
            return times.sort((a, b) => a - b)[25];
        }"""
    )
    assert median < 16  # milliseconds; it takes less than one


# ---- What happens until a network is there ----


@pytest.fixture
def held(served):
    """By name, the requests for networks, which are held back until `come` answers them."""
    held = {}
    served.route(
        re.compile(r"playground/\w+\.js"),
        lambda route: held.setdefault(re.search(r"(\w+)\.js", route.request.url)[1], route),
    )
    return held


def come(page, held, name, html):
    """Let a network arrive, and the page notice it."""
    wait_for(lambda: page.wait_for_timeout(1) or name in held)  # until its request has come
    route = held[name]
    with page.expect_event("requestfinished"):
        route.fulfill(path=html / urlsplit(route.request.url).path.lstrip("/"))
    act(page)


def runs_and_is_marked(page):
    running = page.evaluate("document.querySelector('ae-playground').network.name")
    mark = page.get_by_role("radio", checked=True).get_attribute("value")
    return running, mark.split(".")[0]


def test_until_a_chosen_network_is_there_the_one_before_runs_on_and_the_page_says_so(
    served, html, held
):
    before = act(served)["output"]
    words = served.locator("ae-playground .error")
    served.get_by_role("radio", name="sparse").check()
    assert words.inner_text() == "The network sparse is being loaded."
    assert np.array_equal(act(served)["output"], before)
    come(served, held, "sparse", html)
    assert runs_and_is_marked(served) == ("sparse", "sparse")
    assert words.inner_text().startswith("Squared error")
    assert np.abs(act(served)["output"] - before).max() > 0.1


def test_of_networks_chosen_quickly_the_last_one_runs_in_whatever_order_they_come(
    served, html, held
):
    for name in ("sparse", "denoising", "variational"):
        served.get_by_role("radio", name=name).check()
    for name in ("variational", "sparse"):
        come(served, held, name, html)
        assert runs_and_is_marked(served) == ("variational", "variational")
    served.get_by_role("radio", name="denoising").check()
    served.get_by_role("radio", name="plain").check()
    come(served, held, "denoising", html)
    assert runs_and_is_marked(served) == ("plain", "plain")
    choose(served, "denoising")
    assert runs_and_is_marked(served) == ("denoising", "denoising")


def test_a_network_that_does_not_come_is_named_and_can_be_chosen_again(served):
    served.route("**/sparse.js*", lambda route: route.abort(), times=1)
    served.get_by_role("radio", name="sparse").click()  # check() would insist that it stays chosen
    words = "The network sparse could not be loaded. Please try again."
    served.locator("ae-playground .error", has_text=words).wait_for()
    assert runs_and_is_marked(served) == ("plain", "plain")
    choose(served, "sparse")
    assert runs_and_is_marked(served) == ("sparse", "sparse")


# ---- What a reader can do ----


def drawn_row(page, row):
    return act(page)["drawing"].reshape(28, 28)[row]


def test_the_mouse_draws_a_soft_stroke_and_the_network_follows(page):
    clear(page)
    assert not act(page)["drawing"].any()
    page.mouse.move(*place(page, ".drawing", 5 / 28, 10 / 28))
    page.mouse.down()
    page.mouse.move(*place(page, ".drawing", 20 / 28, 10 / 28), steps=5)
    page.mouse.up()
    page.mouse.move(*place(page, ".drawing", 20 / 28, 20 / 28))
    found = act(page)
    picture = found["drawing"].reshape(28, 28)
    assert picture[9:11, 5:20].min() == 1
    assert picture[[8, 11], 6:19] == pytest.approx(0.6, abs=0.05)
    assert not picture[12:].any()
    assert not picture[:, 23:].any()
    encoder, decoder = keras_halves("plain")
    expected = np.asarray(decoder(encoder(found["drawing"][None])))[0]
    assert np.abs(found["output"] - expected).max() < 1e-3


def test_a_finger_draws_and_does_not_scroll_the_page(browser, html):
    context = browser.new_context(has_touch=True, viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto((html / "index.html").as_uri())
    page.locator(RUNNING).wait_for()
    clear(page)
    path = [place(page, ".drawing", 0.5, y / 28) for y in (5, 12, 22)]
    scrolled = page.evaluate("scrollY")
    finger = context.new_cdp_session(page)
    kinds = ["touchStart", "touchMove", "touchMove"]
    for kind, (x, y) in zip(kinds, path, strict=True):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    column = act(page)["drawing"].reshape(28, 28)[:, 13]
    assert column[5:22].min() > 0.9
    assert not column[25:].any()
    assert page.evaluate("scrollY") == scrolled
    context.close()


def test_the_keyboard_draws_moves_and_turns(page):
    clear(page)
    page.get_by_label(DRAWING).focus()
    for key in ["ArrowUp", "ArrowUp", " ", *["ArrowRight"] * 6, " ", *["ArrowRight"] * 5]:
        page.keyboard.press(key)
    row = drawn_row(page, 12)  # the pen began in the middle, at the corner of four pixels
    assert row[13:21].min() > 0.9
    assert not row[22:].any()
    page.keyboard.press("Shift+ArrowLeft")
    assert drawn_row(page, 12) == pytest.approx(np.append(row[1:], 0))
    page.keyboard.press("Shift+ArrowRight")
    drawing = act(page)["drawing"]
    for _ in range(6):
        page.keyboard.press("]")
    turned = act(page)["drawing"].reshape(28, 28)
    assert turned == pytest.approx(np.rot90(drawing.reshape(28, 28), -1), abs=1e-4)
    for _ in range(6):
        page.keyboard.press("[")
    assert act(page)["drawing"] == pytest.approx(drawing, abs=1e-4)
    page.keyboard.press("Delete")
    assert not act(page)["drawing"].any()


def test_the_eraser_takes_ink_away(page):
    act(page, "show", np.ones(784))
    page.get_by_role("button", name="Erase").click()
    page.mouse.move(*place(page, ".drawing", 0.2, 0.5))
    page.mouse.down()
    page.mouse.move(*place(page, ".drawing", 0.8, 0.5), steps=5)
    page.mouse.up()
    picture = act(page)["drawing"].reshape(28, 28)
    assert picture[13:15, 6:22].max() == 0
    assert picture[[10, 17]].min() == 1


def test_centre_moves_and_scales_as_in_mnist(page):
    clear(page)
    corner = np.zeros((28, 28))
    corner[1:11, 2:6] = 1
    act(page, "show", corner.ravel())
    page.get_by_role("button", name="Centre").click()
    picture = act(page)["drawing"].reshape(28, 28)
    height, width = (picture.max(axis=axis).sum() for axis in (1, 0))
    assert (height, width) == pytest.approx((20, 8))
    mass = picture.sum()
    for axis in (0, 1):
        centre = (picture.sum(axis=1 - axis) * np.arange(28)).sum() / mass
        assert centre == pytest.approx(14, abs=0.1)


def test_centre_leaves_digits_sharp_that_are_centred_already(page):
    centre = page.get_by_role("button", name="Centre and scale")
    for i in range(10):
        page.get_by_role("button", name=f"Test digit {i}").click()
        given = act(page)["drawing"]
        centre.click()
        once = act(page)["drawing"]
        assert np.sort(once) == pytest.approx(np.sort(given))
        centre.click()
        assert act(page)["drawing"] == pytest.approx(once)


def test_new_noise_is_offered_where_there_is_noise(page):
    renew = page.get_by_role("button", name="Draw new noise")
    for scale in ("0", "0.4"):
        page.get_by_label("Noise", exact=True).fill(scale)
        act(page)
        assert renew.is_enabled() == (scale != "0")


def test_dragging_a_code_value_changes_the_output_as_the_keras_decoder_says(page):
    before = act(page)["code"]
    page.mouse.move(*place(page, ".bars", 7.5 / 32, 0.9))
    page.mouse.down()
    page.mouse.move(*place(page, ".bars", 7.5 / 32, 0.25))
    page.mouse.up()
    found = act(page)
    changed = np.flatnonzero(np.abs(found["code"] - before) > 1e-6)
    assert list(changed) == [7]
    _, top = STORED["plain"].content["code"]
    assert found["code"][7] == pytest.approx(0.75 * top, rel=0.02)
    _, decoder = keras_halves("plain")
    assert np.abs(np.asarray(decoder(found["code"][None]))[0] - found["output"]).max() < 1e-3
    assert "The code is yours now" in page.locator("ae-playground .error").inner_text()
    page.get_by_role("button", name="Reset to the drawing's own code").click()
    assert act(page)["code"] == pytest.approx(before)


def test_code_values_are_sliders_for_the_keyboard(page):
    before = act(page)["code"]
    page.get_by_role("slider", name="Value 1 of 32").focus()
    page.keyboard.press("ArrowRight")
    for key in ("Delete", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    found = act(page)["code"]
    step = STORED["plain"].content["code"][1] / 20
    assert found[1] == pytest.approx(2 * step, rel=1e-5)
    assert np.delete(found, 1) == pytest.approx(np.delete(before, 1))
    slider = page.get_by_role("slider", name="Value 2 of 32")
    assert slider.get_attribute("aria-valuenow") == f"{2 * step:.1f}"


def test_a_code_of_two_numbers_is_a_plane_to_point_at_and_to_walk_on(served, digits):
    network = dense_autoencoder((), 2, seed=0, activation="linear")
    flat = export.PageNetwork("flat", network.encoder, network.decoder, digits)
    content = flat._repr_mimebundle_()[NETWORK]
    script = f"aeData.flat = {json.dumps(content)}"
    served.route(
        "**/flat.js", lambda route: route.fulfill(body=script, content_type="text/javascript")
    )
    served.evaluate(
        """() => {
            const it = document.createElement("ae-playground");
            it.setAttribute("networks", "flat.js");
            it.setAttribute("noise", "0");
            document.querySelector("ae-playground").replaceWith(it);
        }"""
    )
    served.locator(RUNNING).wait_for()
    limit = np.abs(content["code"]).max()
    served.mouse.click(*place(served, ".plane", 0.75, 0.25))
    found = act(served)
    assert found["code"] == pytest.approx([limit / 2, limit / 2], abs=limit / 50)
    expected = np.asarray(flat.decoder(found["code"][None]))[0]
    assert np.abs(found["output"] - expected).max() < 1e-3
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown"):
        served.keyboard.press(key)
    walked = found["code"] - act(served)["code"]
    assert walked == pytest.approx([limit / 10, limit / 20], rel=1e-4)
    assert served.locator("ae-playground .bars").is_hidden()


def test_noise_is_gaussian_cut_off_and_the_same_until_new_noise_is_asked_for(page):
    grey = np.full(784, 0.5)
    slider = page.get_by_label("Noise", exact=True)
    slider.fill("0.1")
    noisy = act(page, "show", grey)["input"]
    assert noisy.mean() == pytest.approx(0.5, abs=0.015)
    assert noisy.std() == pytest.approx(0.1, abs=0.01)
    within = np.mean(np.abs(noisy - 0.5) < 0.1)
    assert within == pytest.approx(0.683, abs=0.05)
    assert np.array_equal(act(page, "show", grey)["input"], noisy)
    page.get_by_role("button", name="Draw new noise").click()
    assert np.abs(act(page)["input"] - noisy).max() > 0.1
    slider.fill("1")
    extreme = act(page)["input"]
    assert (extreme.min(), extreme.max()) == (0, 1)


def test_the_denoiser_removes_noise_that_the_plain_network_keeps(page, digits):
    errors = {}
    page.get_by_label("Noise", exact=True).fill("0.4")
    for name in ("plain", "denoising"):
        choose(page, name)
        outputs = [act(page, "show", image)["output"] for image in digits.x_test[:10]]
        errors[name] = mse(digits.x_test[:10], outputs).mean()
    assert errors["denoising"] < errors["plain"] / 2


def test_what_is_painted_is_what_was_computed(page):
    found = act(page)
    for part, values in {".reconstruction": "output", ".drawing": "input"}.items():
        data = page.locator(f"ae-playground {part}").evaluate("it => it.toDataURL()")
        picture = Image.open(BytesIO(b64decode(data.partition(",")[2])))
        painted = np.asarray(picture.convert("L").resize((28, 28), Image.Resampling.BOX))
        assert np.abs(painted / 255 - found[values].reshape(28, 28)).max() < 0.01
