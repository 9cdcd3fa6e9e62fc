"""A JAX user's own loop: an epoch is one program, ``jit`` of ``lax.scan``, around xpmlp's layers and optimisers.

All of these are pure functions over trees, as required by JAX's compiler.  The layers' gradients are written out by
hand, and equal those of ``jax.grad``, as is checked here for the first batch.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from xpmlp import nn, optim
from xpmlp.nn.layers import activation, chain, dense, plus

EPOCHS, BATCH_SIZE = 15, 50

OPS = nn.pure_ops(jnp)
NETWORK = chain(dense(64), plus(chain(dense(64), activation("silu"))), dense(10))(64)
HYPERPARAMETERS = optim.Hyperparameters.series(0.003, weight_decay=0.01, momentum=0.9, divisor=BATCH_SIZE)
OPTIMIZER = optim.compose(optim.clip_by_global_norm(NETWORK.kinds, 1.0), optim.adamw(NETWORK.kinds))


def mean_loss(parameters: Any, x: jax.Array, targets: jax.Array) -> jax.Array:
    """Compute the outputs for a batch."""
    logits, _ = NETWORK.forward(OPS, parameters, x, ())
    return nn.cross_entropy(OPS, logits, targets)[0].mean()


def loss_and_gradients(parameters: Any, x: jax.Array, targets: jax.Array) -> tuple[jax.Array, Any]:
    """Compute the mean loss of a batch, and its gradients in the structure of the parameters."""
    logits, residuals = NETWORK.forward(OPS, parameters, x, ())
    losses, delta = nn.cross_entropy(OPS, logits, targets)
    _, factors = NETWORK.backward(OPS, parameters, residuals, delta, False)
    return losses.mean(), NETWORK.gradients(OPS, factors, len(x))


def step(carry: Any, batch: Any) -> tuple[Any, jax.Array]:
    """Do the step that `lax.scan` folds."""
    parameters, state = carry
    loss, gradients = loss_and_gradients(parameters, *batch)
    return OPTIMIZER.update(OPS, parameters, gradients, state, HYPERPARAMETERS), loss


@jax.jit
def train_epoch(carry: Any, key: jax.Array, x: jax.Array, targets: jax.Array) -> tuple[Any, jax.Array]:
    """Make one pass over the examples in a new order; return the carry, and the loss of each batch."""
    order = jax.random.permutation(key, len(x)).reshape(-1, BATCH_SIZE)
    carry, losses = jax.lax.scan(step, carry, (x[order], targets[order]))
    return carry, losses


def main() -> None:
    """Train, and print the accuracy on digits not used for training."""
    images, labels = load_digits(return_X_y=True)
    shuffled = np.random.default_rng(0).permutation(len(images))
    x, targets = jnp.asarray(images[shuffled] / 16, jnp.float32), jax.nn.one_hot(labels[shuffled], 10)
    parameters = jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), NETWORK.init(np.random.default_rng(0)))

    first = x[:BATCH_SIZE], targets[:BATCH_SIZE]
    written, derived = loss_and_gradients(parameters, *first)[1], jax.grad(mean_loss)(parameters, *first)
    assert jax.tree.all(jax.tree.map(lambda one, other: jnp.allclose(one, other, atol=1e-6), written, derived))

    carry = parameters, OPTIMIZER.init(parameters)
    for epoch, key in enumerate(jax.random.split(jax.random.key(0), EPOCHS), start=1):
        carry, losses = train_epoch(carry, key, x[:1500], targets[:1500])
        print(f"epoch {epoch}: mean loss {losses.mean():.4f}")

    logits, _ = NETWORK.forward(OPS, carry[0], x[1500:], ())
    accuracy = (logits.argmax(-1) == jnp.asarray(labels[shuffled][1500:])).mean()
    print(f"JAX on {jax.devices()[0].platform}: accuracy {accuracy:.4f} on {len(logits)} other digits")


if __name__ == "__main__":
    main()
