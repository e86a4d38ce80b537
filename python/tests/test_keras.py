"""Trainings by Keras on TensorFlow: `fit` as it is and run eagerly, and a loop with a tape; no bit is changed."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from reading import run

begin = """
    import hashlib, numpy, keras, tensorflow, bitfleet_trace
    keras.utils.set_random_seed(3)
    x = numpy.random.default_rng(0).normal(size=(64, 6, 6, 1)).astype("float32")
    y = numpy.random.default_rng(1).integers(0, 3, 64)
    model = keras.Sequential([
        keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, name="c1"), keras.layers.BatchNormalization(name="bn"),
        keras.layers.Flatten(name="flat"), keras.layers.Dropout(0.5, name="drop"), keras.layers.Dense(3, name="out"),
    ])
    trace = bitfleet_trace.watch(model)
    losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    def say():
        data = b"".join(numpy.asarray(weight).tobytes() for weight in model.get_weights())
        print(hashlib.sha256(data).hexdigest(), numpy.asarray(model.get_weights()[-1]).tobytes().hex())
"""
fit = """
    model.compile(optimizer="adam", loss=losses, run_eagerly={eagerly})
    model.fit(x, y, batch_size=16, epochs=2, validation_data=(x, y), callbacks=[trace.keras()], verbose=0)
    say()
"""
tape = """
    optimizer = keras.optimizers.SGD(0.1)
    for i in range(4):
        with tensorflow.GradientTape() as tape:
            loss = losses(y[16 * i : 16 * i + 16], model(x[16 * i : 16 * i + 16], training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        trace.step(loss, gradients=gradients)
    print(numpy.asarray(loss).tobytes().hex(), numpy.asarray(gradients[-1]).tobytes().hex())
    say()
"""
weights = ["c1/kernel", "c1/bias", "bn/gamma", "bn/beta", "out/kernel", "out/bias"]
state = ["state/bn/moving_mean", "state/bn/moving_variance", "state/seed_generator/seed_generator_state"]
backward = [f"backward/{name}" for name in ("out/kernel", "out/bias", "bn/gamma", "bn/beta", "c1/kernel", "c1/bias")]


class Keras(unittest.TestCase):
    def both(self, script):
        without, with_it = run(begin + script, traced=False), run(begin + script)
        self.assertEqual((without.code, with_it.code), (0, 0), without.err + with_it.err)
        self.assertEqual(with_it.out, without.out)
        return with_it.told, with_it.out.split()

    def check_weights(self, told, steps, last):
        self.assertEqual(sorted({step for step, _ in told.order}), list(range(steps + 1)))
        self.assertEqual(sorted(told.names(0)), sorted([f"weights/{name}" for name in weights] + state))
        self.assertEqual({told.roles[0, name] for name in told.names(0)}, {"input"})
        self.assertEqual(told.tensors[steps, "update/out/bias"].data.hex(), last)
        self.assertEqual(told.tensors[steps, "weights/out/bias"].data.hex(), last)
        self.assertEqual(told.roles[steps, "weights/out/bias"], "output")
        for step in range(1, steps + 1):
            names = [name for name in told.names(step) if name.startswith(("update/", "state/"))]
            self.assertEqual(sorted(names), sorted([f"update/{name}" for name in weights] + state))

    def test_fit(self):
        told, said = self.both(fit.format(eagerly=False))
        self.check_weights(told, 8, said[-1])
        self.assertEqual(told.names(1)[0], "loss")
        self.assertEqual([name for name in told.names(1) if name.startswith(("forward/", "backward/"))], [])
        whole, mean = told.notes
        self.assertIn("fit computes a step as one compiled whole", whole)
        self.assertEqual(mean, "the loss is the mean that Keras tells, over the epoch so far")
        self.assertRegex(told.facts["lib.keras.version"], r"^\d+\.\d+")
        self.assertEqual(told.facts["lib.keras.backend"], "tensorflow")
        self.assertIn(told.settings["TF_ENABLE_ONEDNN_OPTS"], ("0", "1"))

    def test_fit_run_eagerly(self):
        told, said = self.both(fit.format(eagerly=True))
        self.check_weights(told, 8, said[-1])
        forward = [f"forward/{name}" for name in ("c1", "bn", "flat", "drop", "out")]
        self.assertEqual(told.names(3)[:12], [*forward, "loss", *backward])
        self.assertEqual(told.notes, [])
        shapes = [told.tensors[1, name].shape for name in ("forward/c1", "loss", "backward/c1/kernel")]
        self.assertEqual(shapes, [(16, 4, 4, 2), (), (3, 3, 1, 2)])
        self.assertEqual(told.tensors[1, "loss"].dtype, "F32")
        # A mean over the epoch would move less and less.
        self.assertEqual(len({told.tensors[step, "loss"].data for step in range(1, 9)}), 8)

    def test_a_loop_with_a_tape(self):
        told, said = self.both(tape)
        self.check_weights(told, 4, said[-1])
        self.assertEqual(told.names(2)[:7], ["loss", *backward])
        self.assertEqual(told.tensors[4, "loss"].data.hex(), said[0])
        self.assertEqual(told.tensors[4, "backward/out/bias"].data.hex(), said[1])

    def test_sparse_gradients_bfloat16_and_a_step_within_a_graph(self):
        ended = run(
            """
            import numpy, keras, tensorflow, bitfleet_trace
            keras.config.set_dtype_policy("bfloat16")
            model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(5, 3, name="words")])
            trace = bitfleet_trace.watch(model)
            for i in range(2):
                with tensorflow.GradientTape() as tape:
                    loss = tensorflow.reduce_sum(model(numpy.array([[1, 3]]), training=True))
                gradients = tape.gradient(loss, model.trainable_variables)
                trace.step(loss, gradients=gradients)
            @tensorflow.function
            def within():
                trace.step(tensorflow.constant(1.0))
            within()
            """
        )
        self.assertEqual(ended.code, 1)
        self.assertIn("loss has no value yet", ended.err)
        told = ended.told
        values = told.tensors[2, "backward/words/embeddings/values"]
        self.assertEqual((values.dtype, values.data.hex()), ("BF16", "803f" * 6))
        self.assertEqual(told.tensors[2, "backward/words/embeddings/indices"].shape, (2,))
        self.assertIn("backward/words/embeddings is sparse", told.notes[0])

    def test_fit_of_another_model(self):
        ended = run(begin + "    model = keras.models.clone_model(model)\n" + fit.format(eagerly=False))
        self.assertEqual(ended.code, 1)
        self.assertIn("fit was called on another model than was given to watch", ended.err)


if __name__ == "__main__":
    unittest.main()
