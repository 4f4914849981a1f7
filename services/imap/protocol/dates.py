"""INTERNALDATE from the column of the API (`columns.proto`): UTC seconds << 16 | zone in minutes.

    date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE

Rendered in bulk: the arithmetic is numpy's, the texts of days, minutes and
zones are kept.
"""

import datetime
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
MINUTES = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(1440))
SECONDS = tuple(b"%02d" % second for second in range(60))
EPOCH = datetime.date(1970, 1, 1)
# Days that have a year of four digits.
FIRST_DAY = (datetime.date(1, 1, 1) - EPOCH).days
LAST_DAY = (datetime.date(9999, 12, 31) - EPOCH).days


def texts(internal_dates: NDArray[Any]) -> list[bytes]:
    """Each date, without quotes."""
    values = internal_dates.astype(np.int64)
    zones = (values & 0xFFFF).astype(np.uint16).astype(np.int16).astype(np.int64)
    days, seconds = np.divmod((values >> 16) + zones * 60, 86400)
    minutes, seconds = np.divmod(seconds, 60)
    rows = zip(days.tolist(), minutes.tolist(), seconds.tolist(), zones.tolist(), strict=True)
    return [_day(day) + MINUTES[minute] + SECONDS[second] + _zone(zone) for day, minute, second, zone in rows]


@functools.lru_cache(maxsize=16_384)
def _day(day: int) -> bytes:
    date = EPOCH + datetime.timedelta(min(max(day, FIRST_DAY), LAST_DAY))
    return b"%2d-%b-%04d " % (date.day, MONTHS[date.month - 1], date.year)


@functools.lru_cache(maxsize=4096)
def _zone(minutes: int) -> bytes:
    sign = b"-" if minutes < 0 else b"+"
    return b" %b%02d%02d" % (sign, *divmod(min(abs(minutes), 99 * 60 + 59), 60))
