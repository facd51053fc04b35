"""Functions of one sample's array that hold parameters: what the modules are made of.

A layer takes an array with one axis for each component and one for the properties, as a
block without its samples. It says beforehand what shape it gives, so that labels are known
without running it, and what is wrong with what it gets.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.nn._shapes import Shape, traced_shape


class Layer(eqx.Module):
    """A function of one sample's array whose result has a shape that is known."""

    @abstractmethod
    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """The array that it makes of one sample's array; `key` is not used."""

    @abstractmethod
    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        """Shape of the result; raises, by the name `where`, for what it can not take."""


def shape_after(where: str, layer: Any, shape: Shape, dtype: Any) -> Shape | None:
    """Shape of what any function of one sample's array gives; None if that is no array."""
    if isinstance(layer, Layer):
        return layer._shape_after(where, shape, dtype)
    return traced_shape(where, layer, shape, dtype)


def layer_of(function: Any) -> Any:
    """The function as a tree whose leaves are arrays, as far as that can be known."""
    if isinstance(function, functools.partial):
        return Partial(layer_of(function.func), function.args, function.keywords)
    if callable(function) and jax.tree_util.all_leaves([function]):
        return Plain(function)
    return function


class Plain(Layer):
    """A function without arrays: it is static, so that modules have arrays alone."""

    function: Callable[..., Any] = eqx.field(static=True)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        return self.function(x)

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        return traced_shape(where, self.function, shape, dtype)


class Partial(Layer):
    """A function with some arguments, whose arrays are leaves."""

    function: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        function = self.function
        # Those of users take more than one argument.
        function = function.function if isinstance(function, Plain) else function
        return function(*self.arguments, x, **self.keywords)

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        return traced_shape(where, self, shape, dtype)


class Elementwise(Plain):
    """A function of every number."""

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        return shape


class Identity(Layer):
    """What comes in goes out."""

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        return x

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        return shape


class Affine(Layer):
    """A matrix along the properties, the same for all components, and a bias."""

    weight: Any
    bias: Any

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        along = (((x.ndim - 1,), (1,)), ((), ()))
        result = jax.lax.dot_general(x, self.weight, along)
        return result if self.bias is None else result + _along_last(self.bias, x.ndim)

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        outputs, inputs = self.weight.shape
        check_features(where, shape, inputs)
        _check_dtype(where, dtype, self.weight)
        return (*shape[:-1], outputs)


class Normalisation(Layer):
    """All numbers of a sample by their standard deviation; then weights and a bias."""

    weight: Any
    bias: Any
    in_features: int = eqx.field(static=True)
    eps: float = eqx.field(static=True)
    mean: bool = eqx.field(static=True)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        centred = x - jnp.mean(x)
        variance = jnp.mean(jnp.square(centred))
        result = (centred if self.mean else x) / jnp.sqrt(variance + self.eps)
        if self.weight is not None:
            result = result * _along_last(self.weight, x.ndim)
        return result if self.bias is None else result + _along_last(self.bias, x.ndim)

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        check_features(where, shape, self.in_features)
        if self.weight is not None:
            _check_dtype(where, dtype, self.weight)
        return shape


class Chain(Layer):
    """Layers after one another."""

    layers: tuple[Any, ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        found: Shape | None = shape
        for i, (layer, name) in enumerate(zip(self.layers, self.names, strict=True)):
            if found is None:
                return None
            found = shape_after(f"{where}, step {i} ({name})", layer, found, dtype)
        return found


class Covariant(Layer):
    """A function of the norms over components multiplies the sample."""

    module: Any

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        return self.module(_norms(x)) * x

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        if len(shape) == 1:
            raise InvalidError(
                compose(
                    f"{where}: a block that is not invariant must have components.",
                    f"one sample has the shape {shape}",
                    remedy="invariant_keys=Labels(...) says which blocks are invariant.",
                )
            )
        norms = (*[1] * (len(shape) - 1), shape[-1])
        found = shape_after(where, self.module, norms, dtype)
        if found is not None and found != norms:
            raise InvalidError(
                compose(
                    f"{where}: the module of a block that is not invariant must keep the "
                    "shape of the norms.",
                    f"from norms of shape {norms} it makes {found}",
                    remedy="a linear map before or after changes the number of properties.",
                )
            )
        return shape


class Sized(Layer):
    """A function with the numbers of properties that it was said to take and give."""

    module: Any
    in_features: int = eqx.field(static=True)
    out_features: int | None = eqx.field(static=True)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        return self.module(x)

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        check_features(where, shape, self.in_features)
        found = shape_after(where, self.module, shape, dtype)
        if found and self.out_features is not None and found[-1] != self.out_features:
            raise InvalidError(
                compose(
                    f"{where}: the module gives another number of properties.",
                    f"it gives {found[-1]}, out_features={self.out_features}",
                )
            )
        return found


class EachComponent(Layer):
    """A function of one vector of properties, applied to every component of a sample.

    The modules of `equinox.nn` take vectors. A sample with components has one vector for
    each of them; all go through the same module, as they would in torch.

    Arguments:
        module: a function from an array of shape ``(properties,)`` to a vector.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp
        >>> linear = eqx.nn.Linear(2, 4, key=jax.random.key(0))
        >>> EachComponent(linear)(jnp.ones((3, 2))).shape
        (3, 4)
    """

    module: Any

    def __init__(self, module: Callable[..., Any]) -> None:
        self.module = layer_of(module)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """The results of all components, with the same axes in front."""
        function: Any = lambda properties: self.module(properties)  # noqa: E731
        for _ in range(x.ndim - 1):
            function = jax.vmap(function)
        return function(x)

    def _shape_after(self, where: str, shape: Shape, dtype: Any) -> Shape | None:
        found = shape_after(where, self.module, shape[-1:], dtype)
        return None if found is None else (*shape[:-1], *found)


def _norms(x: Any) -> Any:
    """Norms over all components; at zero their derivative is zero, as that of the result.

    The norms multiply what they are the norms of, so that at zero their derivative does
    not matter, as long as it is a number.
    """
    squares = jnp.sum(jnp.square(x), axis=range(x.ndim - 1), keepdims=True)
    zero = squares == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squares)))


def _along_last(vector: Any, ndim: int) -> Any:
    return vector.reshape(*[1] * (ndim - 1), -1)


# Checks ---------------------------------------------------------------------------------


def check_features(where: str, shape: Shape, in_features: int) -> None:
    """Refuse another number of properties than was said."""
    if shape[-1:] != (in_features,):
        found = str(shape[-1]) if shape else "none"
        raise InvalidError(
            compose(
                f"{where}: the module takes another number of properties.",
                f"there are {found}, the module has in_features={in_features}",
                remedy="in_features can be a list, with a number for each key of in_keys.",
            )
        )


def _check_dtype(where: str, dtype: Any, weight: Any) -> None:
    if dtype != weight.dtype:
        raise InvalidTypeError(
            compose(
                f"{where}: the dtypes differ.",
                f"the values are {dtype}, the parameters of the module {weight.dtype}",
                remedy="give the module dtype=... when it is made; or convert the map: "
                "tensor.to(dtype=...).",
            )
        )
