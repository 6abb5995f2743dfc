import numpy as np
from keras import ops
from scipy import special

from kerasae.entropy import log1mexp, log_ndtr
from tests.gradients import evaluate, gradients

LEFT = -np.geomspace(1e-4, 1e6, 400)
X = np.concatenate([LEFT, [-10.000001, -10.0, -9.999999, 0.0], np.linspace(0.01, 9, 100)]).astype("float32")


def test_log_ndtr_is_scipy_s():
    found = evaluate(log_ndtr, X)
    np.testing.assert_allclose(found, special.log_ndtr(X.astype("float64")), rtol=1e-5)


def test_the_gradient_of_log_ndtr_is_the_inverse_mills_ratio():
    x = X[X < 5].astype("float64")
    (found,) = gradients(lambda x: ops.sum(log_ndtr(x)), [x])
    # φ/Φ = √(2/π) / erfcx(−x/√2)
    np.testing.assert_allclose(found, np.sqrt(2 / np.pi) / special.erfcx(-x / np.sqrt(2)), rtol=2e-5)


def test_log1mexp_is_right_at_both_ends():
    x = np.concatenate([np.geomspace(1e-9, 80, 200), [np.log(2.0)]]).astype("float32")
    exact = x.astype("float64")
    expected = np.where(exact < 0.1, np.log(-np.expm1(-exact)), np.log1p(-np.exp(-exact)))
    np.testing.assert_allclose(evaluate(log1mexp, x), expected, rtol=2e-6)
    (found,) = gradients(lambda x: ops.sum(log1mexp(x)), [exact])
    np.testing.assert_allclose(found, 1 / np.expm1(exact), rtol=2e-5)
