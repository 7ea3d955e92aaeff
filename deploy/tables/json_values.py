"""Values of Arrow tables as JSON has them, for files of `regionlake sql` and answers of the service."""

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal


def json_value(value: object) -> object:
    """What JSON can have: times as ISO 8601, what is no number (NaN, infinity) as null, bytes as hexadecimal digits.

    Durations are in seconds. Values within lists and structs are converted, too.
    """
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case bytes():
            return value.hex()
        case dict():
            return {str(key): json_value(each) for key, each in value.items()}
        case list() | tuple():
            return [json_value(each) for each in value]
    return str(value)
