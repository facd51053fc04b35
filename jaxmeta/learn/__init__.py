"""Losses and errors of predictions, and regression, with explicit gradients."""

from jaxmeta.learn.composition import Composition as Composition
from jaxmeta.learn.composition import composition_of as composition_of
from jaxmeta.learn.kernels.polynomial import PolynomialKernel as PolynomialKernel
from jaxmeta.learn.kernels.sparse import SparseGPR as SparseGPR
from jaxmeta.learn.losses import huber as huber
from jaxmeta.learn.losses import mae as mae
from jaxmeta.learn.losses import mse as mse
from jaxmeta.learn.ridge.accumulated import NormalEquations as NormalEquations
from jaxmeta.learn.ridge.model import Ridge as Ridge
from jaxmeta.learn.ridge.path import RidgePath as RidgePath
from jaxmeta.learn.scaler import Scaler as Scaler
from jaxmeta.learn.scores import Errors as Errors
from jaxmeta.learn.scores import metrics as metrics
from jaxmeta.learn.scores import r2 as r2
from jaxmeta.learn.scores import rmse as rmse
from jaxmeta.learn.selection.greedy import Selection as Selection
from jaxmeta.learn.selection.greedy import select_cur as select_cur
from jaxmeta.learn.selection.greedy import select_fps as select_fps
from jaxmeta.learn.selection.splits import split_data as split_data
from jaxmeta.learn.uncertainty import Uncertainty as Uncertainty
