"""Reading what a plan wrote of a workload; the same rules as workloads/params.ts, with the same defaults."""

import re

from .errors import BitfleetError
from .streams import data_kinds

float_dtypes = ("f64", "f32", "f16", "bf16")
max_elements = 2**28


class Param:
    """`check` says what is wrong with a value, or nothing; without a default, a parameter may be left out."""

    def __init__(self, check, default=None):
        self.check = check
        self.default = default


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def whole(low, high, default=None):
    def check(value):
        fits = _is_number(value) and value == int(value) and low <= value <= high
        return None if fits else f"must be a whole number from {low} to {high}"

    return Param(check, default)


def number(fits, words, default):
    return Param(lambda value: None if _is_number(value) and fits(value) else f"must be {words}", default)


def choice(values, default):
    return Param(lambda value: None if value in values else f"must be one of {', '.join(values)}", default)


def _check_domain(value):
    fits = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]
    return None if fits else "a domain is [low, high] with low below high"


def _check_input(value):
    required, optional = {"file", "digest"}, {"dtype", "shape"}
    fits = isinstance(value, dict) and required <= set(value) <= required | optional
    fits = fits and re.fullmatch("sha256:[0-9a-f]{64}", str(value["digest"]))
    return None if fits else "must be { file, digest }, or { file, digest, dtype, shape }"


domain = Param(_check_domain)
pinned = Param(_check_input)
dtype = choice(float_dtypes, "f32")
extent = whole(1, max_elements)
length = whole(0, max_elements)


def data(default="uniform"):
    return choice(data_kinds, default)


def parse_params(workload, params, written, beside=()):
    """What was written, with defaults.

    `beside` lists pairs of an input and the parameters that are the array's own where it is given.
    Raises `usage`, naming all that is wrong.
    """
    issues = []
    unknown = [name for name in written if name not in params]
    if unknown:
        issues.append(f'parameters: there is no parameter "{", ".join(unknown)}"; it takes {", ".join(params)}')
    for name, param in params.items():
        issue = param.check(written[name]) if name in written else None
        if issue:
            issues.append(f"{name}: {issue}")
    for given, others in beside:
        for other in others:
            if given in written and other in written:
                issues.append(f'{other}: "{other}" is the array\'s own where "{given}" is given; leave one of them out')
    if issues:
        raise BitfleetError("usage", f"{workload}: {'; '.join(issues)}")
    return {name: written.get(name, param.default) for name, param in params.items()}
