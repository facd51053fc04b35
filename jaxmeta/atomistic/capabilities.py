"""What a model is, what it gives, and what it can be used for."""

from __future__ import annotations

import dataclasses
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmeta.atomistic._quantities import GRADIENTS, STANDARD
from jaxmeta.atomistic.units import unit_conversion_factor
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.errors import InvalidError, InvalidTypeError, choices, compose


SAMPLE_KINDS = ("system", "atom", "atom_pair")
_DTYPES = ("float32", "float64")
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_REFERENCES = ("implementation", "architecture", "model")
_OWN_NAME = re.compile(r"\w[\w-]*(::\w[\w-]*)+(/\w[\w-]*)?")
_WIDTH = 80
_TEXTS = "texts must be lists of strings"


@dataclasses.dataclass(frozen=True)
class ModelOutput:
    """One output of a model: its unit, and what its rows are.

    Arguments:
        unit: as `unit_conversion_factor` reads it; "" for numbers, and for values that
            are never converted.
        sample_kind: ``"system"``, ``"atom"`` or ``"atom_pair"``.
        explicit_gradients: ``"positions"`` and ``"strain"``, where the values come with
            these gradients.
        description: for people.

    Raises:
        InvalidError: for what is none of these; InvalidTypeError for other types.

    Example:
        >>> ModelOutput("eV", explicit_gradients=["positions"]).explicit_gradients
        ('positions',)
    """

    unit: str = ""
    sample_kind: str = "system"
    explicit_gradients: Sequence[str] = ()
    description: str = ""

    def __post_init__(self) -> None:
        unit_conversion_factor(self.unit, self.unit)
        _check_choice("ModelOutput", "sample_kind", self.sample_kind, SAMPLE_KINDS)
        names = _chosen(
            "ModelOutput", "explicit gradient", self.explicit_gradients, GRADIENTS
        )
        object.__setattr__(self, "explicit_gradients", names)
        if not isinstance(self.description, str):
            raise InvalidTypeError(
                compose(
                    "ModelOutput: a description is a text.",
                    f"found {self.description!r:.100}",
                )
            )


@dataclasses.dataclass(frozen=True)
class ModelCapabilities:
    """What a model gives, for which atoms, how far it sees, and where it runs.

    Arguments:
        outputs: by name: a standard quantity of metatomic (``"energy"``), a variant of one
            (``"energy/pbe"``), or one's own, ``"domain::name"``.
        atomic_types: the types that the model knows.
        interaction_range: how far a result for an atom depends on others: the cutoff, its
            multiple in message passing, infinity for long-range models.
        length_unit: of positions, cells and cutoffs.
        dtype: ``"float32"`` or ``"float64"``.
        platforms: where it runs, the best first.

    Raises:
        InvalidError: for names, units, ranges, types and choices that are none;
            InvalidTypeError for other types.

    Example:
        >>> capabilities = ModelCapabilities(
        ...     {"energy": ModelOutput("eV")}, [1, 6, 8], 5.0, "angstrom"
        ... )
        >>> capabilities.engine_interaction_range("nm")
        0.5
    """

    outputs: Mapping[str, ModelOutput]
    atomic_types: Sequence[int]
    interaction_range: float
    length_unit: str = "angstrom"
    dtype: str = "float64"
    platforms: Sequence[str] = ("cpu",)

    def __post_init__(self) -> None:
        for name, output in _items("ModelCapabilities: the outputs", self.outputs):
            _check_output(name, output)
        object.__setattr__(self, "outputs", dict(self.outputs))
        object.__setattr__(self, "atomic_types", _checked_types(self.atomic_types))
        object.__setattr__(self, "interaction_range", _range(self.interaction_range))
        unit_conversion_factor(self.length_unit, "m")
        _check_choice("ModelCapabilities", "dtype", self.dtype, _DTYPES)
        names = _chosen("ModelCapabilities", "platform", self.platforms, _PLATFORMS)
        object.__setattr__(self, "platforms", names)

    def engine_interaction_range(self, length_unit: str) -> float:
        """The interaction range in the unit of whoever runs the model."""
        if math.isinf(self.interaction_range):
            return math.inf
        factor = unit_conversion_factor(self.length_unit, length_unit)
        return self.interaction_range * factor


@dataclasses.dataclass(frozen=True)
class ModelMetadata:
    """Who made a model, what it is, and what to cite. Printed, it is a page for people.

    Arguments:
        name: of the model.
        description: what it is for, and what it was trained on.
        authors: names, with addresses if they wish.
        references: lists of what to cite, under ``"implementation"``,
            ``"architecture"`` and ``"model"``.
        extra: anything else, text by name.

    Raises:
        InvalidError: for other kinds of references; InvalidTypeError for what is no text.

    Example:
        >>> print(ModelMetadata("ethanol", authors=["A. Author"]))
        The ethanol model
        =================
        <BLANKLINE>
        Authors
        -------
        - A. Author
    """

    name: str = ""
    description: str = ""
    authors: Sequence[str] = ()
    references: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        references = _items("ModelMetadata: the references", self.references)
        extra = [text for _, text in _items("ModelMetadata: extra", self.extra)]
        lists = [self.authors, *(texts for _, texts in references)]
        for texts in [[self.name, self.description], *lists, extra]:
            _check_texts(texts)
        for kind in self.references:
            _check_choice("ModelMetadata", "kind of reference", kind, _REFERENCES)
        frozen = {kind: tuple(texts) for kind, texts in self.references.items()}
        object.__setattr__(self, "authors", tuple(self.authors))
        object.__setattr__(self, "references", frozen)
        object.__setattr__(self, "extra", dict(self.extra))

    def __str__(self) -> str:
        title = f"The {self.name} model" if self.name else "A model without a name"
        parts = [f"{title}\n{'=' * len(title)}"]
        if self.description:
            parts.append(textwrap.fill(self.description, _WIDTH))
        if self.authors:
            parts.append(_listed("Authors", self.authors))
        for kind in _REFERENCES:
            if self.references.get(kind):
                parts.append(_listed(f"Please cite, for the {kind}", self.references[kind]))
        if self.extra:
            parts.append(_listed("More", [f"{k}: {v}" for k, v in self.extra.items()]))
        return "\n\n".join(parts)


def _listed(title: str, texts: Sequence[str]) -> str:
    lines = [
        textwrap.fill(text, _WIDTH, initial_indent="- ", subsequent_indent="  ")
        for text in texts
    ]
    return "\n".join([title, "-" * len(title), *lines])


def _items(what: str, given: Any) -> list[tuple[Any, Any]]:
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            compose(
                f"{what} must be a dictionary.",
                f"found {given!r:.100}, a {type(given).__name__}",
            )
        )
    return list(given.items())


def _check_texts(texts: Any) -> None:
    found = [] if isinstance(texts, str) else check_list("ModelMetadata", _TEXTS, texts)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in found):
        raise InvalidTypeError(
            compose("ModelMetadata: everything is made of texts.", f"found {texts!r:.100}")
        )


def _chosen(where: str, what: str, given: Any, valid: Sequence[str]) -> tuple[str, ...]:
    """Words of which each is valid; one alone is no list of them."""
    found = [given] if isinstance(given, str) else given
    for each in check_list(where, f"{what}s must be a list of names", found):
        _check_choice(where, what, each, valid)
    return tuple(found)


def _check_choice(where: str, what: str, given: object, valid: Sequence[str]) -> None:
    if not isinstance(given, str) or given not in valid:
        raise InvalidError(
            compose(f"{where}: {given!r} is no {what}.", choices(given, valid))
        )


def _refuse(what: str, must: str, given: object) -> None:
    raise InvalidError(
        compose(f"ModelCapabilities: {what} {must}.", f"found {given!r:.100}")
    )


def _range(given: Any) -> float:
    number = isinstance(given, int | float | np.integer | np.floating)
    if not number or isinstance(given, bool):
        raise InvalidTypeError(
            compose(
                "ModelCapabilities: interaction_range must be a number.",
                f"found {given!r:.100}, a {type(given).__name__}",
            )
        )
    if not given >= 0:
        _refuse("interaction_range", "is not negative", given)
    return float(given)


def _checked_types(types: Sequence[int]) -> tuple[int, ...]:
    found = []
    for each in check_list("ModelCapabilities", "atomic_types must be a list", types):
        if not isinstance(each, int | np.integer) or isinstance(each, bool) or each < 0:
            _refuse("atomic_types", "are integers that are not negative", each)
        found.append(int(each))
    if len(set(found)) != len(found):
        _refuse("atomic_types", "stand once each", found)
    return tuple(found)


def _check_output(name: Any, output: Any) -> None:
    if not isinstance(name, str) or not isinstance(output, ModelOutput):
        raise InvalidTypeError(
            compose(
                "ModelCapabilities: the outputs are ModelOutput by name.",
                f"found {name!r}: {type(output).__name__}",
            )
        )
    quantity, slash, variant = name.partition("/")
    if quantity in STANDARD and bool(slash) == bool(variant):
        _check_standard(name, output)
    elif not _OWN_NAME.fullmatch(name):
        raise InvalidError(
            compose(
                f"ModelCapabilities: {name!r} is no name of an output.",
                choices(name, STANDARD),
                remedy='names of your own look like "domain::name", variants like '
                '"energy/pbe".',
            )
        )


def _check_standard(name: str, output: ModelOutput) -> None:
    """The unit, samples and gradients that engines expect of a standard quantity."""
    known = STANDARD[name.partition("/")[0]]
    where = f"ModelCapabilities: {name!r}"
    if output.sample_kind not in known.sample_kinds:
        raise InvalidError(
            compose(
                f"{where} is a result for each {' or '.join(known.sample_kinds)}.",
                f"found sample_kind {output.sample_kind!r}",
            )
        )
    if not set(output.explicit_gradients) <= set(known.gradients):
        raise InvalidError(
            compose(
                f"{where} has no such explicit gradients.",
                f"found {list(output.explicit_gradients)}, possible are "
                f"{list(known.gradients)}",
            )
        )
    try:
        unit_conversion_factor(output.unit, known.unit)
    except InvalidError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InvalidError(compose(f"{where} can not have this unit.", reason)) from error
