"""Potentials: energies of systems as functions of batches, short enough to be read."""

from jaxmeta.potentials._potential import Potential as Potential
from jaxmeta.potentials.lennard_jones import LennardJones as LennardJones
from jaxmeta.potentials.linear_soap import LinearSoap as LinearSoap
from jaxmeta.potentials.message_passing import (
    EquivariantMessagePassing as EquivariantMessagePassing,
)
from jaxmeta.potentials.soap_mlp import SoapMLP as SoapMLP
from jaxmeta.potentials.sums import Sum as Sum
from jaxmeta.potentials.zbl import ZBL as ZBL
