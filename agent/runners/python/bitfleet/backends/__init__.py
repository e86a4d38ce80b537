"""Every library this runner knows; adding one is a file, a line here, and what it says of itself in descriptions.json."""

import json
import os
from importlib import import_module

#: Modules by the name before the `@`; each imports its library only where it looks for it or opens it.
modules = {"numpy": "numpy_backend", "pytorch": "torch_backend", "jax": "jax_backend"}


def find_backend(name):
    return import_module(f"{__name__}.{modules[name]}")


def read_description(name):
    """Title, kernels and knobs of a library, as `shared/backend-description.ts` has them."""
    with open(os.path.join(os.path.dirname(__file__), "descriptions.json"), encoding="utf-8") as file:
        return json.load(file)[name]
