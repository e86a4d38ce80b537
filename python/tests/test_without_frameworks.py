"""What needs no framework: files, lines, seeds and parameters, and what is refused."""

import array
import json
import os
import struct
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import bitfleet_trace
from bitfleet_trace import Raw, TraceError, safetensors_header
from reading import Tensor, Told, read_safetensors, run


class Files(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = os.path.join(holder.name, "out")

    def write(self, *tensors, **named):
        folder = bitfleet_trace._Folder(self.folder)
        self.addCleanup(os.close, folder.lines)
        folder.write(3, tensors, **named)
        return folder

    def test_bytes_of_every_type_come_back_as_they_were(self):
        codes = dict(d="F64", f="F32", q="I64", i="I32", h="I16", b="I8", Q="U64", I="U32", H="U16", B="U8")
        tensors = [(f"of/{code}", Raw(code, (2, 3), array.array(c, range(6)).tobytes())) for c, code in codes.items()]
        tensors.append(("bf16", Raw("BF16", (2,), struct.pack("<HH", 0x3F80, 0x7FA1))))
        tensors.append(("a signalling NaN", Raw("F32", (), struct.pack("<I", 0x7F800001))))
        tensors.append(("none", Raw("F32", (0, 4), b"")))
        tensors.append(('é\n"', Raw("BOOL", (1,), b"\x01")))
        self.write(*tensors)
        found = read_safetensors(os.path.join(self.folder, "000001.safetensors"))
        self.assertEqual(list(found), [name for name, _ in tensors])
        for name, raw in tensors:
            self.assertEqual(found[name], Tensor(raw.dtype, raw.shape, raw.data))

    def test_the_header_is_the_formats(self):
        self.assertEqual(
            safetensors_header([("a", Raw("F32", (1,), b"\0\0\x80\x3f"))]),
            struct.pack("<Q", 56) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(56),
        )

    def test_bytes_that_do_not_fit_a_shape_are_refused(self):
        with self.assertRaisesRegex(TraceError, r"F32\[2\] takes 8 bytes, 4 were read"):
            Raw("F32", (2,), b"1234")

    def test_lines_name_files_that_are_complete(self):
        self.write(("x", Raw("U8", (1,), b"7")), role="output")
        with open(os.path.join(self.folder, "trace.ndjson"), "rb") as file:
            self.assertEqual(file.read(), b'{"checkpoint":{"step":3,"file":"000001.safetensors","role":"output"}}\n')
        self.assertEqual(sorted(os.listdir(self.folder)), ["000001.safetensors", "trace.ndjson"])

    def test_a_file_that_cannot_be_written_leaves_nothing(self):
        import resource
        import signal

        folder = bitfleet_trace._Folder(self.folder)
        self.addCleanup(os.close, folder.lines)
        kept = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(signal.signal, signal.SIGXFSZ, signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, kept[1]))
            with self.assertRaisesRegex(TraceError, r"000001.safetensors cannot be written: File too large;.*make room"):
                folder.write(1, [("x", Raw("U8", (8192,), bytes(8192)))])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        self.assertEqual(os.listdir(self.folder), ["trace.ndjson"])
        self.assertEqual(os.path.getsize(os.path.join(self.folder, "trace.ndjson")), 0)

    def test_a_line_is_written_whole_or_not_at_all(self):
        folder = self.write(("x", Raw("U8", (1,), b"7")))
        path = os.path.join(self.folder, "trace.ndjson")
        before = os.path.getsize(path)
        part = lambda descriptor, data: real(descriptor, data[:5])
        real = os.write
        with mock.patch("os.write", part), self.assertRaisesRegex(TraceError, "No space left"):
            folder.say({"note": "a word"})
        self.assertEqual(os.path.getsize(path), before)

    def test_a_folder_that_holds_a_trace_is_refused(self):
        self.write(("x", Raw("U8", (1,), b"7")))
        with self.assertRaisesRegex(TraceError, "has a trace in it.*name an empty folder"):
            bitfleet_trace._Folder(self.folder)

    def test_a_folder_that_is_none_is_refused(self):
        os.makedirs(self.folder)
        path = os.path.join(self.folder, "file")
        open(path, "w").close()
        for name in (path, os.path.join(path, "in it")):
            with self.assertRaisesRegex(TraceError, "BITFLEET_OUT=.*(is no folder|cannot be written)"):
                bitfleet_trace._Folder(name)


class Numbers:
    """A tensor of no framework."""

    def __init__(self, *values):
        self.data = array.array("d", values).tobytes()


class PlainTrace(bitfleet_trace._Trace):
    """A trace of no framework, whose model is one number."""

    weight = Numbers(3)

    def is_tensor(self, value):
        return isinstance(value, Numbers)

    def read_tensor(self, name, tensor):
        return [("", Raw("F64", (len(tensor.data) // 8,), tensor.data))]

    def add_weights(self, group):
        self.sheet.add(f"{group}/w", self.read_tensor("w", self.weight))

    def add_gradients(self, given):
        pass

    def read_facts(self):
        return {}, {}


class Roles(unittest.TestCase):
    def trace(self, **options):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = os.path.join(holder.name, "out")
        every = dict(every=1, steps=None, activations=True, gradients=True, weights=True, at_end=True, only=None)
        choice = bitfleet_trace._Choice(**{**every, **options})
        trace = PlainTrace({}, choice, bitfleet_trace._Folder(self.folder))
        self.addCleanup(os.close, trace.folder.lines)
        self.addCleanup(setattr, trace, "open", False)
        return trace

    def test_a_batch_is_an_input_and_what_is_computed_from_it_is_not(self):
        trace = self.trace()
        for step in (1, 2):
            trace.batch(x=Numbers(step), rest={"y": Numbers(7), "pair": [Numbers(8), Numbers(9)]})
            trace.add_activation("forward/a", Numbers(step + 1))
            trace.add_activation("input/judge", Numbers(step + 2), lambda tensor: None)
            trace.batch(late=Numbers(4))
            trace.step(0.5)
        trace.close()
        told = Told(self.folder)
        batch = ["batch/x", "batch/rest/y", "batch/rest/pair/0", "batch/rest/pair/1"]
        self.assertEqual(told.names(1), [*batch, "forward/a", "input/judge", "batch/late", "loss", "update/w"])
        self.assertEqual(told.names(0), ["weights/w"])
        inputs = [place for place in told.order if told.roles[place] == "input"]
        expected = [(step, name) for step in (1, 2) for name in (*batch, "batch/late")]
        self.assertEqual(inputs, [(0, "weights/w"), *expected])
        self.assertEqual([place for place in told.order if told.roles[place] == "output"], [(2, "weights/w")])
        self.assertEqual(told.tensors[2, "batch/x"].data, Numbers(2).data)

    def test_a_batch_of_a_step_that_is_not_traced_is_not_either(self):
        trace = self.trace(steps=[2])
        for step in (1, 2):
            trace.batch(x=Numbers(step))
            trace.step(0.5)
        trace.close()
        told = Told(self.folder)
        self.assertEqual([told.names(1), told.names(2)[0]], [[], "batch/x"])

    def test_what_is_no_batch_is_named(self):
        trace = self.trace()
        for given in (3, [], {"y": "text"}):
            with self.subTest(given), self.assertRaisesRegex(TraceError, "as labels: give it tensors"):
                trace.batch(labels=given)
        trace.close()
        with self.assertRaisesRegex(TraceError, r"batch was called after close\(\)"):
            trace.batch(x=Numbers(1))

    def test_a_step_that_is_written_in_part_is_not_the_last_one_written(self):
        trace = self.trace()
        trace.batch(x=Numbers(1))
        trace.step(0.5)
        whole = trace.folder.write

        def write(step, tensors, role=None):
            if role is None:
                raise trace.folder._cannot("file", OSError(28, "No space left on device"))
            whole(step, tensors, role)

        trace.batch(x=Numbers(2))
        with mock.patch.object(trace.folder, "write", write), self.assertRaisesRegex(TraceError, "written is 1;"):
            trace.step(0.5)
        trace.broken = None

    def test_roles_change_no_order_where_much_is_held(self):
        trace = self.trace()
        with mock.patch.object(bitfleet_trace, "_held_bytes", 20):
            for i in range(4):
                trace.batch(**{f"x{i}": Numbers(i)})
                trace.add_activation(f"forward/{i}", Numbers(i, i))
            trace.step(0.5)
        trace.close()
        told = Told(self.folder)
        pairs = [name for i in range(4) for name in (f"batch/x{i}", f"forward/{i}")]
        self.assertEqual(told.names(1)[:8], pairs)
        self.assertEqual([told.roles[1, name] for name in pairs], ["input", "intermediate"] * 4)


class Choices(unittest.TestCase):
    def choice(self, **given):
        options = dict(every=1, steps=None, activations=True, gradients=True, weights=True, at_end=True, only=None)
        return bitfleet_trace._Choice(**{**options, **given})

    def test_steps(self):
        traced = lambda **given: [step for step in range(1, 11) if self.choice(**given).has_step(step)]
        self.assertEqual(traced(), list(range(1, 11)))
        self.assertEqual(traced(every=4), [1, 4, 8])
        self.assertEqual(traced(steps=[2, 7]), [2, 7])

    def test_names(self):
        choice = self.choice(only=["forward/*", "loss"])
        self.assertEqual([choice.has_name(name) for name in ("forward/a/b", "loss", "backward/a")], [True, True, False])

    def test_what_is_refused(self):
        refused = [{"every": 0}, {"every": 2.0}, {"every": 2, "steps": [1]}, {"steps": [0]}, {"activations": "some"}]
        for given in refused:
            with self.subTest(given), self.assertRaises(TraceError):
                self.choice(**given)


class WhatAProgramAsks(unittest.TestCase):
    def test_the_seed(self):
        with mock.patch.dict(os.environ, BITFLEET_SEED="18446744073709551615"):
            self.assertEqual(bitfleet_trace.seed(1), 18446744073709551615)
        with mock.patch.dict(os.environ, BITFLEET_SEED="many"):
            with self.assertRaisesRegex(TraceError, "BITFLEET_SEED=many"):
                bitfleet_trace.seed(1)
        os.environ.pop("BITFLEET_SEED", None)
        self.assertEqual(bitfleet_trace.seed(1), 1)

    def test_parameters_have_the_type_of_their_default(self):
        given = {"rate": 0.5, "epochs": 3, "wide": False, "name": "7", "sizes": [1, 2]}
        texts = {"rate": "0.5", "epochs": "3", "wide": "false", "name": "7", "sizes": "[1,2]"}
        variables = {f"BITFLEET_PARAM_{name}": text for name, text in texts.items()}
        defaults = {"rate": 1.0, "epochs": 1, "wide": True, "name": "x", "sizes": []}
        self.assertEqual(bitfleet_trace.parameter("rate", 1.0), 1.0)
        with mock.patch.dict(os.environ, BITFLEET_PARAMETERS=json.dumps(given), **variables):
            found = {name: bitfleet_trace.parameter(name, default) for name, default in defaults.items()}
            self.assertEqual(found, given)
            with self.assertRaisesRegex(TraceError, "BITFLEET_PARAM_rate=0.5 is no int"):
                bitfleet_trace.parameter("rate", 1)
            with self.assertRaisesRegex(TraceError, "BITFLEET_PARAM_name=7 is no bool"):
                bitfleet_trace.parameter("name", True)


class Scripts(unittest.TestCase):
    def test_nothing_is_loaded_and_nothing_happens_unless_a_folder_is_named(self):
        ended = run(
            """
            import sys, threading
            import bitfleet_trace
            trace = bitfleet_trace.watch(object())
            trace.step(None)
            trace.batch(x=3)
            trace.step("whatever", gradients=7)
            trace.close()
            loaded = {"torch", "numpy", "keras", "tensorflow", "jax"} & set(sys.modules)
            print(loaded, threading.active_count(), bitfleet_trace._begun)
            """,
            traced=False,
        )
        self.assertEqual((ended.out, ended.err, ended.code), ("set() 1 []\n", "", 0))

    def test_what_is_no_model_is_named(self):
        ended = run("import bitfleet_trace; bitfleet_trace.watch([1])")
        self.assertEqual(ended.code, 1)
        self.assertIn("watch was given list: give it a torch.nn.Module or a Keras model", ended.err)
        self.assertIsNone(ended.told)

    def test_step_before_watch_is_told(self):
        ended = run("import bitfleet_trace; bitfleet_trace.step(1.0)")
        self.assertIn("call trace = bitfleet_trace.watch(model), then trace.step", ended.err)


if __name__ == "__main__":
    unittest.main()
