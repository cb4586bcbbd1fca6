"""What a row's rank depends on beyond the row, gathered over a whole dump in little memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.instants import all_seconds
from models.scoring import Context, count_earlier

Doubles = NDArray[np.float64]
_NAMELESS = -1
_MICRO = 1_000_000
_UNDATED = np.iinfo(np.int64).min
_PARTS = 32  # customers are counted in so many parts, so that sorting them never takes memory for all at once
_SHIFT = 44  # keeps exponent and 8 bits of a double: values within 0.4% share a bin


class DumpContext:
    """Customers, times and values of all rows of a dump, 16 bytes a row, and the context of any stretch of them."""

    def __init__(self, window_days: float) -> None:
        self._window_days = window_days
        self._customers: list[NDArray[np.int64]] = []
        self._moments: list[NDArray[np.int64]] = []  # microseconds since 1970
        self._values = np.zeros(1 << (63 - _SHIFT), np.int64)
        self._earlier = np.zeros(0, np.uint8)
        self._below = np.zeros(0)

    def add(self, rows: pa.RecordBatch) -> None:
        """Take the next rows in."""
        customers = rows.column("customer_id").to_pylist()
        codes = [_NAMELESS if customer is None else hash(customer) & 0x7FFFFFFFFFFFFFFF for customer in customers]
        self._customers.append(np.array(codes, np.int64))
        seconds = all_seconds(rows.column("created_at").to_pylist())
        moments = np.rint(np.nan_to_num(seconds) * _MICRO).astype(np.int64)
        self._moments.append(np.where(np.isnan(seconds), _UNDATED, moments))
        values = _doubles(rows, "customer_value")
        np.add.at(self._values, _bins(values[~np.isnan(values)]), 1)

    def close(self) -> None:
        """Count; `of` may be asked from now on."""
        customers, moments = (
            np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (self._customers, self._moments)
        )
        self._customers, self._moments = [], []
        self._earlier = np.zeros(len(customers), np.uint8)
        for part in range(_PARTS):
            rows = np.flatnonzero((customers % _PARTS == part) & (customers != _NAMELESS) & (moments != _UNDATED))
            count = count_earlier(customers[rows], moments[rows] / _MICRO, self._window_days)
            self._earlier[rows] = np.minimum(count, 255)
        before = np.cumsum(self._values) - self._values
        self._below = (before + self._values / 2) / max(int(self._values.sum()), 1)

    def of(self, rows: pa.RecordBatch, numbers: NDArray[np.int64], now: float) -> Context:
        """Return the context of `rows`, which are the dump's rows `numbers`, counted from 0."""
        values = _doubles(rows, "customer_value")
        known = ~np.isnan(values)
        percentile = np.full(len(values), np.nan)
        percentile[known] = self._below[_bins(values[known])]
        return Context(percentile, self._earlier[numbers].astype(np.float64), now)


def _bins(values: Doubles) -> NDArray[np.int64]:
    """Return the bin of each value >= 0: a double's bits, read as a whole number, grow with it."""
    return (values + 0.0).view(np.int64) >> _SHIFT


def _doubles(rows: pa.RecordBatch, column: str) -> Doubles:
    return np.asarray(rows.column(column).to_numpy(zero_copy_only=False), np.float64)
