"""What a row's rank depends on beyond the row, gathered over a whole dump in little memory."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.instants import all_seconds
from models.scoring import Context, count_earlier

Doubles = NDArray[np.float64]
CODES = ("customer_code", "moment", "customer_value")  # the columns that `DumpContext.add` needs
_NAMELESS = -1
_MICRO = 1_000_000
_UNDATED = np.iinfo(np.int64).min
_PARTS = 32  # customers are counted in so many parts, so that sorting them never takes memory for all at once
_SHIFT = 44  # keeps exponent and 8 bits of a double: values within 0.4% share a bin


def coded(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return `rows` with two more columns: customers as whole numbers, alike in every process, and microseconds."""
    seconds = all_seconds(rows.column("created_at").to_pylist())
    moments = np.rint(np.nan_to_num(seconds) * _MICRO).astype(np.int64)
    codes = [_NAMELESS if name is None else _code(name) for name in rows.column("customer_id").to_pylist()]
    moments = np.where(np.isnan(seconds), _UNDATED, moments)
    return rows.append_column("customer_code", pa.array(codes, pa.int64())).append_column("moment", pa.array(moments))


def _code(customer: str) -> int:
    return int.from_bytes(blake2b(customer.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True)
class Places:
    """Where the value of a customer stands in the dump: the share of values below each bin of them."""

    below: Doubles

    def of(self, rows: pa.RecordBatch, earlier: NDArray[np.uint8], now: float) -> Context:
        """Return the context of `rows`, of whose customers so many `earlier` texts are known."""
        values = _doubles(rows, "customer_value")
        known = ~np.isnan(values)
        percentile = np.full(len(values), np.nan)
        percentile[known] = self.below[_bins(values[known])]
        return Context(percentile, earlier.astype(np.float64), now)


class DumpContext:
    """Customers, times and values of all rows of a dump, 16 bytes a row, added in their order."""

    def __init__(self, window_days: float) -> None:
        self._window_days = window_days
        self._customers: list[NDArray[np.int64]] = []
        self._moments: list[NDArray[np.int64]] = []  # microseconds since 1970
        self._values = np.zeros(1 << (63 - _SHIFT), np.int64)

    def add(self, rows: pa.RecordBatch) -> None:
        """Take the next rows in; of their columns, `CODES` are needed."""
        self._customers.append(rows.column("customer_code").to_numpy())
        self._moments.append(rows.column("moment").to_numpy())
        values = _doubles(rows, "customer_value")
        np.add.at(self._values, _bins(values[~np.isnan(values)]), 1)

    def close(self) -> tuple[NDArray[np.uint8], Places]:
        """Return how many earlier texts each row's customer has in the window (255 at most), and the values' places."""
        customers, moments = (
            np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (self._customers, self._moments)
        )
        self._customers, self._moments = [], []
        earlier = np.zeros(len(customers), np.uint8)
        for part in range(_PARTS):
            rows = np.flatnonzero((customers % _PARTS == part) & (customers != _NAMELESS) & (moments != _UNDATED))
            count = count_earlier(customers[rows], moments[rows] / _MICRO, self._window_days)
            earlier[rows] = np.minimum(count, 255)
        before = np.cumsum(self._values) - self._values
        return earlier, Places((before + self._values / 2) / max(int(self._values.sum()), 1))


def _bins(values: Doubles) -> NDArray[np.int64]:
    """Return the bin of each value >= 0: a double's bits, read as a whole number, grow with it."""
    return (values + 0.0).view(np.int64) >> _SHIFT


def _doubles(rows: pa.RecordBatch, column: str) -> Doubles:
    return np.asarray(rows.column(column).to_numpy(zero_copy_only=False), np.float64)
