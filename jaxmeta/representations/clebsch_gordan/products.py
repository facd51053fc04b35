"""Clebsch-Gordan products of maps."""

from __future__ import annotations

from typing import Any

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.device._device_checks import mode
from jaxmeta.core.layouts._precision import check_inexact, check_same_dtype
from jaxmeta.core.plans._plans import plan_for
from jaxmeta.core.plans._results import bare, run
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.operations._arguments import check_map
from jaxmeta.representations.clebsch_gordan._pairs_of_keys import KeysFilter
from jaxmeta.representations.clebsch_gordan._products import Request, product_plan
from jaxmeta.representations.clebsch_gordan.coefficients import check_degree


class ClebschGordanProduct:
    r"""Products of blocks that rotate as spherical harmonics, for each degree they have.

    Values: for each pair of blocks of degrees :math:`l_1, l_2` whose shared keys agree, and
    each :math:`\lambda` from :math:`|l_1 - l_2|` to :math:`l_1 + l_2`, the block
    :math:`T^\lambda_{s \mu (pq)} = (-1)^{l_1 + l_2 + \lambda} \sum_{m_1 m_2} C_{m_1 m_2
    \mu} A_{s m_1 p} B_{s m_2 q}` with the `cg_coefficients`, and :math:`\sigma = \sigma_1
    \sigma_2 (-1)^{l_1 + l_2 + \lambda}`.

    Gradients: by the product rule, :math:`\nabla T = \nabla A\, B + A\, \nabla B`, with the
    union of their rows; gradients of gradients with static samples as in `multiply`.

    Arguments:
        max_angular: the largest degree that products may need: that of both maps together,
            or the largest selected one. It is a bound that is checked; coefficients are
            made when they are needed.
        keys_filter: takes the keys of all products (those selected, where some are), and
            gives the positions of the ones to keep. Give a function with a name: each new
            one is planned anew.

    Source: keys, samples, components, properties and values are those of
    ``featomic.clebsch_gordan.ClebschGordanProduct`` 0.6, which has no gradients.

    Raises:
        InvalidError: for a negative degree.
        InvalidTypeError: for a degree that is no integer, or a filter that is no function.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[1, 1]])
        >>> mu, atoms = Labels("o3_mu", [[-1], [0], [1]]), Labels.range("atom", 1)
        >>> a, b = (
        ...     TensorMap(keys, [TensorBlock(values, atoms, [mu], Labels.range(name, 1))])
        ...     for name, values in (("n", jnp.ones((1, 3, 1))), ("k", jnp.ones((1, 3, 1))))
        ... )
        >>> product = ClebschGordanProduct(max_angular=2).compute(a, b, "l_1", "l_2")
        >>> product.keys.names, product.keys.column("o3_lambda").tolist()
        (['o3_lambda', 'o3_sigma', 'l_1', 'l_2'], [0, 1, 2])
        >>> product.block(o3_lambda=0).values.ravel().tolist()
        [-1.732...]
    """

    def __init__(self, max_angular: int, keys_filter: KeysFilter | None = None) -> None:
        self.max_angular = check_degree("ClebschGordanProduct", "max_angular", max_angular)
        if keys_filter is not None and not callable(keys_filter):
            raise InvalidTypeError(
                compose(
                    "ClebschGordanProduct: keys_filter is a function of keys, or None.",
                    f"found {keys_filter!r:.100}",
                )
            )
        self.keys_filter = keys_filter

    def compute(
        self,
        tensor_1: TensorMap,
        tensor_2: TensorMap,
        o3_lambda_1_new_name: str,
        o3_lambda_2_new_name: str,
        selected_keys: Labels | None = None,
    ) -> TensorMap:
        """The products of the blocks of two maps.

        Key dimensions that both maps have are matched; for all others every pair is
        multiplied. Where samples of two blocks differ, the result has the union of their
        rows, and is zero where one of them has none; where the names of one are some of
        the other's, as those of atoms are of pairs, it has the rows of the other that are
        in both. Samples that are dynamic, and dynamic rows of gradients, must be the same
        rows in the same order on both sides, as they are for all degrees of an expansion
        once its neighbors are among the properties; else the numbers are NaN.

        Arguments:
            tensor_1: keys with ``o3_lambda`` and ``o3_sigma``, one component ``o3_mu``, of
                floating point numbers.
            tensor_2: such a map of the same dtype, with other names of properties.
            o3_lambda_1_new_name: the key dimension that will hold the degree of the first
                block.
            o3_lambda_2_new_name: the same for the second one.
            selected_keys: the keys to compute, by some or all dimensions of the result;
                None for all.

        Returns:
            A map with keys ``o3_lambda, o3_sigma``, shared keys, others of the first map,
            its degree, others of the second one, its degree; properties are all pairs of
            properties, those of the second map counting fastest.

        Raises:
            MissingError: for maps without ``o3_lambda`` or ``o3_sigma``, and selected
                dimensions that are not there.
            InvalidError: for components of another shape, names that stand twice, samples
                that can not be matched, degrees above `max_angular`.
            InvalidTypeError: for anything but maps of floating point numbers, and for
                dtypes that differ.
            NotEqualError: for gradients by one parameter with other labels.
            NestedGradientsError: as in `multiply`.
            DynamicSamplesError: for dynamic samples next to static ones, or of other names.
        """
        request = Request(
            "ClebschGordanProduct",
            (
                _name("o3_lambda_1_new_name", o3_lambda_1_new_name),
                _name("o3_lambda_2_new_name", o3_lambda_2_new_name),
            ),
            self.max_angular,
            check_selected("ClebschGordanProduct", selected_keys),
            self.keys_filter,
            mode=mode(),
        )
        return multiplied(tensor_1, tensor_2, request)

    __call__ = compute


def multiplied(
    tensor_1: Any,
    tensor_2: Any,
    request: Request,
    arrays: tuple[Any, ...] = (),
    build: Any = product_plan,
) -> TensorMap:
    """What a request gives for two maps; `arrays` are what its destination brings."""
    for tensor in (tensor_1, tensor_2):
        check_map(request.where, tensor)
        check_inexact(request.where, tensor, "the coefficients")
    check_same_dtype(request.where, tensor_1, tensor_2, ("the first map", "the second map"))
    other = bare(tensor_2._layout)
    plan = plan_for(bare(tensor_1._layout), build, other, request)
    return run(plan, tensor_1, [tensor_2], arrays)


def check_selected(where: str, selected: Any) -> Labels | None:
    """Keys that are wanted: labels, or None for all."""
    if selected is not None and not isinstance(selected, Labels):
        raise InvalidTypeError(
            compose(
                f"{where}: selected_keys are Labels, or None for all keys.",
                f"found {type(selected).__name__}",
            )
        )
    return selected


def _name(argument: str, name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidTypeError(
            compose(
                f"ClebschGordanProduct: {argument} is a string.", f"found {name!r:.100}"
            )
        )
    return name
