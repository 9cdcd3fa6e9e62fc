"""A PyTorch user's own loop: data loader, optimiser and schedule are PyTorch's; layers and gradients are xpmlp's.

The layers' gradients are written out by hand, so autograd has nothing to record.
"""

import array_api_compat.torch as xp
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from xpmlp import nn
from xpmlp.nn.layers import activation, chain, dense, normalisation

EPOCHS, BATCH_SIZE = 10, 50


@torch.no_grad()
def main(device: str = "cuda" if torch.cuda.is_available() else "cpu") -> None:
    """Train, and print the accuracy on digits not used for training."""
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    shuffled = torch.randperm(len(images))
    x = torch.tensor(images / 16, dtype=torch.float32)[shuffled].to(device)
    classes = torch.tensor(labels)[shuffled].to(device)
    loader = DataLoader(TensorDataset(x[:1500], classes[:1500]), batch_size=BATCH_SIZE, shuffle=True)

    ops = nn.pure_ops(xp)
    network = chain(dense(64), normalisation(), activation("gelu"), dense(10))(64)
    # PyTorch's optimisers take the single tensors of the lists and named tuples
    parameters = [
        type(layer)(*(torch.tensor(array, dtype=torch.float32, device=device) for array in layer))
        for layer in network.init(np.random.default_rng(0))
    ]
    tensors = [tensor for layer in parameters for tensor in layer]
    optimizer = torch.optim.AdamW(tensors, lr=0.01, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=EPOCHS * len(loader))

    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for batch, wanted in loader:
            logits, residuals = network.forward(ops, parameters, batch, ())
            losses, delta = nn.cross_entropy(ops, logits, torch.nn.functional.one_hot(wanted, 10).to(batch.dtype))
            _, factors = network.backward(ops, parameters, residuals, delta, False)
            gradients = network.gradients(ops, factors, len(batch))
            for tensor, gradient in zip(tensors, (part for layer in gradients for part in layer), strict=True):
                tensor.grad = gradient
            optimizer.step()
            schedule.step()
            total += float(losses.sum())
        print(f"epoch {epoch}: mean loss {total / 1500:.4f}")

    logits, _ = network.forward(ops, parameters, x[1500:], ())
    right = logits.argmax(-1) == classes[1500:]
    print(f"PyTorch on {device}: accuracy {float(right.float().mean()):.4f} on {len(right)} other digits")


if __name__ == "__main__":
    main()
