"""Derivatives of functions: of scalars by trees of arrays, of maps as gradient blocks."""

from jaxmeta.autodiff.blocks import with_gradients as with_gradients
from jaxmeta.autodiff.ownership import assert_owners as assert_owners
from jaxmeta.autodiff.parameters import Parameter as Parameter
from jaxmeta.autodiff.scalars import grad as grad
from jaxmeta.autodiff.scalars import value_and_grad as value_and_grad
