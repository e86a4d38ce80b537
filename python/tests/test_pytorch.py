"""Trainings by PyTorch: what is traced of them, and that tracing changes no bit."""

import ctypes
import os
import sys
import tempfile
import unittest
import warnings
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
warnings.simplefilter("ignore")
import torch
from torch import nn

import bitfleet_trace
from reading import Told, run


def bytes_of(tensor):
    tensor = tensor.detach().contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


class Traced:
    """A trace within this process: `with Traced(model) as trace: …`, then `trace.told`."""

    def __init__(self, model, **options):
        self.model, self.options = model, options

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="bitfleet-trace-")
        with mock.patch.dict(os.environ, BITFLEET_OUT=self.holder.name):
            self.trace = bitfleet_trace.watch(self.model, **self.options)
        self.step, self.batch = self.trace.step, self.trace.batch
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.trace.close()
        finally:
            self.trace.open = False
            self.trace.end()
            self.trace.broken = None
            bitfleet_trace._begun.clear()
        self.told = Told(self.holder.name) if kind is None else None
        self.holder.cleanup()


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3))


def batch(i=0, n=8):
    generator = torch.Generator().manual_seed(i)
    return torch.randn(n, 6, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def lossy(model, i=0):
    x, y = batch(i)
    return nn.functional.cross_entropy(model(x), y)


class Bits(unittest.TestCase):
    #: All that may go wrong by looking: draws of dropout and of the order of batches, workers, averages, evaluation by
    #: the fast path of transformers, a learning rate that follows from it.
    training = """
        import hashlib, ctypes, torch
        from torch import nn
        import bitfleet_trace
        torch.manual_seed(5)
        torch.set_num_threads({threads})
        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.convolution = nn.Conv2d(1, 8, 3)
                self.norm = nn.BatchNorm2d(8)
                self.mixer = nn.TransformerEncoderLayer(36, 4, 32, batch_first=True)
                self.out = nn.Linear(36, 3)
            def forward(self, x):
                x = torch.relu(self.norm(self.convolution(x))).flatten(2)
                return self.out(self.mixer(x).mean(1))
        model = Network()
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        data = torch.utils.data.TensorDataset(torch.randn(96, 1, 8, 8), torch.randint(0, 3, (96,)))
        trace = bitfleet_trace.watch(model)
        threads = torch.get_num_threads()
        for epoch in range(2):
            for x, y in torch.utils.data.DataLoader(data, 16, shuffle=True, num_workers={workers}):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                trace.step(loss)
            model.eval()
            with torch.no_grad():
                error = nn.functional.cross_entropy(model(data.tensors[0]), data.tensors[1]).item()
            model.train()
            optimizer.param_groups[0]["lr"] *= error
        digest = hashlib.sha256(repr(error).encode())
        for tensor in [*model.state_dict().values(), torch.get_rng_state()]:
            tensor = tensor.contiguous()
            digest.update(ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()))
        print(digest.hexdigest(), torch.get_num_threads() == threads)
    """

    def test_weights_and_generators_are_the_same_with_and_without_a_trace(self):
        for threads, workers in ((1, 0), (2, 2)):
            script = self.training.format(threads=threads, workers=workers)
            without, with_it = run(script, traced=False), run(script)
            self.assertEqual((without.code, with_it.code), (0, 0), without.err + with_it.err)
            self.assertEqual(with_it.out, without.out)
            self.assertRegex(with_it.out, "^[0-9a-f]{64} True$")
            self.assertEqual([step for step, name in with_it.told.order if name == "loss"], list(range(1, 13)))
            self.assertEqual(with_it.told.settings["OMP_NUM_THREADS"], str(threads))

    def test_what_is_compiled_stays_the_same(self):
        script = """
            import ctypes, hashlib, torch, bitfleet_trace
            from torch import nn
            torch.manual_seed(1)
            model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 4))
            graphs = []
            def compiler(graph, inputs):
                graphs.append(str(graph.graph))
                return graph.forward
            {before}
            compiled = torch.compile(model, backend=compiler)
            {after}
            optimizer = torch.optim.SGD(model.parameters(), 0.1)
            for i in range(3):
                optimizer.zero_grad()
                loss = compiled(torch.randn(8, 8)).square().sum()
                loss.backward()
                optimizer.step()
                trace.step(loss)
            # In which order a graph is handed its tensors is no part of what it computes.
            handed = sorted(line for graph in graphs for line in graph.splitlines() if "placeholder" in line)
            computed = [line for graph in graphs for line in graph.splitlines() if "placeholder" not in line]
            digest = hashlib.sha256("".join(handed + computed).encode()).hexdigest()
            print(len(graphs), len(computed), digest, [parameter.tolist() for parameter in model.parameters()])
        """
        watch = "trace = bitfleet_trace.watch({})"
        for model in ("model", "compiled"):
            first = model == "model"
            line = watch.format(model)
            filled = script.format(before=line if first else "", after="" if first else line)
            without, with_it = run(filled, traced=False), run(filled)
            self.assertEqual((without.code, with_it.code), (0, 0), without.err + with_it.err)
            self.assertEqual(with_it.out, without.out)
            self.assertTrue(with_it.out.startswith("1 7 "), with_it.out)
            names = with_it.told.names(2)
            self.assertIn("backward/3/weight", names)
            self.assertNotIn("forward/0", names)
            self.assertEqual("forward/model" in names, not first)
            self.assertIn("no activation was seen inside the model", " ".join(with_it.told.notes))


class Names(unittest.TestCase):
    def test_all_of_a_training_under_its_names_with_its_bytes(self):
        model, expected = network(), {}
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        keep = lambda step, name, tensor: expected.__setitem__((step, name), bytes_of(tensor))
        for name, parameter in model.named_parameters():
            keep(0, "weights/" + name.replace(".", "/"), parameter)
        for name, buffer in model.named_buffers():
            keep(0, "state/" + name.replace(".", "/"), buffer)
        with Traced(model) as traced:
            for step in (1, 2):
                optimizer.zero_grad()
                x, y = batch(step)
                keep(step, "input", x)
                for i, module in enumerate(model):
                    module.register_forward_hook(lambda _, __, out, s=step, i=i: keep(s, f"forward/{i}", out))
                loss = nn.functional.cross_entropy(model(x), y)
                for module in model:
                    module._forward_hooks.clear()
                keep(step, "loss", loss)
                loss.backward()
                for name in ("4.weight", "4.bias", "1.weight", "1.bias", "0.weight", "0.bias"):
                    keep(step, "backward/" + name.replace(".", "/"), model.get_parameter(name).grad)
                optimizer.step()
                traced.step(loss)
                for name, parameter in model.named_parameters():
                    keep(step, "update/" + name.replace(".", "/"), parameter)
                for name, buffer in model.named_buffers():
                    keep(step, "state/" + name.replace(".", "/"), buffer)
        for name, parameter in model.named_parameters():
            keep(2, "weights/" + name.replace(".", "/"), parameter)
        told = traced.told
        self.assertEqual(told.order, list(expected))
        self.assertEqual({key: tensor.data for key, tensor in told.tensors.items()}, expected)
        self.assertEqual({told.roles[0, name] for name in told.names(0)}, {"input"})
        outputs = [key for key, role in told.roles.items() if role == "output"]
        self.assertEqual(outputs, [(2, name) for name in told.names(2) if name.startswith("weights/")])
        inputs = [key for key, role in told.roles.items() if role == "input" and key[0] > 0]
        self.assertEqual(inputs, [(1, "input"), (2, "input")])
        # The weights, then of each step the input and the others, then the weights at the end.
        self.assertEqual(told.files, [f"{i:06}.safetensors" for i in (1, 2, 3, 4, 5, 6)])
        self.assertEqual(told.notes, [])
        self.assertEqual(told.tensors[1, "state/1/num_batches_tracked"].dtype, "I64")

    def test_gradients_wherever_the_script_sets_them_to_zero(self):
        def train(before, after):
            model = network(1)
            optimizer = torch.optim.SGD(model.parameters(), 0.1)
            with Traced(model, only="backward/*") as traced:
                for step in (1, 2, 3):
                    before(optimizer)
                    loss = lossy(model, step)
                    loss.backward()
                    optimizer.step()
                    after(optimizer)
                    traced.step(loss)
            return traced.told.tensors

        nothing = lambda optimizer: None
        usual = train(lambda optimizer: optimizer.zero_grad(), nothing)
        self.assertEqual(len(usual), 18)
        self.assertGreater(len({repr(tensor) for tensor in usual.values()}), 12)
        self.assertEqual(train(nothing, lambda optimizer: optimizer.zero_grad()), usual)
        self.assertEqual(train(nothing, lambda optimizer: optimizer.zero_grad(set_to_none=False)), usual)
        self.assertEqual(train(lambda optimizer: optimizer.zero_grad(set_to_none=False), nothing), usual)
        hook = torch.Tensor.register_post_accumulate_grad_hook
        try:
            del torch.Tensor.register_post_accumulate_grad_hook  # as before PyTorch 2.1
            self.assertEqual(train(nothing, lambda optimizer: optimizer.zero_grad()), usual)
        finally:
            torch.Tensor.register_post_accumulate_grad_hook = hook

    def test_accumulated_gradients_are_the_sum(self):
        model = network()
        with Traced(model) as traced:
            for i in (1, 2):
                lossy(model, i).backward()
            grads = {name: bytes_of(parameter.grad) for name, parameter in model.named_parameters()}
            traced.step(1.5)
        told = traced.told
        for name, data in grads.items():
            self.assertEqual(told.tensors[1, "backward/" + name.replace(".", "/")].data, data)
        self.assertIn((1, "forward/0#2"), told.tensors)
        self.assertIn((1, "input#2"), told.tensors)
        loss = told.tensors[1, "loss"]
        self.assertEqual((loss.dtype, loss.data.hex()), ("F64", "000000000000f83f"))

    def test_gradients_that_the_script_computes_itself(self):
        model = network()
        parameters = list(model.parameters())
        given = torch.autograd.grad(lossy(model), parameters)
        for form in (given, {name: g for (name, _), g in zip(model.named_parameters(), given)}):
            with Traced(model) as traced:
                traced.step(lossy(model), gradients=form)
            self.assertEqual(traced.told.tensors[1, "backward/4/bias"].data, bytes_of(given[-1]))
            backward = [name for name in traced.told.names(1) if name.startswith("backward/")]
            self.assertEqual(backward[0], "backward/4/weight")
        with Traced(model) as traced:
            traced.step(lossy(model))
        self.assertIn("gave no parameter a gradient", traced.told.notes[0])
        with self.assertRaisesRegex(bitfleet_trace.TraceError, "1 gradients for 6 trainable"), Traced(model) as traced:
            traced.step(lossy(model), gradients=given[:1])

    def test_what_is_shared_frozen_and_called_again(self):
        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
                self.second.weight = self.first.weight
                self.still, self.average = nn.Linear(6, 6), nn.Linear(6, 6)
                for module in (self.still, self.average):
                    module.requires_grad_(False)

            def forward(self, x):
                return self.average(self.still(self.second(self.first(self.first(x)))))

        model = Network()
        with Traced(model) as traced:
            for step in (1, 2, 3):
                model.zero_grad()
                loss = model(batch(step)[0]).sum()
                loss.backward()
                with torch.no_grad():
                    model.first.weight -= 0.1 * model.first.weight.grad
                    if step == 2:
                        model.average.weight.mul_(0.5)
                traced.step(loss)
        told = traced.told
        shared = "the parameter second/weight is first/weight, too, and is traced under that name"
        self.assertEqual(told.notes, [shared])
        self.assertNotIn((0, "weights/second/weight"), told.tensors)
        self.assertIn((0, "weights/still/weight"), told.tensors)
        self.assertEqual(
            told.names(1),
            [
                *["input", "forward/first", "forward/first#2", "forward/second", "forward/still", "forward/average"],
                "loss",
                *["backward/second/bias", "backward/first/weight", "backward/first/bias"],
                *["update/first/weight", "update/first/bias", "update/second/bias"],
            ],
        )
        self.assertEqual([step for step, name in told.order if name == "update/average/weight"], [2, 3])

    def test_evaluation_is_no_step(self):
        model = network()
        with Traced(model) as traced:
            model.eval()
            model(batch(7)[0])
            model.train()
            with torch.no_grad():
                model(batch(8)[0])
            loss = lossy(model, 1)
            loss.backward()
            traced.step(loss)
        told = traced.told
        self.assertEqual(told.tensors[1, "input"].data, bytes_of(batch(1)[0]))
        self.assertFalse([name for name in told.names(1) if "#" in name])

    def test_steps_and_names_that_are_chosen(self):
        def traced_with(**options):
            model = network()
            with Traced(model, **options) as traced:
                for i in range(5):
                    loss = lossy(model, i)
                    loss.backward()
                    traced.step(loss)
            return traced.told

        steps = lambda told: sorted({step for step, _ in told.order})
        self.assertEqual(steps(traced_with(every=2)), [0, 1, 2, 4, 5])
        self.assertEqual(steps(traced_with(every=2, at_end=False)), [0, 1, 2, 4])
        self.assertEqual(steps(traced_with(steps=[3], weights=False)), [3])
        self.assertEqual(set(traced_with(only=["loss", "forward/4"]).names(2)), {"loss", "forward/4"})
        told = traced_with(activations=False, gradients=False, weights=False)
        self.assertEqual(told.order, [(step, "loss") for step in range(1, 6)])
        self.assertEqual(traced_with(only="loess").notes, ["only=['loess']: no name of this training matches"])
        self.assertEqual(traced_with(activations="all", steps=[1]).names(1)[6], "forward/model")

    def test_modules_of_several_results_and_with_parameters_of_their_own(self):
        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.memory = nn.LSTM(6, 4, batch_first=True)
                self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

            def forward(self, x, *, scale):
                x, _ = self.memory(x)
                return self.attention(x, x, x)[0] * scale

        model = Network()
        with Traced(model) as traced:
            loss = model(torch.randn(2, 3, 6), scale=2.0).sum()
            loss.backward()
            traced.step(loss)
        forward = [name for name in traced.told.names(1) if name.startswith("forward/")]
        memory = ["forward/memory/0", "forward/memory/1/0", "forward/memory/1/1"]
        self.assertEqual(forward, [*memory, "forward/attention/0", "forward/attention/1"])

    def test_several_models_of_one_training(self):
        made, judged = nn.Linear(3, 3), nn.Linear(3, 1)
        with Traced({"maker": made, "judge": judged}) as traced:
            loss = judged(made(torch.ones(2, 3))).sum()
            loss.backward()
            traced.step({"maker": loss, "judge": -loss})
        names = traced.told.names(1)
        expected = ["forward/maker", "input/judge", "loss/maker", "loss/judge", "backward/judge/weight", "update/maker/bias"]
        self.assertEqual([name for name in expected if name not in names], [])
        # The judge is given what the maker computed.
        roles = {name: traced.told.roles[1, name] for name in ("input/maker", "input/judge")}
        self.assertEqual(roles, {"input/maker": "input", "input/judge": "intermediate"})

    def test_a_batch_and_its_labels_are_inputs(self):
        model = nn.Linear(3, 1)
        with Traced(model, steps=[2]) as traced:
            for step in (1, 2):
                x, y = torch.full((2, 3), float(step)), torch.tensor([step, 7])
                traced.batch(x=x, more={"y": y, "pair": [x[0], x[1]]})
                loss = (model(x).sum() - y.sum()) ** 2
                loss.backward()
                traced.step(loss)
            with self.assertRaisesRegex(bitfleet_trace.TraceError, "batch was given int as n: give it tensors"):
                traced.batch(n=3)
        told = traced.told
        named = ["batch/x", "batch/more/y", "batch/more/pair/0", "batch/more/pair/1", "input"]
        self.assertEqual(told.names(2)[:5], named)
        self.assertEqual({told.roles[2, name] for name in named}, {"input"})
        self.assertEqual(told.tensors[2, "batch/more/y"].data, bytes_of(torch.tensor([2, 7])))
        self.assertEqual(told.names(1), [])

    def test_wrappers_leave_no_trace_in_names(self):
        model = nn.DataParallel(nn.Sequential(torch.compile(nn.Linear(6, 3), backend="eager")))
        with Traced(model) as traced:
            loss = lossy(model)
            loss.backward()
            traced.step(loss)
        self.assertEqual([name for name in traced.told.names(0)], ["weights/0/weight", "weights/0/bias"])
        self.assertIn((1, "backward/0/weight"), traced.told.tensors)

    def test_modules_that_learn_their_shapes(self):
        model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 3))
        with Traced(model) as traced:
            for i in (1, 2):
                model.zero_grad()
                loss = lossy(model, i)
                loss.backward()
                traced.step(loss)
        told = traced.told
        self.assertEqual(told.names(0), ["weights/1/weight", "weights/1/bias"])
        self.assertIn("0/weight has no shape before the first step", told.notes[0])
        for step in (1, 2):
            self.assertIn((step, "backward/0/weight"), told.tensors)
            self.assertIn((step, "update/0/weight"), told.tensors)


class Types(unittest.TestCase):
    def test_half_precision_has_its_own_bytes(self):
        for dtype, code in ((torch.bfloat16, "BF16"), (torch.float16, "F16"), (torch.float64, "F64")):
            model = nn.Linear(6, 3).to(dtype)
            with Traced(model) as traced:
                loss = model(batch()[0].to(dtype)).sum()
                loss.backward()
                traced.step(loss)
            told = traced.told
            self.assertEqual({tensor.dtype for tensor in told.tensors.values()}, {code})
            self.assertEqual(told.tensors[1, "backward/weight"].data, bytes_of(model.weight.grad))

    def test_autocast(self):
        model = nn.Linear(6, 3)
        with Traced(model) as traced:
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(batch()[0]).float().sum()
            loss.backward()
            traced.step(loss)
        kinds = {name: traced.told.tensors[1, name].dtype for name in ("forward/model", "backward/weight", "input")}
        self.assertEqual(kinds, {"forward/model": "BF16", "backward/weight": "F32", "input": "F32"})

    def test_bytes_of_a_signalling_nan_and_of_what_is_not_contiguous(self):
        model = nn.Module()
        pattern = torch.tensor([[0x7F800001, -(1 << 31)], [1, 2]], dtype=torch.int32).view(torch.float32)
        model.register_buffer("odd", pattern)
        model.register_buffer("turned", pattern.t())
        channels = torch.arange(24.0).view(1, 2, 3, 4)
        model.register_buffer("channels", channels.contiguous(memory_format=torch.channels_last))
        model.register_buffer("empty", torch.empty(0, 3))
        model.register_buffer("negated", torch._neg_view(torch.ones(2)))
        with Traced(model) as traced:
            traced.step(0.0)
        at = lambda name: traced.told.tensors[0, f"state/{name}"]
        self.assertEqual(at("odd").data.hex(), "0100807f" "00000080" "01000000" "02000000")
        self.assertEqual(at("turned").data.hex(), "0100807f" "01000000" "00000080" "02000000")
        self.assertEqual(at("channels").data, bytes_of(torch.arange(24.0)))
        self.assertEqual((at("empty").shape, at("empty").data), ((0, 3), b""))
        self.assertEqual(at("negated").data, bytes_of(-torch.ones(2)))

    def test_what_has_a_shape_and_no_memory_is_noted_and_not_read(self):
        class Wrapper(torch.Tensor):
            """A shape around another tensor, as DTensor is."""

            @staticmethod
            def __new__(cls, inner):
                return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=inner.device)

            def __init__(self, inner):
                self.inner = inner

            @classmethod
            def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
                plain = [arg.inner if isinstance(arg, cls) else arg for arg in args]
                result = function(*plain, **(kwargs or {}))
                return cls(result) if isinstance(result, torch.Tensor) else result

        from torch._subclasses import FakeTensorMode

        with FakeTensorMode():
            fake = torch.ones(3)
        freed = torch.ones(2, 3).t()
        freed.untyped_storage().resize_(0)
        without = {"wrapper": Wrapper(torch.ones(3)), "fake": fake, "freed": freed, "zero": torch._efficientzerotensor(3)}
        for name, tensor in without.items():
            notes = []
            reader = bitfleet_trace._TorchTensors(torch, lambda text, about=None: notes.append(text))
            self.assertEqual(reader.read(name, tensor), [], name)
            self.assertRegex(notes[0], f"^{name} is not traced: .* holds no bytes of its own now$")

    def test_views_are_read_in_the_order_of_their_elements(self):
        whole = torch.arange(12.0).reshape(3, 4)
        views = [whole.t(), whole[:, 1], whole[1:, ::2], torch.ones(1).expand(5), torch.tensor(2.0), torch.empty(0, 3)]
        reader = bitfleet_trace._TorchTensors(torch, self.fail)
        for view in views:
            ((_, raw),) = reader.read("view", view)
            self.assertEqual((raw.shape, raw.data), (list(view.shape), bytes_of(view.clone())))

    def test_sparse_gradients_are_indices_and_values(self):
        model = nn.Sequential(nn.Embedding(5, 2, sparse=True))
        with Traced(model) as traced:
            loss = model(torch.tensor([3, 1, 3])).sum()
            loss.backward()
            traced.step(loss)
        told = traced.told
        self.assertEqual(told.tensors[1, "backward/0/weight/indices"].shape, (1, 3))
        self.assertEqual(told.tensors[1, "backward/0/weight/values"].data, bytes_of(torch.ones(3, 2)))
        self.assertIn("backward/0/weight is sparse", told.notes[0])

    def test_what_no_trace_can_hold_is_a_note_once(self):
        model = nn.Module()
        for name in ("a", "b"):
            model.register_buffer(name, torch.ones(2, dtype=torch.complex64))
        model.register_buffer("eighth", torch.ones(2).to(torch.float8_e4m3fn))
        model.register_buffer("nowhere", torch.ones(2, device="meta"))
        with Traced(model) as traced:
            for _ in range(2):
                traced.step(0.0)
        self.assertEqual(
            traced.told.notes[:3],
            [
                "tensors of complex64 are not traced, such as state/a: traces have none",
                "tensors of float8_e4m3fn are not traced, such as state/eighth: traces have none",
                "state/nowhere is not traced: it is of the device meta",
            ],
        )

    def test_a_tensor_that_is_too_large_for_a_file_is_a_note(self):
        with mock.patch.object(bitfleet_trace, "_tensor_bytes", 70), Traced(network()) as traced:
            traced.step(0.0)
        self.assertIn("weights/0/weight is not traced: it has 120 bytes, and 70 are taken", traced.told.notes)
        self.assertIn((0, "weights/0/bias"), traced.told.tensors)

    def test_a_step_of_many_bytes_is_several_files_in_order(self):
        model = network()
        with mock.patch.object(bitfleet_trace, "_held_bytes", 200), Traced(model) as traced:
            loss = lossy(model)
            loss.backward()
            traced.step(loss)
        self.assertGreater(len(traced.told.files), 4)
        model = network()
        with Traced(model) as whole:
            loss = lossy(model)
            loss.backward()
            whole.step(loss)
        self.assertEqual(traced.told.order, whole.told.order)
        self.assertEqual(traced.told.tensors, whole.told.tensors)


class Facts(unittest.TestCase):
    def test_settings_are_what_is_in_force(self):
        script = """
            import torch, bitfleet_trace
            model = torch.nn.Linear(2, 2)
            trace = bitfleet_trace.watch(model)
            torch.set_num_threads(3)
            torch.use_deterministic_algorithms(True)
            trace.step(0.0)
        """
        ended = run(script, OMP_NUM_THREADS="1", ATEN_CPU_CAPABILITY="default")
        self.assertEqual(ended.code, 0, ended.err)
        told = ended.told
        self.assertEqual(told.settings["OMP_NUM_THREADS"], "3")
        self.assertEqual(told.settings["ATEN_CPU_CAPABILITY"], "default")
        self.assertEqual(told.facts["lib.pytorch.version"], torch.__version__)
        self.assertEqual(told.facts["lib.pytorch.deterministic"], "on")
        self.assertEqual(told.facts["pool.pytorch.threads"], "3")


class Ends(unittest.TestCase):
    script = """
        import sys, torch, bitfleet_trace
        model = torch.nn.Linear(64, 64)
        trace = bitfleet_trace.watch(model)
        for step in range(3):
            loss = model(torch.ones(4, 64)).sum()
            loss.backward()
            {step}
        {end}
    """

    def go(self, step="trace.step(loss)", end="", **more):
        return run(self.script.format(step=step, end=end), **more)

    def test_a_loss_that_is_none(self):
        for given, named in (("None", "NoneType"), ("7", "int"), ("'x'", "str"), ("[loss]", "list")):
            ended = self.go(step=f"trace.step({given})")
            self.assertEqual(ended.code, 1)
            self.assertIn(f"step was given {named} as its loss: give it the tensor", ended.err)

    def test_a_training_that_fails_writes_no_last_weights(self):
        ended = self.go(end="raise ValueError('no more')")
        self.assertEqual(ended.code, 1)
        self.assertEqual(set(ended.told.roles.values()), {"input", "intermediate"})

    def test_a_step_after_close(self):
        ended = self.go(end="trace.close(); trace.step(loss)")
        self.assertEqual(ended.code, 1)
        self.assertIn("step was called after close()", ended.err)

    def test_no_step_at_all(self):
        ended = self.go(step="pass")
        self.assertEqual((ended.code, ended.told.notes[0].split(":")[0]), (0, "step was never called"))

    def test_a_second_trace(self):
        ended = self.go(end="bitfleet_trace.watch(model)")
        self.assertEqual(ended.code, 1)
        self.assertIn("this process has a trace already", ended.err)

    def test_other_processes_of_the_same_training(self):
        ended = self.go(RANK="1", WORLD_SIZE="2")
        self.assertEqual((ended.code, ended.told), (0, None))
        ended = self.go(RANK="0", WORLD_SIZE="2")
        self.assertIn("rank 0) alone is traced", ended.told.notes[0])

    def test_a_full_disk_ends_the_training_with_a_word(self):
        def limit():
            import resource
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

        ended = self.go(before=limit)
        self.assertEqual(ended.code, 1)
        self.assertRegex(ended.err, r"000003.safetensors cannot be written: File too large; the last step written is 0")
        # The weights, and what step 1 was given.
        self.assertEqual(ended.told.files, ["000001.safetensors", "000002.safetensors"])
        # A script that goes on whatever happens must not end as if its trace were whole.
        ended = self.go(step="try: trace.step(loss)\n            except Exception: pass", before=limit)
        self.assertEqual(ended.code, 1)
        self.assertIn("the program went on after an error", ended.err)


if __name__ == "__main__":
    unittest.main()
