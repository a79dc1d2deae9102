from aehelpers import metrics
import keras
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

TARGET = np.array([[0.0, 1.0, 0.5, 0.25], [1.0, 1.0, 0.0, 0.0]])
OUTPUT = np.array([[0.1, 0.8, 0.5, 0.5], [0.9, 1.0, 0.0, 0.3]])


def test_binary_cross_entropy_agrees_with_keras_for_each_image():
    expected = np.asarray(keras.losses.binary_crossentropy(TARGET, OUTPUT))
    np.testing.assert_allclose(metrics.bce(TARGET, OUTPUT), expected, rtol=1e-5)


def test_squared_error_is_averaged_over_pixels_and_kept_per_image():
    np.testing.assert_allclose(metrics.mse(TARGET, OUTPUT), [0.028125, 0.025])


def test_floor_of_a_half_grey_image_is_ln_2_and_of_black_and_white_zero():
    assert metrics.bce_floor(np.full((1, 3), 0.5)) == pytest.approx(np.log(2))
    assert metrics.bce_floor(np.eye(3)) == pytest.approx(0, abs=1e-6)


def test_mean_image_comes_from_the_training_images():
    np.testing.assert_allclose(metrics.mean_image(TARGET, OUTPUT[:1]), [[0.5, 1, 0.25, 0.125]])


def test_variance_explained_is_one_for_a_copy_and_zero_for_the_mean():
    mean = np.broadcast_to(TARGET.mean(axis=0), TARGET.shape)
    assert metrics.variance_explained(TARGET, TARGET) == 1
    assert metrics.variance_explained(TARGET, mean) == pytest.approx(0)


def test_a_pixel_that_is_the_same_in_all_targets_does_not_count_whatever_its_value():
    for value in (0.0, 0.1, 0.5):  # the mean of three times 0.1 is not 0.1
        target = np.array([[value, 0], [value, 1], [value, 0]])
        assert metrics.variance_explained(target, target + np.array([0.5, 0])) == 1
        mean = [[0, 1 / 3]] * 3
        assert metrics.variance_explained(target, mean) == pytest.approx(0)


def test_pca_loses_what_the_singular_values_left_out_hold():
    data = np.random.default_rng(0).normal(3, 1, (20, 6))
    lost = np.linalg.svd(data - data.mean(axis=0), compute_uv=False)[2:]
    error = metrics.mse(data, metrics.pca_reconstruction(data, data, 2)).sum() * 6
    assert error == pytest.approx((lost**2).sum())


def test_code_statistics_count_exact_zeros_only():
    codes = np.array([[0.0, 1e-9, 2.0], [0.0, 0.0, 4.0], *[[0.0, 0.0, 3.0]] * 2])
    found = metrics.code_statistics(codes)
    assert found == pytest.approx(
        {"mean": 1.0, "sd": codes.std(), "zeros": 7 / 12, "active": 5 / 4, "dead": 1}
    )


def test_kl_is_summed_over_latents_and_kept_per_image():
    mean, log_var = [[1, 2], [0, 0]], [[0, np.log(4)], [0, 0]]
    expected = [1 / 2 + (4 + 4 - 1 - np.log(4)) / 2, 0]
    np.testing.assert_allclose(metrics.kl_to_standard_normal(mean, log_var), expected)


def test_kl_agrees_with_numerical_integration():
    posterior, prior = norm(1.5, np.sqrt(0.3)), norm()
    expected, _ = quad(
        lambda x: posterior.pdf(x) * (posterior.logpdf(x) - prior.logpdf(x)), -10, 10
    )
    np.testing.assert_allclose(metrics.kl_to_standard_normal([[1.5]], [[np.log(0.3)]]), [expected])


def test_kl_of_shapes_that_differ_or_of_values_that_are_not_finite_is_refused_by_name():
    with pytest.raises(ValueError, match=r"log_var: expected the mean's shape \(1, 2\), got \(1,"):
        metrics.kl_to_standard_normal([[0, 0]], [[0]])
    with pytest.raises(ValueError, match="log_var: expected finite numbers"):
        metrics.kl_to_standard_normal([[0]], [[np.inf]])


@pytest.mark.parametrize("measure", [metrics.bce, metrics.mse, metrics.variance_explained])
def test_shapes_that_differ_are_refused_by_name(measure):
    with pytest.raises(ValueError, match="reconstruction: expected the target's shape"):
        measure(TARGET, OUTPUT[:1])
    with pytest.raises(ValueError, match=r"images: expected shape \(n, 4\), got \(2, 3\)"):
        metrics.mean_image(TARGET, OUTPUT[:, :3])


@pytest.mark.parametrize("images", [TARGET[0], TARGET[np.newaxis], TARGET[:0], TARGET[:, :0]])
def test_anything_but_images_in_rows_is_refused_by_name(images):
    with pytest.raises(ValueError, match=r"target: expected shape \(n, pixels\), got") as error:
        metrics.mse(images, images)
    assert str(images.shape) in str(error.value)


@pytest.mark.parametrize(
    ("target", "output", "message"),
    [
        (TARGET * 255, OUTPUT, r"target: expected values in \[0, 1\], got 0 to 255"),
        (TARGET - 0.01, OUTPUT, r"target: expected values in \[0, 1\], got -0.01 to 0.99"),
        (TARGET, OUTPUT + 0.01, r"reconstruction: expected values in \[0, 1\], got 0.01 to 1.01"),
    ],
)
def test_cross_entropy_of_values_outside_the_unit_interval_is_refused(target, output, message):
    with pytest.raises(ValueError, match=message):
        metrics.bce(target, output)


def test_images_that_are_all_alike_are_their_own_reconstruction():
    alike = np.full((3, 2), 0.5)
    np.testing.assert_array_equal(metrics.pca_reconstruction(alike, alike, 1), alike)


def test_as_many_components_as_pixels_copy_and_one_component_is_a_line():
    data = np.random.default_rng(0).normal(3, 1, (20, 6))
    np.testing.assert_allclose(metrics.pca_reconstruction(data, data, 6), data)
    line = metrics.pca_reconstruction(data, data, 1)
    assert np.linalg.matrix_rank(line - data.mean(axis=0)) == 1


@pytest.mark.parametrize("shape", [(20, 6), (6, 20)])
def test_components_that_there_are_not_are_refused(shape):
    data = np.random.default_rng(0).normal(3, 1, shape)
    with pytest.raises(ValueError, match="code_size: expected 1 to 6 components, got 7"):
        metrics.pca_reconstruction(data, data, 7)


@pytest.mark.parametrize("value", [0.5, 0.1])  # the mean of three 0.1 is not quite 0.1
def test_images_that_are_all_alike_have_no_variance_to_explain(value):
    alike = np.full((3, 2), value)
    with pytest.raises(ValueError, match="target: expected images that differ, got 3 alike"):
        metrics.variance_explained(alike, alike)


def test_images_that_hardly_differ_have_no_variance_either_but_those_of_one_grey_each_have():
    for images in ([[1, 2]], [[1e-200], [2e-200]]):
        with pytest.raises(ValueError, match="target: expected images that differ"):
            metrics.variance_explained(images, images)
    for images in ([[1, 0], [1, 2]], [[1, 1], [2, 2]]):
        assert metrics.variance_explained(images, images) == 1


def test_numbers_may_be_as_large_as_their_squares_allow():
    assert metrics.mse([[1e100]], [[0]]).tolist() == [1e200]
    with pytest.raises(ValueError, match=r"target: expected numbers up to 1e\+100, got 1.1e\+100"):
        metrics.mse([[1.1e100]], [[0]])
    assert np.isfinite(metrics.kl_to_standard_normal([[0]], [[600]])).all()
    with pytest.raises(ValueError, match="log_var: expected logarithms up to 600, got 601"):
        metrics.kl_to_standard_normal([[0]], [[601]])
