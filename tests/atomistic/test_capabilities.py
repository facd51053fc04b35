"""What models say about themselves: names, units, and what is refused."""

from __future__ import annotations

import math
import pickle

import pytest

from jaxmeta.atomistic import ModelCapabilities, ModelMetadata, ModelOutput
from jaxmeta.errors import InvalidError, InvalidTypeError


ENERGY = ModelOutput("eV", explicit_gradients=["positions", "strain"])


def capabilities(name: str = "energy", output: ModelOutput = ENERGY) -> ModelCapabilities:
    return ModelCapabilities({name: output}, [1, 8], 5.0, "angstrom")


@pytest.mark.parametrize(
    "name", ["energy", "energy/pbe", "mtt::x", "mtt::aux::x", "mtt::x/variant"]
)
def test_names_of_outputs_are_those_of_metatomic(name: str) -> None:
    assert list(capabilities(name).outputs) == [name]


@pytest.mark.parametrize("name", ["energies", "x y", "energy/", "", "::x", "feature/"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="no name of an output"):
        capabilities(name)


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("energy", ModelOutput("A"), "'energy' can not have this unit"),
        ("energy", ModelOutput("eV", "atom_pair"), "for each system or atom"),
        ("mass", ModelOutput("u", "system"), "for each atom"),
        ("charge", ModelOutput("e", explicit_gradients=["positions"]), "no such explicit"),
    ],
)
def test_standard_quantities_keep_their_meaning(
    name: str, output: ModelOutput, message: str
) -> None:
    with pytest.raises(InvalidError, match=message):
        capabilities(name, output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"energy": ENERGY}, [1, 1], 5.0), "stand once each"),
        (({"energy": ENERGY}, [-1], 5.0), "not negative"),
        (({"energy": ENERGY}, [1], -5.0), "interaction_range"),
        (({"energy": ENERGY}, [1], math.nan), "interaction_range"),
        (({"energy": ENERGY}, [1], 5.0, "eV"), "eV"),
        (({"energy": ENERGY}, [1], 5.0, "A", "float16"), "no dtype"),
        (({"energy": ENERGY}, [1], 5.0, "A", "float32", ["gpu"]), "no platform"),
    ],
)
def test_bad_capabilities_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        ModelCapabilities(*arguments)


def test_outputs_of_other_kinds_are_refused(wrong_types) -> None:
    with pytest.raises(InvalidTypeError, match="ModelOutput by name"):
        ModelCapabilities({"energy": "eV"}, [1], 5.0)
    with pytest.raises(InvalidError, match="no sample_kind"):
        ModelOutput(sample_kind="molecule")
    with pytest.raises(InvalidError, match="no explicit gradient"):
        ModelOutput(explicit_gradients=["forces"])


def test_the_interaction_range_in_other_units() -> None:
    assert capabilities().engine_interaction_range("nm") == pytest.approx(0.5)
    endless = ModelCapabilities({"energy": ENERGY}, [1], math.inf)
    assert endless.engine_interaction_range("bohr") == math.inf


def test_metadata_is_a_page() -> None:
    metadata = ModelMetadata(
        "ethanol",
        "words " * 40,
        ["A. Author <a@b.c>", "B. Author"],
        {"model": ["a paper"], "architecture": ["a book"]},
        {"trained on": "rMD17"},
    )
    page = str(metadata)
    assert page.startswith("The ethanol model\n=================\n\nwords")
    assert max(map(len, page.splitlines())) <= 80
    assert page.index("for the architecture") < page.index("for the model")
    assert page.endswith("- trained on: rMD17")
    assert pickle.loads(pickle.dumps(metadata)) == metadata
    with pytest.raises(InvalidError, match="no kind of reference"):
        ModelMetadata(references={"paper": ["x"]})


def test_metadata_is_made_of_texts(wrong_types) -> None:
    with pytest.raises(InvalidTypeError, match="made of texts"):
        ModelMetadata(authors="A. Author")
    with pytest.raises(InvalidTypeError, match="made of texts"):
        ModelMetadata(extra={"seed": 1})
