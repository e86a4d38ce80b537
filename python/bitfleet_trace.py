# SPDX-License-Identifier: Apache-2.0
"""Traces the bits of a PyTorch or Keras training loop, in three lines of the script that trains.

    import bitfleet_trace                                  # 1
    trace = bitfleet_trace.watch(model)                    # 2, once the model is made, loaded and moved
    ...
        loss.backward(); optimizer.step()
        trace.step(loss)                                   # 3, at the end of each step

With Keras, line 3 is `model.fit(..., callbacks=[trace.keras()])`, or `trace.step(loss, gradients=gradients)` in a loop
of one's own. Nothing is traced, and nothing is loaded, unless the variable BITFLEET_OUT names the folder to write to.

One file, for CPython 3.9 or newer, of the standard library alone: install it, or copy it beside the script.
"""

import atexit
import ctypes
import fnmatch
import hashlib
import itertools
import json
import os
import platform
import re
import struct
import sys

__version__ = "0.1.0"
__all__ = ["TraceError", "parameter", "seed", "watch"]

#: Tensors of a step are held in memory until it ends, or until they are this many bytes: then a file is written.
_held_bytes = 256 << 20
#: Bitfleet reads files of up to 1 GiB.
_tensor_bytes = (1 << 30) - (1 << 20)


class TraceError(Exception):
    """What kept a training from being traced; the message says what to do."""


# --- what a script calls ---------------------------------------------------------------------------------------------


def watch(
    model,
    *,
    every=1,
    steps=None,
    activations=True,
    gradients=True,
    weights=True,
    at_end=True,
    only=None,
):
    """Begins the trace of a model: writes its weights as step 0, and gives what `step` is called on.

    model        a torch.nn.Module, a Keras model, or several of one kind as {"name": model}
    every        the first step is traced, and each whose number is a multiple of this
    steps        the numbers of the steps to trace, from 1 on, instead of `every`
    activations  results of modules that have no children, or parameters of their own; "all": of every module
    gradients    as the backward pass leaves them: before they are clipped, unscaled, or averaged among processes
    weights      parameters and buffers, at first and after each traced step
    at_end       the weights as the program leaves them, with the role `output`
    only         a pattern, or several: names that match none of them are left out ("forward/*", "*/conv1/*")

    Without BITFLEET_OUT the result does nothing. Raises TraceError if the model is of neither kind, or the folder
    cannot be written or has a trace in it.
    """
    folder = os.environ.get("BITFLEET_OUT", "")
    if folder == "":
        return _Idle(model)
    if os.environ.get("RANK", "0") != "0":
        return _Idle(model)  # one of several processes of one training: the first alone is traced, and says so
    models = dict(model) if isinstance(model, dict) else {"": model}
    kinds = [_kind_of(one) for one in models.values()]
    for name, kind in zip(models, kinds):
        if kind is None or kind != kinds[0] or (len(models) > 1 and not re.fullmatch(r"[0-9A-Za-z_.-]+", str(name))):
            raise TraceError(
                f"bitfleet_trace: watch was given {_type_name(models[name])}{f' as {name!r}' if name else ''}: give it "
                'a torch.nn.Module or a Keras model, or several of one kind as {"name": model}'
            )
    if not models:
        raise TraceError("bitfleet_trace: watch was given no model")
    if sys.byteorder != "little":
        raise TraceError("bitfleet_trace: tensors are written little-endian, and this machine is big-endian")
    if _begun:
        raise TraceError(
            "bitfleet_trace: this process has a trace already, and a folder holds one: watch the models of one "
            'training together, as watch({"generator": g, "discriminator": d}); give another training its own process'
        )
    choice = _Choice(every, steps, activations, gradients, weights, at_end, only)
    trace = (_TorchTrace if kinds[0] == "torch" else _KerasTrace)(models, choice, _Folder(folder))
    _begun.append(trace)
    return trace


def seed(default):
    """The seed that Bitfleet gives this execution; the default where the script is run without it."""
    text = os.environ.get("BITFLEET_SEED", "")
    if not re.fullmatch(r"-?[0-9]+|", text):
        raise TraceError(f"bitfleet_trace: BITFLEET_SEED={text} is no whole number")
    return default if text == "" else int(text)


def parameter(name, default):
    """The value that a plan gives a parameter of this program, of the type of the default."""
    text = os.environ.get(f"BITFLEET_PARAM_{name}")
    if text is None:
        return default
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text]
        if isinstance(default, (int, float, str)):
            return type(default)(text)
        return json.loads(os.environ.get("BITFLEET_PARAMETERS", "{}"))[name]
    except (ValueError, KeyError) as error:
        raise TraceError(f"bitfleet_trace: BITFLEET_PARAM_{name}={text} is no {type(default).__name__}") from error


def __getattr__(name):
    if name in ("step", "batch", "keras", "close"):
        raise AttributeError(
            f"bitfleet_trace has no {name} of its own: call trace = bitfleet_trace.watch(model), then trace.{name}"
        )
    raise AttributeError(f"module 'bitfleet_trace' has no attribute {name!r}")


#: The trace of this process.
_begun = []


class _Idle:
    """What `watch` gives where nothing is traced."""

    def __init__(self, model):
        self._model = model

    def step(self, loss, *, gradients=None):
        pass

    def batch(self, **given):
        pass

    def close(self):
        pass

    def keras(self):
        models = list(self._model.values()) if isinstance(self._model, dict) else [self._model]
        return _keras_module(models[0]).callbacks.Callback()


class _Choice:
    """What of a training is traced."""

    def __init__(self, every, steps, activations, gradients, weights, at_end, only):
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise TraceError(f"bitfleet_trace: every={every!r} is no whole number from 1 on")
        if steps is not None and every != 1:
            raise TraceError("bitfleet_trace: give every= or steps=, not both")
        if activations not in (True, False, "all"):
            raise TraceError(f'bitfleet_trace: activations={activations!r} is none of True, False, "all"')
        self.every, self.steps = every, None if steps is None else frozenset(steps)
        if self.steps is not None and not all(isinstance(s, int) and s >= 1 for s in self.steps):
            raise TraceError("bitfleet_trace: steps= is a list of whole numbers from 1 on")
        self.activations, self.gradients, self.weights, self.at_end = activations, gradients, weights, at_end
        self.only = None if only is None else [only] if isinstance(only, str) else list(only)

    def has_step(self, step):
        return step in self.steps if self.steps is not None else step == 1 or step % self.every == 0

    def has_name(self, name):
        return self.only is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.only)


# --- what is written -------------------------------------------------------------------------------------------------

_widths = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "BOOL": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1,
}  # fmt: skip


class Raw:
    """The bytes of a tensor, little-endian in C order, with its type as safetensors names it."""

    __slots__ = ("data", "dtype", "shape")

    def __init__(self, dtype, shape, data):
        expected = _widths[dtype]
        for extent in shape:
            expected *= extent
        if len(data) != expected:
            raise TraceError(f"bitfleet_trace: {dtype}{list(shape)} takes {expected} bytes, {len(data)} were read")
        self.dtype, self.shape, self.data = dtype, list(shape), data


def safetensors_header(tensors):
    """The head of a .safetensors file of (name, Raw) pairs, whose bytes follow in this order without holes.

    https://github.com/huggingface/safetensors, README, "Format"
    """
    table, at = {}, 0
    for name, raw in tensors:
        end = at + len(raw.data)
        table[name] = {"dtype": raw.dtype, "shape": raw.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


class _Folder:
    """The folder that Bitfleet reads: files of tensors, and `trace.ndjson`, which names each once it is complete."""

    def __init__(self, path):
        self.path, self.files, self.steps = os.path.abspath(path), 0, 0
        name = os.path.join(self.path, "trace.ndjson")
        try:
            os.makedirs(self.path, exist_ok=True)
            self.lines = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        except FileExistsError as error:
            if not os.path.lexists(name):
                raise TraceError(f"bitfleet_trace: BITFLEET_OUT={path} is no folder; name an empty one") from error
            raise TraceError(
                f"bitfleet_trace: BITFLEET_OUT={path} has a trace in it, of another run or of another process of this "
                "one; name an empty folder"
            ) from error
        except OSError as error:
            raise TraceError(
                f"bitfleet_trace: the folder BITFLEET_OUT={path} cannot be written: {error.strerror}; name another"
            ) from error

    def say(self, record):
        """Appends one line, whole or not at all."""
        data = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self.lines).st_size
        try:
            if os.write(self.lines, data) != len(data):
                os.ftruncate(self.lines, before)
                raise OSError(28, "No space left on device")
        except OSError as error:
            raise self._cannot("trace.ndjson", error) from error

    def write(self, step, tensors, role=None):
        self.files += 1
        name = f"{self.files:06}.safetensors"
        path = os.path.join(self.path, name)
        try:
            with open(path + ".part", "wb") as file:
                file.write(safetensors_header(tensors))
                for _, raw in tensors:
                    file.write(raw.data)
            os.replace(path + ".part", path)
        except OSError as error:
            try:
                os.unlink(path + ".part")
            except OSError:
                pass
            raise self._cannot(name, error) from error
        checkpoint = {"step": step, "file": name}
        if role is not None:
            checkpoint["role"] = role
        self.say({"checkpoint": checkpoint})

    def _cannot(self, name, error):
        return TraceError(
            f"bitfleet_trace: {os.path.join(self.path, name)} cannot be written: {error.strerror}; the last step "
            f"written is {self.steps}; make room, or trace less (every=, steps=, activations=False, only=)"
        )


class _Sheet:
    """The tensors of a step, in the order in which they are made."""

    def __init__(self, step, trace, role=None):
        self.step, self.trace, self.role = step, trace, role
        self.tensors, self.names, self.held = [], set(), 0

    def add(self, name, raws, role=None):
        """Adds tensors.

        raws  those that `name` stands for: a single one, or several with what follows its name
        role  of these; left out, the role of the whole sheet
        """
        for suffix, raw in raws:
            full, n = name + suffix, 1
            while full in self.names:
                n += 1
                full = f"{name}#{n}{suffix}"
            self.names.add(full)
            if len(raw.data) > _tensor_bytes:
                self.trace.note(f"{full} is not traced: it has {len(raw.data)} bytes, and {_tensor_bytes} are taken")
                continue
            if self.held + len(raw.data) > _held_bytes:
                self.write()
            self.tensors.append((role or self.role, full, raw))
            self.held += len(raw.data)

    def write(self):
        """Writes a file for each run of tensors with one role: a line of the trace gives one role to a file."""
        try:
            for role, run in itertools.groupby(self.tensors, key=lambda tensor: tensor[0]):
                self.trace.folder.write(self.step, [(full, raw) for _, full, raw in run], role)
        except BaseException as error:
            self.trace.give_up(error)
            raise
        self.tensors, self.held = [], 0


class _Trace:
    """What tracing has in common: steps, names, notes, facts, and the end."""

    def __init__(self, models, choice, folder):
        self.models, self.choice, self.folder = models, choice, folder
        self.pid, self.done, self.open = os.getpid(), 0, True
        #: How often each module was called in this step.
        self.calls = {}
        #: Why the trace ended before its time.
        self.broken = None
        self.notes, self.told, self.matched = set(), {}, choice.only is None
        #: Digests of what is written only when it has changed, by name.
        self.kept = {}
        self.say_facts()
        if "WORLD_SIZE" in os.environ and os.environ["WORLD_SIZE"] != "1":
            self.note(
                "this training has several processes: the first (rank 0) alone is traced, with gradients as it makes "
                "them, before they are averaged"
            )
        self.sheet = _Sheet(0, self, "input")
        if choice.weights:
            self.add_weights("weights")
        self.sheet.write()
        self.begin_step()
        atexit.register(self._at_exit)

    def note(self, text, about=None):
        """Says something once; `about` is what makes two words the same."""
        if (about or text) not in self.notes:
            self.notes.add(about or text)
            self.folder.say({"note": text[:1000]})

    def wants(self, name):
        chosen = self.choice.has_name(name)
        self.matched = self.matched or chosen
        return chosen

    def begin_step(self):
        step, self.calls = self.done + 1, {}
        self.sheet = _Sheet(step, self) if self.choice.has_step(step) else None

    def step(self, loss, *, gradients=None):
        """Ends a step: writes what is traced of it.

        loss       a tensor, a float, or several as {"name": loss}
        gradients  where the script computes them itself: a list, in the order of the model's trainable variables, or
                   {"name": gradient}

        Raises TraceError if the loss is neither, or the folder cannot be written.
        """
        if os.getpid() != self.pid:
            return
        if not self.open:
            raise TraceError(f"bitfleet_trace: step was called after {self.broken or 'close()'}")
        losses = loss if isinstance(loss, dict) else {None: loss}
        try:
            read = [("loss" if name is None else f"loss/{name}", self._read_loss(one)) for name, one in losses.items()]
            if self.sheet is not None:
                for name, raws in read:
                    if self.wants(name):
                        self.sheet.add(name, raws)
                if self.choice.gradients:
                    self.add_gradients(gradients)
                if self.choice.weights:
                    self.add_weights("update")
                self.sheet.write()
                self.folder.steps = self.sheet.step
        except BaseException as error:
            self.give_up(error)
            raise
        self.done += 1
        self.begin_step()

    def give_up(self, error):
        """A trace with a hole would pass for another computation: it ends here, and the process must not end well."""
        self.open, self.broken = False, self.broken or f"an error ({error})"

    def _read_loss(self, loss):
        if isinstance(loss, _Read):
            return loss.raws
        if isinstance(loss, float):
            return [("", Raw("F64", (), struct.pack("<d", loss)))]
        raws = self.read_tensor("loss", loss) if self.is_tensor(loss) else None
        if raws is None:
            raise TraceError(
                f"bitfleet_trace: step was given {_type_name(loss)} as its loss: give it the tensor that the step "
                'computed, a float, or several as {"name": loss}'
            )
        return raws

    def add_if_changed(self, group, name, value, read):
        """Writes what mostly stands still: at first, and from its first change on, so that all cells have it alike."""
        if not self.wants(f"{group}/{name}"):
            return
        raws = read()
        digest = [hashlib.sha256(raw.data).digest() for _, raw in raws]
        changes, last = self.kept.get((group, name), (False, None))
        first = self.sheet.step == 0
        changes = changes or (not first and digest != last)
        self.kept[group, name] = (changes, digest)
        if first or changes:
            self.sheet.add(f"{group}/{name}", raws)

    def add_activation(self, name, value, role_of=lambda tensor: None):
        """What a module gives, or is given; its second call in a step is `name#2`."""
        n = self.calls[name] = self.calls.get(name, 0) + 1
        name = name if n == 1 else f"{name}#{n}"
        for suffix, tensor in _tensors_in(value, self.is_tensor):
            if self.wants(name + suffix):
                raws = [(suffix + part, raw) for part, raw in self.read_tensor(name + suffix, tensor)]
                self.sheet.add(name, raws, role_of(tensor))

    def batch(self, **given):
        """Names what a step is given, such as `batch(x=x, y=y)`: tensors, or lists, tuples and dicts of them.

        They are traced as `batch/x`, with the role `input`, so that a report tells other data from other arithmetic.
        The labels are seen by this alone. Call it in each step, before what is computed from them.

        Raises TraceError for what holds no tensor.
        """
        if os.getpid() != self.pid:
            return
        if not self.open:
            raise TraceError(f"bitfleet_trace: batch was called after {self.broken or 'close()'}")
        for name, value in given.items():
            if next(_tensors_in(value, self.is_tensor), None) is None:
                raise TraceError(
                    f"bitfleet_trace: batch was given {_type_name(value)} as {name}: give it tensors, or lists, tuples "
                    "and dicts of tensors"
                )
            if self.sheet is not None:
                self.add_activation(f"batch/{name}", value, lambda tensor: "input")

    def add_backward(self, gradients, trained):
        """Gradients, by modules in the opposite order of the forward pass; a module's own keep their order."""
        owner = lambda name: name.rpartition("/")[0]
        called = [name[len("forward/") :] for name in self.calls if name.startswith("forward/")]
        places = {name: i for i, name in enumerate(dict.fromkeys(called or map(owner, trained)))}
        known = {name: i for i, name in enumerate(trained)}
        for name in sorted(gradients, key=lambda name: (-places.get(owner(name), -1), known.get(name, -1), name)):
            self.sheet.add(f"backward/{name}", gradients[name])

    def say_facts(self):
        settings, facts = self.read_facts()
        for key, found in (("settings", settings), ("facts", facts)):
            fresh = {name: value for name, value in found.items() if self.told.get((key, name)) != value}
            if fresh:
                self.told.update({(key, name): value for name, value in fresh.items()})
                self.folder.say({key: fresh})

    def close(self):
        """Ends the trace: writes the weights as they are now, with the role `output`. So does the process's end."""
        if not self.open or os.getpid() != self.pid:
            return
        self.open = False
        self.end()
        if self.done == 0:
            self.note("step was never called: the trace has nothing but what there was at first")
        elif self.choice.at_end and self.choice.weights:
            self.sheet = _Sheet(self.done, self, "output")
            self.add_weights("weights")
            self.sheet.write()
        if not self.matched:
            self.note(f"only={self.choice.only}: no name of this training matches")
        self.say_facts()

    def end(self):
        pass

    def _at_exit(self):
        if getattr(sys, "last_type", None) is not None or os.getpid() != self.pid:
            return  # The program failed, and its exit code says so.
        try:
            if self.broken:
                raise TraceError(f"bitfleet_trace: the program went on after {self.broken}")
            self.close()
        except BaseException as error:
            # Python would end with 0 whatever is raised here, and the trace would pass for a whole one.
            sys.stdout.flush()
            print(error if isinstance(error, TraceError) else repr(error), file=sys.stderr, flush=True)
            os._exit(1)


# --- tensors, to bytes -----------------------------------------------------------------------------------------------

#: Types by their names in PyTorch, NumPy, TensorFlow and JAX.
_codes = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip


class _TorchTensors:
    """Reads tensors of PyTorch: [(what follows the name, Raw)], which is empty, with a note, for what has no bytes."""

    def __init__(self, torch, note):
        self.torch, self.note = torch, note

    def is_tensor(self, value):
        return isinstance(value, self.torch.Tensor)

    def read(self, name, tensor):
        torch = self.torch
        try:
            with torch.no_grad():
                tensor = tensor.detach()
                if tensor.layout == torch.sparse_coo:
                    self.note(f"{name} is sparse: its indices and its values are traced, in the order they have")
                    parts = (("/indices", tensor._indices()), ("/values", tensor._values()))
                    return [(part, raw) for part, inner in parts for _, raw in self.read(name + part, inner)]
                kind = (
                    "quantized" if tensor.is_quantized
                    else "of the device meta" if tensor.device.type == "meta"
                    else None if tensor.layout == torch.strided else f"in the layout {tensor.layout}"
                )  # fmt: skip
                if kind is not None:
                    self.note(f"{name} is not traced: it is {kind}")
                    return []
                type_name = str(tensor.dtype).split(".")[-1]
                if type_name not in _codes:
                    self.note(f"tensors of {type_name} are not traced, such as {name}: traces have none", type_name)
                    return []
                if tensor.is_neg():
                    tensor = tensor.resolve_neg()
                size = tensor.numel() * tensor.element_size()
                if size and not self._has_bytes(tensor):
                    self.note(f"{name} is not traced: {_type_name(tensor)} holds no bytes of its own now")
                    return []
                # To the host, once what computes the tensor is done.
                tensor = tensor.to("cpu").contiguous()
                address = tensor.data_ptr() if size else 0
                if size and address == 0:
                    self.note(f"{name} is not traced: {_type_name(tensor)} holds no bytes of its own now")
                    return []
                data = ctypes.string_at(address, size) if size else b""
                return [("", Raw(_codes[type_name], tuple(tensor.shape), data))]
        except (RuntimeError, NotImplementedError) as error:
            self.note(f"{name} is not traced: {_type_name(tensor)} has no bytes to read: {str(error).splitlines()[0]}")
            return []


    def _has_bytes(self, tensor):
        """False for what says a shape and has no memory behind it, where reading would give whatever lies there: what
        is only traced for its shape, zeros that are known to be some, memory that was given back (FSDP)."""
        storage = tensor.untyped_storage()
        last = tensor.storage_offset() + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride()))
        end = (last + 1) * tensor.element_size()
        return storage.device.type != "meta" and not tensor._is_zerotensor() and end <= storage.nbytes()


class _Arrays:
    """Reads arrays of NumPy, TensorFlow and JAX, and what Keras keeps its variables in."""

    def __init__(self, note):
        self.note = note
        self.torch = _TorchTensors(sys.modules["torch"], note) if "torch" in sys.modules else None

    def is_tensor(self, value):
        return (hasattr(value, "dtype") and hasattr(value, "shape")) or hasattr(value, "indices")

    def read(self, name, value):
        """As `_TorchTensors.read`; None for what has no bytes yet, in a graph that is being made."""
        value = getattr(value, "value", value)  # of a variable: a property in Keras 3, a method in TensorFlow
        value = value() if callable(value) else value
        if self.torch is not None and self.torch.is_tensor(value):
            return self.torch.read(name, value)
        if hasattr(value, "indices") and hasattr(value, "values"):
            self.note(f"{name} is sparse: its indices and its values are traced, in the order they have")
            parts = [("/indices", self.read(name, value.indices)), ("/values", self.read(name, value.values))]
            if any(raws is None for _, raws in parts):
                return None
            return [(part, raw) for part, raws in parts for _, raw in raws]
        try:
            array = value.numpy() if hasattr(value, "numpy") else sys.modules["numpy"].asarray(value)
        except Exception:
            return None
        type_name = array.dtype.name
        if type_name not in _codes:
            self.note(f"tensors of {type_name} are not traced, such as {name}: traces have none", type_name)
            return []
        if array.dtype.byteorder == ">":
            array = array.byteswap()
        return [("", Raw(_codes[type_name], array.shape, array.tobytes()))]


# --- PyTorch ---------------------------------------------------------------------------------------------------------

#: Names that wrappers put between a module and what it wraps: torch.compile, FSDP, activation checkpointing.
_wrapped_names = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_wrappers = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}


class _TorchTrace(_Trace):
    def __init__(self, models, choice, folder):
        self.torch = torch = sys.modules["torch"]
        if int(torch.__version__.split(".")[0]) < 2:
            raise TraceError(f"bitfleet_trace: PyTorch is {torch.__version__} here, and is traced from 2.0 on")
        self.tensors = _TorchTensors(torch, self.note)
        compiler = getattr(torch, "compiler", None)
        self.is_compiling = getattr(compiler, "is_compiling", None) or (lambda: False)
        self.hooked, self.hooks, self.gradients, self.forwards = {}, [], {}, 0
        self.outer = models
        super().__init__({name: _unwrap(model) for name, model in models.items()}, choice, folder)
        if choice.activations:
            # Hooks for all modules, none of a module's own: those make PyTorch leave the fast path of transformers.
            register = torch.nn.modules.module
            self.hooks.append(register.register_module_forward_pre_hook(self._before_forward))
            self.hooks.append(register.register_module_forward_hook(self._after_forward))

    # What there is to trace, under the names it has.

    def _named(self, kind):
        """(name, tensor) of all parameters or buffers, each tensor once."""
        seen = {}
        for prefix, model in self.models.items():
            for dotted, tensor in getattr(model, kind)(remove_duplicate=False):
                name = _path(prefix, dotted)
                if id(tensor) not in seen:
                    seen[id(tensor)] = name
                    yield name, tensor
                elif kind == "named_parameters" and seen[id(tensor)] != name:
                    self.note(f"the parameter {name} is {seen[id(tensor)]}, too, and is traced under that name")

    def begin_step(self):
        super().begin_step()
        self.gradients = {}
        if self.sheet is None:
            return
        self.modules, self.roots = {}, {}
        for prefix, model in self.models.items():
            self.roots[id(model)] = (prefix, model, model)
            outer = self.outer[prefix]
            if outer is not model and type(outer).__name__ == "OptimizedModule":
                # What is compiled shows what it is given and what it gives.
                self.roots[id(outer)] = (prefix, outer, model)
                self.modules[id(outer)] = (prefix or "model", outer, model)
            for dotted, module in model.named_modules():
                own = next(module.children(), None) is None or next(module.parameters(recurse=False), None) is not None
                if own or self.choice.activations == "all":
                    self.modules[id(module)] = (_path(prefix, dotted) or "model", module, model)
        if self.choice.gradients:
            for name, parameter in self._named("named_parameters"):
                if id(parameter) not in self.hooked and parameter.requires_grad and not _is_lazy(parameter):
                    self.hooked[id(parameter)] = (parameter, self._hook_gradient(name, parameter))

    def _hook_gradient(self, name, parameter):
        """Has the gradient read as soon as it is whole, whenever the script sets it to zero."""

        def read(accumulated):
            if self.sheet is not None and self.open and accumulated.grad is not None and self.wants(f"backward/{name}"):
                self.gradients[name] = self.read_tensor(f"backward/{name}", accumulated.grad)

        if hasattr(parameter, "register_post_accumulate_grad_hook"):
            return parameter.register_post_accumulate_grad_hook(read)
        # Before PyTorch 2.1: the node that accumulates, which lives as long as somebody holds it.
        with self.torch.enable_grad():
            node = parameter.view_as(parameter).grad_fn.next_functions[0][0]
        return node, node.register_hook(lambda *_: read(parameter))

    # Forward.

    def _training(self, model):
        return self.sheet is not None and self.open and model.training and self.torch.is_grad_enabled()

    def _before_forward(self, module, args):
        if self.is_compiling():
            return
        found = self.roots.get(id(module)) if self.sheet is not None else None
        if found is None or found[1] is not module or not self._training(found[2]):
            return
        # What a model computed before, as a generator's picture for its judge, is no input of the step.
        given = lambda tensor: "input" if tensor.grad_fn is None else None
        self.add_activation(_path("input", found[0]), args, given)

    def _after_forward(self, module, args, result):
        if self.is_compiling():
            return
        found = self.modules.get(id(module)) if self.sheet is not None else None
        if found is None or found[1] is not module or not self._training(found[2]):
            return
        self.forwards += type(module).__name__ != "OptimizedModule"
        self.add_activation(f"forward/{found[0]}", result)

    # Backward and update.

    def add_gradients(self, given):
        trainable = [(name, p) for name, p in self._named("named_parameters") if p.requires_grad]
        found = self.gradients
        if given is not None:
            found = {}
            for name, gradient in _pairs(given, [name for name, _ in trainable]):
                if gradient is not None and self.wants(f"backward/{name}"):
                    found[name] = self.read_tensor(f"backward/{name}", gradient)
        else:
            for name, parameter in trainable:
                # Made within the step, by a module that did not know its shapes before.
                if id(parameter) not in self.hooked and parameter.grad is not None and self.wants(f"backward/{name}"):
                    found[name] = self.read_tensor(f"backward/{name}", parameter.grad)
        if not found and trainable and self.choice.only is None:
            self.note(
                "a step gave no parameter a gradient by backward(); where the script computes gradients by itself, "
                "trace.step(loss, gradients=...) takes them"
            )
        self.add_backward(found, [name for name, _ in trainable])
        if self.choice.activations and self.forwards == 0:
            self.note(
                "no activation was seen inside the model: modules that are compiled or scripted, or called in eval() "
                "or without gradients, show none"
            )

    def add_weights(self, group):
        for name, parameter in self._named("named_parameters"):
            if _is_lazy(parameter):
                self.note(f"the parameter {name} has no shape before the first step, and is not traced at step 0")
                continue
            self._add_weight(group, name, parameter)
        for name, buffer in self._named("named_buffers"):
            # At the end they stand in the last step already, if that was traced.
            if not _is_lazy(buffer) and not (self.sheet.role == "output" and self.choice.has_step(self.done)):
                self._add_kept("state", name, buffer)

    def _add_weight(self, group, name, parameter):
        if group == "update" and not parameter.requires_grad:
            self._add_kept(group, name, parameter)
        elif self.wants(f"{group}/{name}"):
            raws = self.read_tensor(f"{group}/{name}", parameter)
            self.sheet.add(f"{group}/{name}", raws)
        if group == "weights" and not parameter.requires_grad and self.sheet.step == 0:
            # So that its first change is known as one.
            raws = self.read_tensor(f"weights/{name}", parameter)
            self.kept["update", name] = (False, [hashlib.sha256(raw.data).digest() for _, raw in raws])

    def _add_kept(self, group, name, tensor):
        self.add_if_changed(group, name, tensor, lambda: self.read_tensor(f"{group}/{name}", tensor))

    def is_tensor(self, value):
        return self.tensors.is_tensor(value)

    def read_tensor(self, name, tensor):
        return self.tensors.read(name, tensor)

    def read_facts(self):
        tensors = [tensor for kind in ("named_parameters", "named_buffers") for _, tensor in self._named(kind)]
        return _torch_facts(self.torch, tensors)

    def keras(self):
        raise TraceError("bitfleet_trace: a PyTorch model is watched: call trace.step(loss) at the end of each step")

    def end(self):
        for hook in self.hooks:
            hook.remove()
        for _, hook in self.hooked.values():
            (hook[1] if isinstance(hook, tuple) else hook).remove()
        self.hooked = {}


def _unwrap(model):
    while hasattr(model, _wrappers.get(type(model).__name__, " ")):
        model = getattr(model, _wrappers[type(model).__name__])
    return model


def _is_lazy(tensor):
    return type(tensor).__name__ in ("UninitializedParameter", "UninitializedBuffer")


def _path(prefix, dotted):
    """A framework's own name in Bitfleet's words: `layers.0.weight` is `layers/0/weight`."""
    parts = [part for part in dotted.split(".") if part and part not in _wrapped_names]
    return "/".join(([prefix] if prefix else []) + parts)


def _pairs(given, names):
    if isinstance(given, dict):
        return [(name.replace(".", "/"), gradient) for name, gradient in given.items()]
    given = list(given)
    if len(given) != len(names):
        raise TraceError(
            f"bitfleet_trace: step was given {len(given)} gradients for {len(names)} trainable variables: give one for "
            'each, in their order (None where there is none), or {"name": gradient}'
        )
    return list(zip(names, given))


def _tensors_in(value, is_tensor, suffix=""):
    """(suffix, tensor) of what a module gives: a tensor, or sequences and mappings of them."""
    if is_tensor(value):
        yield suffix, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _tensors_in(inner, is_tensor, f"{suffix}/{key}")
    elif isinstance(value, (list, tuple)):
        # The one argument of most modules needs no number.
        for i, inner in enumerate(value):
            yield from _tensors_in(inner, is_tensor, suffix if len(value) == 1 else f"{suffix}/{i}")
    elif hasattr(value, "__dataclass_fields__"):
        for key in value.__dataclass_fields__:
            yield from _tensors_in(getattr(value, key), is_tensor, f"{suffix}/{key}")


# --- Keras -----------------------------------------------------------------------------------------------------------


class _KerasTrace(_Trace):
    """Keras 2 and 3: weights after each step, and gradients and activations where Keras goes operation by operation.

    What it compiles (`fit` without run_eagerly, tf.function, jax.jit) is left alone: looking into it would change it.
    """

    def __init__(self, models, choice, folder):
        self.keras_module = _keras_module(next(iter(models.values())))
        self.arrays = _Arrays(self.note)
        self.seen_loss, self.seen_gradients, self.restore = None, None, []
        self.made = self.inside = self.compiled = False
        super().__init__(models, choice, folder)

    def _named(self):
        """(name, variable, whether it is trained), each once."""
        seen = set()
        for prefix, model in self.models.items():
            trained = {id(variable) for variable in model.trainable_variables}
            for variable in model.variables:
                if id(variable) not in seen:
                    seen.add(id(variable))
                    name = getattr(variable, "path", None) or variable.name
                    yield _keras_path(prefix, model, name), variable, id(variable) in trained

    def add_weights(self, group):
        if self.sheet.step == 0:
            if not all(model.built for model in self.models.values()):
                return
            self.made = True
        elif not self.made:
            self.made = True
            self.note("the model had no weights before its first batch: build() it before watch, to have step 0 traced")
        for model in self.models.values():
            if hasattr(model, "jax_state_sync") and getattr(model, "_jax_state_synced", True) is False:
                model.jax_state_sync()
        for name, variable, trained in self._named():
            if trained:
                if self.wants(f"{group}/{name}"):
                    self.sheet.add(f"{group}/{name}", self.read_tensor(f"{group}/{name}", variable))
            elif not (self.sheet.role == "output" and self.choice.has_step(self.done)):
                read = lambda name=name, variable=variable: self.read_tensor(f"state/{name}", variable)
                self.add_if_changed("state", name, variable, read)

    def add_gradients(self, given):
        names = [name for name, _, trained in self._named() if trained]
        found = self.seen_gradients or []
        if given is not None:
            found = _pairs(given, names)
        elif not found and not self.compiled:
            self.note("a step has no gradients: trace.step(loss, gradients=...) takes them")
        self.add_backward(
            {
                name: gradient if isinstance(gradient, list) else self.read_tensor(f"backward/{name}", gradient)
                for name, gradient in found
                if gradient is not None and self.wants(f"backward/{name}")
            },
            names,
        )

    def begin_step(self):
        super().begin_step()
        self.seen_loss, self.seen_gradients = None, None

    def is_tensor(self, value):
        return self.arrays.is_tensor(value)

    def read_tensor(self, name, value):
        raws = self.arrays.read(name, value)
        if raws is None:
            raise TraceError(
                f"bitfleet_trace: {name} has no value yet ({_type_name(value)}): call step outside of what is compiled "
                "(tf.function, jax.jit), with what that returns"
            )
        return raws

    def read_facts(self):
        return _keras_facts(self.keras_module)

    # What fit calls.

    def keras(self):
        """A callback for `fit`, which is then line 3: the trace has a step for each batch."""
        trace = self

        class Trace(self.keras_module.callbacks.Callback):
            def on_train_begin(self, logs=None):
                trace.fit_begins(self.model)

            def on_train_batch_begin(self, batch, logs=None):
                trace.inside = True

            def on_train_batch_end(self, batch, logs=None):
                trace.inside = False
                trace.fit_stepped(logs or {})

            def on_train_end(self, logs=None):
                trace.fit_ended()

        return Trace()

    def fit_begins(self, model):
        if all(model is not watched for watched in self.models.values()):
            raise TraceError("bitfleet_trace: fit was called on another model than was given to watch")
        if not self.made and self.done == 0 and self.choice.weights and all(one.built for one in self.models.values()):
            self.sheet = _Sheet(0, self, "input")
            self.add_weights("weights")
            self.sheet.write()
            self.begin_step()
        if getattr(model, "steps_per_execution", 1) not in (1, None):
            self.note(f"Keras tells of every {model.steps_per_execution}th batch alone: that is a step here")
        if not _is_eager(self.keras_module, model):
            self.note(
                "fit computes a step as one compiled whole: its activations and gradients cannot be seen from outside; "
                "compile(run_eagerly=True) shows them, of a computation that may have other bits"
            )
            self.compiled = True
            return
        if self.choice.gradients and model.optimizer is not None:
            self._watch_optimizer(model.optimizer)
        if self.choice.activations:
            for layer in model._flatten_layers():
                leaf = next(iter(layer._flatten_layers(include_self=False)), None) is None
                if layer is not model and (leaf or self.choice.activations == "all"):
                    self._watch_layer(model, layer)

    def _replace(self, owner, name, make):
        # Past Keras's own __setattr__, which tracks what is put into a layer.
        object.__setattr__(owner, name, make(getattr(owner, name)))
        self.restore.append((owner, name))

    def _watch_optimizer(self, optimizer):
        def losses(scale):
            def scale_loss(loss):
                if self.inside and self.sheet is not None:
                    self.seen_loss = self.arrays.read("loss", loss)
                return scale(loss)

            return scale_loss

        def applying(apply):
            def watched(gradients, *rest, **named):
                gradients = list(gradients)
                if self.inside and self.sheet is not None:
                    pairs = gradients
                    if gradients and not isinstance(gradients[0], tuple):
                        variables = rest[0] if rest else named.get("trainable_variables")
                        pairs = zip(gradients, variables or [v for _, v, trained in self._named() if trained])
                    names = {id(variable): name for name, variable, _ in self._named()}
                    self.seen_gradients = [
                        (names[id(variable)], self.read_tensor(names[id(variable)], gradient))
                        for gradient, variable in pairs
                        if gradient is not None and id(variable) in names
                    ]
                return apply(gradients, *rest, **named)

            return watched

        if hasattr(optimizer, "scale_loss"):
            self._replace(optimizer, "scale_loss", losses)
        self._replace(optimizer, "apply" if hasattr(optimizer, "apply") else "apply_gradients", applying)

    def _watch_layer(self, model, layer):
        prefix = next(name for name, watched in self.models.items() if watched is model)
        path = _keras_path(prefix, model, getattr(layer, "path", None) or layer.name)

        def calling(call):
            def watched(*args, **named):
                result = call(*args, **named)
                if self.inside and self.sheet is not None and self.in_eager_code():
                    self.add_activation(f"forward/{path}", result)
                return result

            return watched

        self._replace(layer, "call", calling)

    def fit_stepped(self, logs):
        loss = self.seen_loss
        if loss is not None:
            self.step(_Read(loss))
        elif "loss" in logs:
            self.note("the loss is the mean that Keras tells, over the epoch so far")
            self.step(logs["loss"])
        else:
            raise TraceError("bitfleet_trace: fit told no loss: a trace needs that of each step")

    def in_eager_code(self):
        """False while a graph is being made, such as of preprocessing, whose tensors have no value yet."""
        tf = sys.modules.get("tensorflow")
        return tf is None or tf.executing_eagerly()

    def fit_ended(self):
        for owner, name in self.restore:
            object.__delattr__(owner, name)
        self.restore = []


def _keras_path(prefix, model, name):
    name = name.split(":")[0]
    if name.startswith(f"{model.name}/"):
        name = name[len(model.name) + 1 :]
    return "/".join(([prefix] if prefix else []) + name.split("/"))


class _Read:
    """A loss that was read when it was made."""

    def __init__(self, raws):
        self.raws = raws


def _is_eager(keras, model):
    backend = keras.backend.backend() if hasattr(keras.backend, "backend") else "tensorflow"
    if backend == "torch":
        return not getattr(model, "jit_compile", False)
    if backend != "tensorflow":
        return False
    return bool(model.run_eagerly) or sys.modules["tensorflow"].config.functions_run_eagerly()


# --- what a model is, and what computes it ---------------------------------------------------------------------------


def _type_name(value):
    return f"{type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")


def _bases(value):
    return [(base.__module__ or "", base.__name__) for base in type(value).__mro__]


def _kind_of(model):
    """`keras` or `torch`; Keras's models are modules of PyTorch as well where that computes them."""
    if _keras_root(model) is not None:
        return "keras"
    torch = sys.modules.get("torch")
    return "torch" if torch is not None and isinstance(model, torch.nn.Module) else None


def _keras_root(model):
    for module, name in _bases(model):
        root = module.split(".")[0]
        if name == "Model" and root in ("keras", "tf_keras"):
            return root
        if name == "Model" and module.startswith("tensorflow.python.keras"):
            return "tensorflow.keras"
    return None


def _keras_module(model):
    root = _keras_root(model)
    if root is None:
        raise TraceError(f"bitfleet_trace: keras() needs a Keras model, and watch was given {_type_name(model)}")
    if root == "tensorflow.keras":
        return sys.modules["tensorflow"].keras
    return sys.modules[root]


def _common_facts():
    facts = {
        "lib.bitfleet-trace.version": __version__,
        "lib.python.version": platform.python_version(),
        "lib.python.implementation": platform.python_implementation(),
        "build.python.compiler": platform.python_compiler(),
    }
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        facts["lib.numpy.version"] = numpy.__version__
    return facts


def _torch_facts(torch, tensors):
    """(settings, facts): what of variables is in force, and what else may explain bits, as PyTorch tells it."""
    on = lambda value: "on" if value else "off"
    threads, config = str(torch.get_num_threads()), torch.__config__.show()
    settings = {"OMP_NUM_THREADS": threads}
    found = lambda pattern, text: (re.search(pattern, text, re.M) or ["", ""])[1].strip()
    settings["MKL_NUM_THREADS"] = found(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    cpu = getattr(torch.backends, "cpu", None)
    if cpu is not None and hasattr(cpu, "get_cpu_capability"):
        capability = cpu.get_cpu_capability()
        settings["ATEN_CPU_CAPABILITY"] = "default" if capability in ("DEFAULT", "NO AVX") else capability.lower()
    facts = {
        **_common_facts(),
        "lib.pytorch.version": torch.__version__,
        "lib.pytorch.mkl": found(r"Math Kernel Library Version (\S+)", config),
        "lib.pytorch.onednn": found(r"MKL-DNN (v[0-9.]+)", config),
        "lib.pytorch.deterministic": on(torch.are_deterministic_algorithms_enabled()),
        "lib.pytorch.mkldnn": on(torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled()),
        "lib.pytorch.matmul-precision": torch.get_float32_matmul_precision(),
        "build.pytorch.blas": found(r"BLAS_INFO=(\w+)", config),
        "build.pytorch.compiler": found(r"^\s+- (GCC [0-9.]+|clang [0-9.]+)", config),
        "pool.pytorch.threads": threads,
        "pool.pytorch.interop": str(torch.get_num_interop_threads()),
    }
    used = sorted({tensor.device for tensor in tensors if tensor.device.type != "cpu"}, key=str)
    facts["lib.pytorch.devices"] = ", ".join(sorted({tensor.device.type for tensor in tensors}))
    if any(device.type == "cuda" for device in used):
        cudnn = torch.backends.cudnn
        facts.update({
            "lib.cuda.version": str(torch.version.cuda or torch.version.hip),
            "lib.cudnn.version": str(cudnn.version()),
            "lib.cudnn.enabled": on(cudnn.enabled),
            "lib.cudnn.benchmark": on(cudnn.benchmark),
            "lib.cudnn.deterministic": on(cudnn.deterministic),
            "lib.cudnn.tf32": on(cudnn.allow_tf32),
            "lib.cublas.tf32": on(torch.backends.cuda.matmul.allow_tf32),
        })  # fmt: skip
        for device in used:
            if device.type == "cuda":
                about = torch.cuda.get_device_properties(device)
                facts[f"device.{device.index}.name"] = about.name
                facts[f"device.{device.index}.capability"] = f"{about.major}.{about.minor}"
    told = lambda values: {key: value for key, value in values.items() if value}
    return told(settings), told(facts)


def _keras_facts(keras):
    backend = keras.backend.backend() if hasattr(keras.backend, "backend") else "tensorflow"
    settings, facts = {}, {**_common_facts(), "lib.keras.version": keras.__version__, "lib.keras.backend": backend}
    if hasattr(keras, "config"):
        facts["lib.keras.floatx"] = keras.config.floatx()
    if backend == "torch":
        settings, torch_facts = _torch_facts(sys.modules["torch"], [])
        facts.update(torch_facts)
    elif backend == "jax":
        facts["lib.jax.version"] = sys.modules["jax"].__version__
        facts["lib.jaxlib.version"] = sys.modules["jaxlib"].__version__
    elif backend == "tensorflow":
        tf = sys.modules["tensorflow"]
        facts["lib.tensorflow.version"] = tf.__version__
        devices = {device.device_type.lower() for device in tf.config.list_logical_devices()}
        facts["lib.tensorflow.devices"] = ", ".join(sorted(devices))
        for name, variable, count in (
            ("intra-op", "TF_NUM_INTRAOP_THREADS", tf.config.threading.get_intra_op_parallelism_threads()),
            ("inter-op", "TF_NUM_INTEROP_THREADS", tf.config.threading.get_inter_op_parallelism_threads()),
        ):
            if count > 0:  # 0 leaves the choice to TensorFlow, which does not tell it.
                settings[variable] = facts[f"pool.tensorflow.{name}"] = str(count)
        try:
            from tensorflow.python.framework.config import is_op_determinism_enabled
            from tensorflow.python.util._pywrap_util_port import IsMklEnabled
        except ImportError:
            pass
        else:
            settings["TF_ENABLE_ONEDNN_OPTS"] = "1" if IsMklEnabled() else "0"
            facts["lib.tensorflow.onednn"] = "on" if IsMklEnabled() else "off"
            facts["lib.tensorflow.deterministic"] = "on" if is_op_determinism_enabled() else "off"
    return settings, facts
