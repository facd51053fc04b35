"""Data sets of labelled arrays, batches of one shape, and a loader for training."""

from jaxmeta.data.capacities import Bucket as Bucket
from jaxmeta.data.capacities import buckets as buckets
from jaxmeta.data.collating import Collate as Collate
from jaxmeta.data.collating import collate as collate
from jaxmeta.data.collating import fill as fill
from jaxmeta.data.datasets import Dataset as Dataset
from jaxmeta.data.datasets import IndexedDataset as IndexedDataset
from jaxmeta.data.disk import DiskDataset as DiskDataset
from jaxmeta.data.disk import save_dataset as save_dataset
from jaxmeta.data.grouping import group as group
from jaxmeta.data.grouping import group_and_join as group_and_join
from jaxmeta.data.loader import Loader as Loader
