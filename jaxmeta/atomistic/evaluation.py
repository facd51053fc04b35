"""evaluate: what a model gives for a batch, with explicit gradients where asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic._quantities import STRAIN, XYZ, asked_gradients
from jaxmeta.atomistic.batches import Batch, check_batch
from jaxmeta.autodiff import Parameter, with_gradients
from jaxmeta.core import PADDING, DynamicLabels, Labels, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


def evaluate(
    model: Callable[[Batch], TensorMap],
    batch: Batch,
    *,
    gradients: Sequence[str] = (),
    selected_atoms: Labels | None = None,
    second: Sequence[str] = (),
) -> TensorMap:
    r"""What a model gives for a batch, with its derivatives as explicit gradient blocks.

    Values: those of ``model(batch)``.

    Gradient ``positions``: :math:`\partial E / \partial r_a`, minus the forces, for each
    atom of the system a sample belongs to, at constant cell. Gradient ``strain``:
    :math:`\partial E / \partial \epsilon_{ab}`, volume times stress, where positions and
    cell become :math:`(1 + \epsilon)` times themselves. Both come from one pass backwards,
    and can be compiled and differentiated again, by the parameters of the model. This is
    the layout of metatrain's targets.

    Arguments:
        model: gives a map with samples ``system`` for a batch; without explicit gradients.
        batch: the systems, with the neighbour lists that the model asks for.
        gradients: which to give, ``"positions"``, ``"strain"`` or both.
        selected_atoms: labels ``system, atom``: only these atoms have environments, see
            `Batch.select`. Outside of traced functions.
        second: gradients of gradients, as for `jaxmeta.autodiff.with_gradients`; static
            batches only.

    Returns:
        The map of the model. ``positions`` has samples ``sample, system, atom`` and
        component ``xyz``; ``strain`` has samples ``sample`` and components
        ``xyz_1, xyz_2``. In batches with padding the samples are dynamic.

    Raises:
        InvalidError: for other gradients, for results whose samples are no systems where
            gradients are asked for, and for results with gradients of their own.
        InvalidTypeError: for what is no model or no batch, gradients that are no names,
            and models that give no map.
        MissingError: for selected atoms that are not there.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> from jaxmeta.atomistic.batching import to_batch
        >>> from jaxmeta.atomistic.systems import System
        >>> def springs(batch):  # half the squared distances from the origin
        ...     each = 0.5 * jnp.sum(batch.positions**2, axis=1)
        ...     energies = jnp.zeros(batch.n_systems, each.dtype).at[batch.owners].add(each)
        ...     energy = Labels.range("energy", 1)
        ...     block = TensorBlock(energies[:, None], batch.systems, [], energy)
        ...     return TensorMap(Labels.single(), [block])
        >>> dimer = System([[0.0, 0, 1], [0, 0, 2]], [1, 1])
        >>> energy = evaluate(springs, to_batch([dimer]), gradients=["positions"])
        >>> energy[0].values.tolist()
        [[2.5]]
        >>> energy[0].gradient("positions").values[..., 0].tolist()
        [[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]
    """
    asked = asked_gradients("evaluate", gradients)
    _check(model, batch)
    if selected_atoms is not None:
        batch = batch.select(selected_atoms)
    if not asked:
        return _checked(model(batch))
    parameters = {name: _PARAMETERS[name](batch) for name in asked}

    def of(positions: Any = None, strain: Any = None) -> TensorMap:
        moved = batch if positions is None else batch.replace(positions=positions)
        tensor = _checked(model(moved if strain is None else moved.strained(strain)))
        _check_systems(tensor)
        return tensor

    return with_gradients(of, parameters, second=second)


def _of_positions(batch: Batch) -> Parameter:
    return Parameter(batch.positions, batch.atoms, [XYZ], owner="system")


def _of_strain(batch: Batch) -> Parameter:
    """No strain: one for each system, which has no label besides its sample."""
    values = jnp.zeros((batch.n_systems, 3, 3), batch.positions.dtype)
    if not isinstance(batch.systems, DynamicLabels):
        owner: Any = np.arange(batch.n_systems, dtype=np.int32)
        return Parameter(values, None, STRAIN, owner=owner)
    is_padding = jnp.asarray(batch.systems.values)[:, 0] == PADDING
    # The number of systems may be a symbol.
    owner = jnp.where(is_padding, PADDING, jnp.arange(batch.n_systems, dtype=np.int32))
    return Parameter(values, None, STRAIN, owner=owner)


_PARAMETERS = {"positions": _of_positions, "strain": _of_strain}


def _check(model: Any, batch: Any) -> None:
    if not callable(model):
        raise InvalidTypeError(
            compose(
                "evaluate: the model is a function of batches.",
                f"found {type(model).__name__}",
            )
        )
    check_batch("evaluate", batch)


def _checked(tensor: Any) -> TensorMap:
    if not isinstance(tensor, TensorMap):
        raise InvalidTypeError(
            compose(
                "evaluate: the model must give a TensorMap.",
                f"found {type(tensor).__name__}",
            )
        )
    return tensor


def _check_systems(tensor: TensorMap) -> None:
    names = tensor.sample_names
    if names != ["system"]:
        raise InvalidError(
            compose(
                "evaluate: gradients are those of results for each system.",
                f"the samples of the model's result are {names}",
                remedy='sum them first, as in sum_over_samples(result, "atom").',
            )
        )
