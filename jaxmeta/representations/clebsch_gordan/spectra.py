"""Power spectra: products of two expansions, invariant or equivariant (lambda-SOAP)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.device._device_checks import mode
from jaxmeta.core.gradients._destinations import Capacity, Into, destination
from jaxmeta.core.labels._arguments import check_bool, check_list
from jaxmeta.core.layouts._layout import Dynamic, block_layout, layout
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.operations._arguments import check_map
from jaxmeta.operations.dimensions import rename_dimension
from jaxmeta.representations.clebsch_gordan._pairs_of_keys import sorted_degrees
from jaxmeta.representations.clebsch_gordan._products import Request, invariants_plan
from jaxmeta.representations.clebsch_gordan.products import check_selected, multiplied


def equivariant_power_spectrum(
    density_1: TensorMap,
    density_2: TensorMap | None = None,
    *,
    neighbors_to_properties: bool = False,
    neighbor_types: Sequence[int] | None = None,
    selected_keys: Labels | None = None,
    skip_redundant: bool = True,
    into: Into | None = None,
    capacity: Capacity | None = None,
) -> TensorMap:
    r"""All products of two expansions: the equivariant power spectrum, or lambda-SOAP.

    Values: those of `ClebschGordanProduct`, with ``l_1`` and ``l_2`` moved to the
    properties. Gradients: by the product rule, exactly, for all parameters.

    Arguments:
        density_1: a spherical expansion: keys ``o3_lambda``, ``o3_sigma``,
            ``neighbor_type`` and others, as ``center_type``, which are matched; component
            ``o3_mu``; property ``n``. With dynamic samples the neighbors must be among
            the properties already (and then ``neighbor_type`` is one of these), or all
            blocks have the same rows.
        density_2: the other expansion; the first one for None.
        neighbors_to_properties: move ``neighbor_type`` to the properties first. Else
            there is a block for each pair of neighbor types.
        neighbor_types: the types that properties have then, in this order; None for
            those that each expansion has. Blocks that are not there count as zero, and
            types that are not named are left out.
        selected_keys: the keys to compute, by some or all of the dimensions that they
            have before ``l_1`` and ``l_2`` move; None for all.
        skip_redundant: leave out products with ``l_1 > l_2``. Of a density with itself
            these say nothing new; of two different ones they do, and featomic leaves them
            out too.
        into: the samples of the result, needed for dynamic samples that are not packed as
            they should be, see `TensorMap.keys_to_properties`.
        capacity: room for samples and gradient rows, where they are dynamic.

    Returns:
        A map with keys ``o3_lambda, o3_sigma`` and those that the expansions have left,
        properties ``l_1, l_2, neighbor_1_type, n_1, neighbor_2_type, n_2`` where neighbors
        were moved, else ``l_1, l_2, n_1, n_2``.

    Raises:
        MissingError: for keys or properties that are not there.
        InvalidError, InvalidTypeError, NotEqualError, NestedGradientsError,
        DynamicSamplesError: as in `ClebschGordanProduct.compute`.

    Source: Grisafi, Wilkins, Csanyi, Ceriotti, Phys. Rev. Lett. 120, 036002 (2018);
    metadata and values are those of ``featomic.clebsch_gordan.EquivariantPowerSpectrum``.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> names = ["o3_lambda", "o3_sigma", "center_type", "neighbor_type"]
        >>> atoms, n = Labels(["system", "atom"], [[0, 0]]), Labels.range("n", 2)
        >>> blocks = [
        ...     TensorBlock(jnp.ones((1, 2 * l + 1, 2)), atoms, [Labels("o3_mu", mu)], n)
        ...     for l, mu in ((0, [[0]]), (1, [[-1], [0], [1]]))
        ... ]
        >>> density = TensorMap(Labels(names, [[0, 1, 8, 1], [1, 1, 8, 1]]), blocks)
        >>> spectrum = equivariant_power_spectrum(density, neighbors_to_properties=True)
        >>> spectrum.keys.names, spectrum.block(o3_lambda=1, o3_sigma=1).shape
        (['o3_lambda', 'o3_sigma', 'center_type'], (1, 3, 4))
        >>> spectrum.property_names
        ['l_1', 'l_2', 'neighbor_1_type', 'n_1', 'neighbor_2_type', 'n_2']
    """
    where = "equivariant_power_spectrum"
    density_2 = density_1 if density_2 is None else density_2
    asked, arrays = destination(where, into, capacity)
    request = _request(where, selected_keys, skip_redundant, asked)
    moves = check_bool(where, "neighbors_to_properties", neighbors_to_properties)
    types = _types(where, neighbor_types)
    left, right = (
        _numbered(where, density, i + 1, types, moves, into=into, capacity=capacity)
        for i, density in enumerate((density_1, density_2))
    )
    return multiplied(left, right, request, arrays)


def equivariant_power_spectrum_by_pair(
    density: TensorMap,
    pairs: TensorMap,
    *,
    neighbors_to_properties: bool = False,
    neighbor_types: Sequence[int] | None = None,
    selected_keys: Labels | None = None,
    skip_redundant: bool = True,
) -> TensorMap:
    r"""All products of an expansion and of each pair's own one.

    Values: those of `ClebschGordanProduct`, of the expansion around the first atom of each
    pair and the expansion of the pair, with ``l_1`` and ``l_2`` moved to the properties.
    Gradients: by the product rule, exactly. Samples must be static.

    Arguments:
        density: a spherical expansion, as in `equivariant_power_spectrum`, with keys
            ``center_type, neighbor_type`` and samples ``system, atom``.
        pairs: a spherical expansion by pair: keys ``o3_lambda, o3_sigma, first_atom_type,
            second_atom_type``, samples ``system, first_atom, second_atom, cell_shift_a,
            cell_shift_b, cell_shift_c``, property ``n``.
        neighbors_to_properties: move ``neighbor_type`` of the density to the properties.
        neighbor_types: the types that properties have then; None for those that are there.
        selected_keys: the keys to compute, by some or all of the dimensions that they
            have before ``l_1`` and ``l_2`` move; None for all.
        skip_redundant: leave out products with ``l_1 > l_2``, as featomic does, although
            they say more.

    Returns:
        A map with the samples of `pairs`, keys ``o3_lambda, o3_sigma, first_atom_type,
        second_atom_type`` and ``neighbor_1_type``, if that was not moved, and properties
        ``l_1, l_2``, ``neighbor_1_type`` if it was, ``n_1, n_2``.

    Raises:
        MissingError: for keys, samples or properties that are not there.
        InvalidError, InvalidTypeError, NotEqualError, NestedGradientsError,
        DynamicSamplesError: as in `ClebschGordanProduct.compute`.

    Source: metadata and values are those of
    ``featomic.clebsch_gordan.EquivariantPowerSpectrumByPair`` 0.6.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> def scalars(types, samples):  # a map with one block of degree 0
        ...     axes = samples, [Labels("o3_mu", [[0]])], Labels.range("n", 1)
        ...     block = TensorBlock(jnp.ones((len(samples), 1, 1)), *axes)
        ...     names = ["o3_lambda", "o3_sigma", *types]
        ...     return TensorMap(Labels(names, [[0, 1, 8, 1]]), [block])
        >>> atoms = Labels(["system", "atom"], [[0, 0]])
        >>> density = scalars(["center_type", "neighbor_type"], atoms)
        >>> bonds = Labels(["system", "first_atom", "second_atom"], [[0, 0, 1], [0, 0, 2]])
        >>> pairs = scalars(["first_atom_type", "second_atom_type"], bonds)
        >>> equivariant_power_spectrum_by_pair(density, pairs)[0].samples.values.tolist()
        [[0, 0, 1], [0, 0, 2]]
    """
    where = "equivariant_power_spectrum_by_pair"
    request = _request(where, selected_keys, skip_redundant, destination(where)[0])
    moves = check_bool(where, "neighbors_to_properties", neighbors_to_properties)
    types = _types(where, neighbor_types)
    check_map(where, density)
    check_map(where, pairs)
    _check_names(where, "keys", density.keys.names, ["center_type"])
    if len(density):
        _check_names(where, "samples", density.sample_names, ["atom"])
    density = rename_dimension(density, "keys", "center_type", "first_atom_type")
    density = _of_first_atoms(density)
    left = _numbered(where, density, 1, types, moves)
    right = _with_radial_number(where, pairs, 2)
    return multiplied(left, right, request)


def power_spectrum(
    density_1: TensorMap,
    density_2: TensorMap | None = None,
    *,
    neighbor_types: Sequence[int] | None = None,
    into: Into | None = None,
    capacity: Capacity | None = None,
) -> TensorMap:
    r"""The invariant power spectrum of two expansions.

    Values: :math:`p_{l, a n, b k} = (-1)^l / \sqrt{2 l + 1} \sum_m A_{l m, a n} B_{l m, b
    k}`, for all pairs of neighbor types :math:`a, b`. These are the products of degree
    zero, as `ClebschGordanProduct` has them. Gradients: by the product rule, exactly.

    Arguments:
        density_1: a spherical expansion, as in `equivariant_power_spectrum`.
        density_2: the other one, with the same names of keys; the first one for None.
        neighbor_types: the types that properties have, in this order; None for those that
            each expansion has, going upwards.
        into: the samples of the result, see `TensorMap.keys_to_properties`.
        capacity: room for samples and gradient rows, where they are dynamic.

    Returns:
        A map with keys ``center_type``, without components, with properties ``l,
        neighbor_1_type, n_1, neighbor_2_type, n_2``.

    Raises:
        MissingError: for keys or properties that are not there.
        InvalidError: for keys that the other map does not have, and as below.
        InvalidError, InvalidTypeError, NotEqualError, NestedGradientsError,
        DynamicSamplesError: as in `ClebschGordanProduct.compute`.

    Source: Bartok, Kondor, Csanyi, Phys. Rev. B 87, 184115 (2013); metadata and values are
    those of ``featomic.clebsch_gordan.PowerSpectrum`` 0.6.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> names = ["o3_lambda", "o3_sigma", "center_type", "neighbor_type"]
        >>> block = TensorBlock(
        ...     jnp.ones((1, 3, 1)), Labels(["system", "atom"], [[0, 0]]),
        ...     [Labels("o3_mu", [[-1], [0], [1]])], Labels.range("n", 1),
        ... )
        >>> density = TensorMap(Labels(names, [[1, 1, 8, 1]]), [block])
        >>> power_spectrum(density)[0].values.tolist()
        [[-1.732...]]
    """
    where = "power_spectrum"
    density_2 = density_1 if density_2 is None else density_2
    asked, arrays = destination(where, into, capacity)
    types = _types(where, neighbor_types)
    left, right = (
        _numbered(where, density, i + 1, wanted, True, into=into, capacity=capacity)
        for i, density, wanted in (
            (0, density_1, _own_types(density_1) if types is None else types),
            (1, density_2, _own_types(density_2) if types is None else types),
        )
    )
    if set(left.keys.names) != set(right.keys.names):
        raise InvalidError(
            compose(
                f"{where}: the two expansions have other names of keys.",
                f"the first has {density_1.keys.names}, the second {density_2.keys.names}",
            )
        )
    request = Request(where, ("l", "l"), moved=("l",), asked=asked, mode=mode())
    return multiplied(left, right, request, arrays, invariants_plan)


# Arguments ------------------------------------------------------------------------------


def _request(where: str, selected: Any, skip_redundant: Any, asked: Any) -> Request:
    skip = check_bool(where, "skip_redundant", skip_redundant)
    return Request(
        where,
        ("l_1", "l_2"),
        selected=check_selected(where, selected),
        keys_filter=sorted_degrees if skip else None,
        moved=("l_1", "l_2"),
        asked=asked,
        mode=mode(),
    )


def _numbered(
    where: str, density: Any, number: int, types: Labels | None, moves: bool, **room: Any
) -> TensorMap:
    """An expansion whose neighbors and properties have a number in their names."""
    check_map(where, density)
    density = _with_radial_number(where, density, number)
    name = f"neighbor_{number}_type"
    if "neighbor_type" in density.property_names:
        return rename_dimension(density, "properties", "neighbor_type", name)
    _check_names(where, "keys", density.keys.names, ["neighbor_type"])
    if not moves:
        return rename_dimension(density, "keys", "neighbor_type", name)
    wanted: Any = "neighbor_type" if types is None else types
    density = density.keys_to_properties(wanted, **room)
    return rename_dimension(density, "properties", "neighbor_type", name)


def _with_radial_number(where: str, density: TensorMap, number: int) -> TensorMap:
    """An expansion whose radial functions have a number."""
    if not len(density):  # nor any properties
        return density
    _check_names(where, "properties", density.property_names, ["n"])
    return rename_dimension(density, "properties", "n", f"n_{number}")


def _of_first_atoms(density: TensorMap) -> TensorMap:
    """The atoms of values as first atoms of pairs; those that gradients are by stay."""
    own = density._layout
    blocks = []
    for part in own.blocks:
        names = ["first_atom" if n == "atom" else n for n in part.sample_names]
        samples = part.samples
        if isinstance(samples, Labels):
            samples = Labels(names, samples.values, assume_unique=True)
        else:
            samples = Dynamic(tuple(names))
        blocks.append(
            block_layout(samples, part.components, part.properties, part.gradients)
        )
    return TensorMap._view(layout(own.keys, tuple(blocks), own.info), density._leaves)


def _own_types(density: Any) -> Labels | None:
    """The types of neighbors of an expansion, going upwards."""
    keys = getattr(density, "keys", None)
    if not isinstance(keys, Labels) or "neighbor_type" not in keys.names:
        return None
    return Labels("neighbor_type", np.unique(keys.column("neighbor_type"))[:, None])


def _types(where: str, types: Any) -> Labels | None:
    if types is None:
        return None
    found = check_list(where, "neighbor_types are integers", types)
    if not found:
        raise InvalidError(compose(f"{where}: there are no neighbor_types."))
    for one in found:
        if not isinstance(one, int | np.integer) or isinstance(one, bool):
            raise InvalidTypeError(
                compose(f"{where}: neighbor_types are integers.", f"found {one!r:.100}")
            )
    return Labels("neighbor_type", np.array(found, np.int64).reshape(-1, 1))


def _check_names(
    where: str, axis: str, names: Sequence[str], wanted: Sequence[str]
) -> None:
    for name in wanted:
        if name not in names:
            raise MissingError(
                compose(
                    f"{where}: the {axis} of an expansion have no dimension {name!r}.",
                    choices(name, names),
                )
            )
