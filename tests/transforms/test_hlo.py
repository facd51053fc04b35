"""Under jit, an operation is the program that one would have written by hand."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from benchmarks._by_hand import Case, cases


CASES = {case.name: case for case in cases()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_optimised_program_is_the_same_text(case: Case) -> None:
    ours, by_hand = case.programs
    assert "ROOT" in ours
    assert ours == by_hand


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_numbers_are_the_same(case: Case) -> None:
    arrays = jax.tree.leaves(case.tensors)
    ours = jax.tree.leaves(case.operation(*case.tensors))
    by_hand = jax.jit(lambda *leaves: tuple(case.by_hand(*leaves)))(*arrays)
    for a, b in zip(ours, by_hand, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_other_programs_differ() -> None:
    """The comparison sees differences: of operations, and of the rows that are taken."""
    texts = [program for case in CASES.values() for program in set(case.programs)]
    assert len(set(texts)) == len(CASES)
