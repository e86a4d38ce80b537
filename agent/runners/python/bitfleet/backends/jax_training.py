"""A training as JAX computes it: each layer's operations forward, its vector-Jacobian product backward."""


def create_jax_engine(jax, network, params, upload, download, compiled):
    jnp = jax.numpy
    names = [parameter.name for parameter in network.parameters]
    window = (1, 2, 2, 1)

    def layer_function(layer, factors):
        if layer.kind == "dense":
            return lambda x, kernel, bias: jnp.dot(x.reshape(x.shape[0], -1), kernel) + bias
        if layer.kind == "convolution":
            numbers = ("NHWC", "HWIO", "NHWC")
            convolve = lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=numbers)
            return lambda x, kernel, bias: convolve(x, kernel) + bias
        if layer.kind == "relu":
            return jax.nn.relu
        if layer.kind == "pool":
            # JAX differentiates it only where the start is the constant itself.
            return lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        return jnp.copy if factors is None else lambda x: x * factors

    def cross_entropy(logits, targets):
        """Softmax, its cross-entropy as the mean over a batch, and (softmax − targets)/n."""
        probabilities = jax.nn.softmax(logits, 1)
        loss = jnp.mean(jax.scipy.special.logsumexp(logits, 1) - jnp.sum(logits * targets, 1))
        share = jnp.asarray(1 / logits.shape[0], jnp.float32)
        return probabilities, loss, (probabilities - targets) * share

    def step(weights, velocities, images, targets, factors):
        made, pullbacks, x = {}, [], images
        by_name = dict(zip(names, weights))
        for layer in network.layers:
            own = [by_name[parameter.name] for parameter in layer.parameters]
            x, pull = jax.vjp(layer_function(layer, factors), x, *own)
            made[f"forward/{layer.name}"] = x
            pullbacks.append(pull)
        made["forward/softmax"], made["loss"], gradient = cross_entropy(x, targets)
        for layer, pull in zip(reversed(network.layers), reversed(pullbacks)):
            made[f"backward/{layer.name}"] = gradient
            gradient, *own = pull(gradient)
            for parameter, slope in zip(layer.parameters, own):
                made[f"backward/{parameter.name}"] = slope
        momentum, rate = (jnp.asarray(params[name], jnp.float32) for name in ("momentum", "learningRate"))
        slopes = [made[f"backward/{name}"] for name in names]
        moving = [velocity * momentum + slope for velocity, slope in zip(velocities, slopes)]
        return made, [weight - velocity * rate for weight, velocity in zip(weights, moving)], moving

    def evaluate(weights, images):
        by_name = dict(zip(names, weights))
        x = images
        for layer in network.layers:
            x = layer_function(layer, None)(x, *(by_name[parameter.name] for parameter in layer.parameters))
        return x, jnp.argmax(x, 1).astype(jnp.int32)

    class Engine:
        def __init__(self):
            self.upload, self.download = upload, download
            self.zeros_like = jnp.zeros_like
            self.step, self.evaluate = compiled(step), compiled(evaluate)

    return Engine()
