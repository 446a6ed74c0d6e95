"""Small systems are solved where they can be, and a bent objective is still descended."""

import numpy as np
from numpy.typing import NDArray

from analysis.fits.newton import minimise, solve_definite
from analysis.fits.problem import Expansion
from analysis.laws.law import Array


def test_definite_systems_are_solved_and_others_named() -> None:
    rng = np.random.default_rng(0)
    half = rng.standard_normal((50, 5, 7))
    matrices = half @ half.transpose(0, 2, 1)
    matrices[10] -= 2 * np.linalg.eigvalsh(matrices[10])[0] * np.eye(5)  # lowest eigenvalue < 0
    matrices[20] = np.outer(np.arange(1.0, 6.0), np.arange(1.0, 6.0))  # singular
    right = rng.standard_normal((50, 5))
    solution, is_definite = solve_definite(matrices, right)
    assert np.flatnonzero(~is_definite).tolist() == [10, 20]
    expected = np.linalg.solve(matrices[is_definite], right[is_definite][:, :, None])[:, :, 0]
    # Condition numbers reach 1e4, of which elimination may lose the digits.
    np.testing.assert_allclose(solution[is_definite], expected, rtol=1e-9)


def test_solving_one_system_leaves_it_as_it_was() -> None:
    matrix, right = np.array([[[2.0, 1.0], [1.0, 3.0]]]), np.array([[3.0, 4.0]])
    solution, _ = solve_definite(matrix, right)
    np.testing.assert_allclose(solution, [[1.0, 1.0]])
    assert matrix.tolist() == [[[2.0, 1.0], [1.0, 3.0]]]
    assert right.tolist() == [[3.0, 4.0]]


def test_a_start_on_a_saddle_s_side_descends_to_a_minimum() -> None:
    def expand(theta: Array, rows: NDArray[np.int64]) -> Expansion:  # noqa: ARG001
        """Expand (x^2 - 1)^2 + y^2 + 1, which bends downwards near x = 0."""
        x, y = theta.T
        hessian = np.zeros((len(theta), 2, 2))
        hessian[:, 0, 0], hessian[:, 1, 1] = 12 * x**2 - 4, 2.0
        return Expansion(
            value=(x**2 - 1) ** 2 + y**2 + 1,
            gradient=np.stack([4 * x * (x**2 - 1), 2 * y], axis=1),
            hessian=hessian,
            majorant=np.full_like(theta, 8.0),
        )

    starts = np.array([[0.1, 3.0], [-0.01, 1.0], [2.0, 0.0]])
    free = np.full(2, np.inf)
    found = minimise(expand, starts, -free, free)
    assert found.converged.all()
    np.testing.assert_allclose(found.theta, [[1, 0], [-1, 0], [1, 0]], atol=1e-6)
