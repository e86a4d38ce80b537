"""A training as PyTorch computes it: its operations forward, its own gradients backward."""


def create_torch_engine(torch, network, params, upload, download):
    functional = torch.nn.functional
    names = [parameter.name for parameter in network.parameters]

    class CrossEntropy(torch.autograd.Function):
        """Softmax cross-entropy, the mean over a batch; its gradient is (softmax − targets)/n, as in every framework."""

        @staticmethod
        def forward(context, logits, targets, probabilities):
            context.save_for_backward(probabilities, targets)
            at_label = torch.sum(logits * targets, 1)
            return torch.mean(torch.logsumexp(logits, 1) - at_label)

        @staticmethod
        def backward(context, gradient):
            probabilities, targets = context.saved_tensors
            share = torch.tensor(1 / probabilities.shape[0], dtype=torch.float32)
            return gradient * ((probabilities - targets) * share), None, None

    def apply_layer(layer, x, weights, factors):
        kernel, bias = (weights[parameter.name] for parameter in layer.parameters) if layer.parameters else (None, None)
        if layer.kind == "dense":
            return torch.matmul(x.reshape(x.shape[0], -1), kernel) + bias
        if layer.kind == "convolution":
            # PyTorch's images are NCHW and its kernels OIHW; these are views of the same bytes.
            result = functional.conv2d(x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1))
            return result.permute(0, 2, 3, 1) + bias
        if layer.kind == "relu":
            return torch.relu(x)
        if layer.kind == "pool":
            return functional.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        return x.clone() if factors is None else x * factors

    def apply_network(weights, images, factors=None):
        """The result of every layer."""
        results = []
        for layer in network.layers:
            results.append(apply_layer(layer, results[-1] if results else images, weights, factors))
        return results

    class Engine:
        def __init__(self):
            self.upload, self.download = upload, download
            self.zeros_like = torch.zeros_like

        def step(self, weights, velocities, images, targets, factors):
            leaves = [weight.detach().requires_grad_() for weight in weights]
            results = apply_network(dict(zip(names, leaves)), images, factors)
            probabilities = torch.softmax(results[-1].detach(), 1)
            loss = CrossEntropy.apply(results[-1], targets, probabilities)
            gradients = torch.autograd.grad(loss, [*results, *leaves])
            made = {"forward/softmax": probabilities, "loss": loss}
            for i, layer in enumerate(network.layers):
                made[f"forward/{layer.name}"] = results[i]
                made[f"backward/{layer.name}"] = gradients[i]
            own = gradients[len(results) :]
            made.update({f"backward/{name}": gradient for name, gradient in zip(names, own)})
            with torch.no_grad():
                momentum, rate = torch.tensor(params["momentum"]), torch.tensor(params["learningRate"])
                moving = [velocity * momentum + gradient for velocity, gradient in zip(velocities, own)]
                moved = [weight - velocity * rate for weight, velocity in zip(weights, moving)]
            return made, moved, moving

        def evaluate(self, weights, images):
            with torch.no_grad():
                logits = apply_network(dict(zip(names, weights)), images)[-1]
                return logits, torch.argmax(logits, 1).to(torch.int32)

    return Engine()
