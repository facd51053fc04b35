"""Structures of ase as systems, and their reference results as labelled targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.layouts._precision import check_dtype, floating_dtype
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    MissingExtraError,
    choices,
    compose,
)


try:
    import ase
    from ase.stress import voigt_6_to_full_3x3_stress
except ImportError as error:
    raise MissingExtraError(__name__, "ase", "ase") from error

from jaxmeta.interop._ase_systems import to_system as to_system
from jaxmeta.interop._ase_systems import to_systems as to_systems


_ENERGY = Labels("energy", [[0]])


def read_targets(
    frames: ase.Atoms | Sequence[ase.Atoms],
    energy: str = "energy",
    forces: bool | str = True,
    stress: bool | str = False,
    virial: str | None = None,
    *,
    dtype: Any = "float64",
    info: Mapping[str, str] | None = None,
) -> TensorMap:
    r"""Energies of structures, with forces and stresses as their explicit gradients.

    Names are looked up in the results of the structure's calculator, then in
    ``atoms.info`` (forces: ``atoms.arrays``). Nothing is calculated. Units are those of
    the structures; ase has eV and angstrom.

    Values: the energies. Gradient ``positions``: :math:`\partial E / \partial r_a`, which
    is minus the forces. Gradient ``strain``: :math:`\partial E / \partial \epsilon_{ab}`,
    which is volume times stress, or minus the virial. This is the layout of metatrain.

    Arguments:
        frames: structures with their reference results.
        energy: name of the energy.
        forces: name of the forces, of shape (atoms, 3); True for ``"forces"``, False for
            none.
        stress: name of the stress, per volume: six components in ase's order (xx, yy,
            zz, yz, xz, xy), or 3x3; True for ``"stress"``, False for none.
        virial: name of the virial, 3x3, in place of `stress`.
        dtype: dtype of the values.
        info: the map's `info`, for instance units.

    Returns:
        One block, key ``_``; samples ``system``, one for each structure; property
        ``energy``. ``positions`` has samples ``sample, system, atom`` and component
        ``xyz``; ``strain`` has samples ``sample`` and components ``xyz_1, xyz_2``.

    Raises:
        MissingError: when a structure lacks a result; the message tells which one.
        InvalidError: for results of a wrong shape, results of other positions than the
            structure has now, or a stress without periodic boundary conditions.
        InvalidTypeError: for frames that are no structures of ase, what is no name, and no
            dtype of floating point numbers.
        PrecisionError: for float64 when JAX runs without x64.

    Example:
        >>> from ase import Atoms
        >>> from ase.calculators.singlepoint import SinglePointCalculator
        >>> water = Atoms("OHH", [[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]])
        >>> forces = [[0.0, 0.2, 0.0], [0.0, -0.1, 0.0], [0.0, -0.1, 0.0]]
        >>> water.calc = SinglePointCalculator(water, energy=-14.2, forces=forces)
        >>> targets = read_targets([water])
        >>> targets[0].values.tolist()
        [[-14.2]]
        >>> targets[0].gradient("positions").values[0].ravel().tolist()
        [-0.0, -0.2, -0.0]
    """
    structures = _checked_frames(frames)
    dtype = floating_dtype("read_targets", dtype)
    _check_names(energy=energy, forces=forces, stress=stress, virial=virial)
    if stress and virial:
        raise InvalidError(
            compose("read_targets: stress and virial are the same target: give one.")
        )
    otherwise = 'convert on purpose: read_targets(..., dtype="float32").'
    check_dtype(dtype, "read_targets", otherwise)
    gradients = {}
    if forces:
        name = "forces" if forces is True else forces
        gradients["positions"] = _positions(structures, name, dtype)
    if stress or virial:
        name = virial or ("stress" if stress is True else str(stress))
        gradients["strain"] = _strain(structures, name, virial is not None, dtype)
    energies = [_result(structures, i, energy, ()) for i in range(len(structures))]
    values = _array(np.reshape(energies, (-1, 1)), dtype)
    systems = Labels.range("system", len(structures))
    block = TensorBlock(values, systems, [], _ENERGY, gradients)
    return TensorMap(Labels.single(), [block], info)


def _checked_frames(frames: Any) -> Sequence[ase.Atoms]:
    given = (
        [frames]
        if isinstance(frames, ase.Atoms)
        else check_list("read_targets", "frames must be a list of structures", frames)
    )
    for index, frame in enumerate(given):
        if not isinstance(frame, ase.Atoms):
            raise InvalidTypeError(
                compose(
                    f"read_targets: frame {index} is no structure of ase.",
                    f"found {type(frame).__module__}.{type(frame).__name__}",
                )
            )
    return given


def _check_names(**names: Any) -> None:
    """Refuse what is no name of a result; all but the energy may be left out."""
    for argument, name in names.items():
        is_switch = isinstance(name, bool) and argument in ("forces", "stress")
        is_left_out = name is None and argument != "energy"
        if not (isinstance(name, str) or is_switch or is_left_out):
            raise InvalidTypeError(
                compose(
                    f"read_targets: {argument} is the name of a result.",
                    f"found {name!r:.100}, a {type(name).__name__}",
                )
            )


def _array(values: Any, dtype: Any) -> jax.Array:
    return jax.device_put(np.asarray(values, dtype))


def _positions(frames: Sequence[ase.Atoms], name: str, dtype: Any) -> TensorBlock:
    """Minus the forces on all atoms of all structures."""
    forces = [_result(frames, i, name, (len(frame), 3)) for i, frame in enumerate(frames)]
    rows = [(i, i, atom) for i, frame in enumerate(frames) for atom in range(len(frame))]
    return TensorBlock(
        _array(-np.concatenate([np.zeros((0, 3)), *forces])[..., None], dtype),
        Labels(["sample", "system", "atom"], rows, assume_unique=True),
        [Labels.range("xyz", 3)],
        _ENERGY,
    )


def _strain(
    frames: Sequence[ase.Atoms], name: str, is_virial: bool, dtype: Any
) -> TensorBlock:
    """Minus the virial, or volume times stress, of all structures."""
    found = [
        -_result(frames, i, name, (3, 3)) if is_virial else _work(frames, i, name)
        for i in range(len(frames))
    ]
    return TensorBlock(
        _array(np.reshape(found, (-1, 3, 3, 1)), dtype),
        Labels.range("sample", len(frames)),
        [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)],
        _ENERGY,
    )


def _work(frames: Sequence[ase.Atoms], index: int, name: str) -> np.ndarray:
    frame = frames[index]
    if not frame.pbc.all():
        raise InvalidError(
            compose(
                f"read_targets: frame {index} has no volume that a stress refers to.",
                f"its periodic boundary conditions are {frame.pbc.tolist()}",
                remedy="stress=False leaves it out; virial=... reads a virial instead.",
            )
        )
    stress = _lookup(frame, index, name)
    if stress.shape == (6,):
        stress = voigt_6_to_full_3x3_stress(stress)
    return frame.cell.volume * _shaped(stress, (3, 3), index, name)


def _result(
    frames: Sequence[ase.Atoms], index: int, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    return _shaped(_lookup(frames[index], index, name), shape, index, name)


def _shaped(found: np.ndarray, shape: tuple[int, ...], index: int, name: str) -> np.ndarray:
    if shape == (3, 3) and found.shape == (9,):
        found = found.reshape(3, 3)
    if found.shape != shape:
        raise InvalidError(
            compose(
                f"read_targets: {name!r} of frame {index} has another shape than it "
                "should.",
                f"found shape {found.shape}, expected {shape}",
            )
        )
    return found


def _lookup(frame: ase.Atoms, index: int, name: str) -> np.ndarray:
    results = dict(getattr(frame.calc, "results", {}))
    if name in results:
        _check_unchanged(frame, index, name)
    for place in (results, frame.info, frame.arrays):
        if name in place:
            return _numbers(place[name], index, name)
    there = [*results, *frame.info, *frame.arrays]
    raise MissingError(
        compose(
            f"read_targets: frame {index} has no {name!r}.",
            f"its formula is {frame.get_chemical_formula()}; {choices(name, there)}",
            remedy="give the name it has, as in energy=..., or leave the frame out.",
        )
    )


def _check_unchanged(frame: ase.Atoms, index: int, name: str) -> None:
    """Refuse results of a structure that was moved after they were computed."""
    check = getattr(frame.calc, "check_state", None)
    changes = check(frame) if check is not None else []
    if changes:
        raise InvalidError(
            compose(
                f"read_targets: {name!r} of frame {index} belongs to another structure.",
                f"changed since it was computed: {', '.join(changes)}",
                remedy="compute the frame again, or keep its results in atoms.info.",
            )
        )


def _numbers(value: Any, index: int, name: str) -> np.ndarray:
    found = np.asarray(value)
    if found.dtype.kind not in "fiu":
        raise InvalidTypeError(
            compose(
                f"read_targets: {name!r} of frame {index} is not made of real numbers.",
                f"found {value!r}",
            )
        )
    return found
