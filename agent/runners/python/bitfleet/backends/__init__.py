"""Every library this runner knows; adding one is a file and a line here."""
from importlib import import_module

#: Modules by the name before the `@`; each imports its library only where it looks for it or opens it.
modules = {"numpy": "numpy_backend", "pytorch": "torch_backend", "jax": "jax_backend"}


def find_backend(name):
    return import_module(f"{__name__}.{modules[name]}")
