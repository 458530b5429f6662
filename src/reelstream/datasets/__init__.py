"""Where ratings and films come from: known layouts, a download, or a simulation."""

from reelstream.datasets.dataset import Dataset
from reelstream.datasets.detection import detect, detect_file
from reelstream.datasets.download import fetch_movielens
from reelstream.datasets.films import CatalogRead
from reelstream.datasets.headers import ColumnNames
from reelstream.datasets.row_parser import CsvRow
from reelstream.datasets.rows import RatingRows
from reelstream.datasets.simulation import simulate

__all__ = [
    "CatalogRead",
    "ColumnNames",
    "CsvRow",
    "Dataset",
    "RatingRows",
    "detect",
    "detect_file",
    "fetch_movielens",
    "simulate",
]
