"""A law's terms and their second derivatives are those of its formula."""

import numpy as np
import pytest

from analysis.fits.estimator import LEAST_SQUARES, Estimator, Loss, Residual
from analysis.fits.points import clean_points
from analysis.fits.problem import Problem
from analysis.laws.chinchilla import CHINCHILLA, loss


def chinchilla_problem(estimator: Estimator = LEAST_SQUARES) -> Problem:
    params, tokens = np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 4))
    inputs = np.column_stack([params.ravel(), tokens.ravel()])
    truth = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}
    observed = loss(inputs[:, 0], inputs[:, 1], values=truth)
    return Problem(CHINCHILLA, clean_points(inputs, observed, [str(i) for i in range(16)]),
                   estimator)  # fmt: skip


def test_a_steep_term_keeps_its_height_at_every_scale() -> None:
    problem = chinchilla_problem()
    exponents = np.array([[9.0, 0.2]])
    rows = np.exp(-np.einsum("npq,bq->bpn", problem.features, exponents))
    np.testing.assert_allclose(problem.basis(exponents), rows, rtol=1e-12)


def test_the_hessian_is_the_derivative_of_the_gradient() -> None:
    problem = chinchilla_problem()
    theta = np.array([0.5, 0.4, 0.3, 0.5, 0.2])
    steps = 1e-5 * np.eye(5)
    weights = np.ones((5, 16))
    above = problem.expand(theta + steps, weights, np.inf).gradient
    below = problem.expand(theta - steps, weights, np.inf).gradient
    own = problem.expand(theta[None], weights[:1], np.inf).hessian[0]
    # Central differences are good to the square of their step.
    np.testing.assert_allclose(own, (above - below) / 2e-5, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("residual", list(Residual))
def test_bends_are_the_derivatives_of_the_jacobian(residual: Residual) -> None:
    problem = chinchilla_problem(Estimator(loss=Loss.SQUARES, residual=residual))
    theta = np.array([0.5, 0.4, 0.3, 0.5, 0.2])
    slopes = np.random.default_rng(0).standard_normal((1, 16))
    steps = 1e-5 * np.eye(5)
    above, below = problem.jacobian(theta + steps), problem.jacobian(theta - steps)
    expected = np.einsum("kmn,n->km", (above - below) / 2e-5, slopes[0])
    own = problem.bends(theta[None], slopes)[0]
    np.testing.assert_allclose(own, expected, rtol=1e-6, atol=1e-7)
    moved = (problem.residuals(theta + steps) - problem.residuals(theta - steps)) / 2e-5
    np.testing.assert_allclose(problem.jacobian(theta[None])[0], moved, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("width", [1e-3, np.inf])
def test_points_objectives_add_up_to_those_of_resamples(width: float) -> None:
    problem = chinchilla_problem()
    theta = np.array([0.5, 0.4, 0.3, 0.5, 0.2])
    weights = np.random.default_rng(0).poisson(1.0, (40, 16)).astype(float)
    added = problem.expand(np.tile(theta, (16, 1)), np.eye(16), width).added_up(weights)
    alone = problem.expand(np.tile(theta, (40, 1)), weights, width)
    for name in ("value", "gradient", "hessian", "majorant"):
        np.testing.assert_allclose(getattr(added, name), getattr(alone, name), rtol=1e-12)
