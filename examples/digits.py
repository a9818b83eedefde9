"""Softmax regression on scikit-learn's hand-written digits, with NumPy and softlane alone.

One weight for each pixel and class; mini-batches; the gradient of the logits comes with the loss.

    pip install ".[examples]" && python examples/digits.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from sklearn.datasets import load_digits

import softlane

CLASSES = 10
HELD_OUT = 360  # of the 1,797 images

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


class Regression:
    """A linear classifier: its logits are ``pixels @ weights + bias``."""

    def __init__(self, pixels: int) -> None:
        self.weights = np.zeros((pixels, CLASSES), np.float32)
        self.bias = np.zeros(CLASSES, np.float32)

    def logits(self, pixels: Floats) -> Floats:
        """The scores of the classes for each image."""
        return pixels @ self.weights + self.bias

    def step(
        self, pixels: Floats, labels: Labels, learning_rate: float, label_smoothing: float
    ) -> float:
        """One step of gradient descent on a batch; returns the batch's loss before it."""
        logits = self.logits(pixels)
        loss, gradient = softlane.cross_entropy_with_grad(
            logits, labels, label_smoothing=label_smoothing, out=logits
        )
        self.weights -= learning_rate * (pixels.T @ gradient)
        self.bias -= learning_rate * gradient.sum(axis=0)
        return float(loss)

    def accuracy(self, pixels: Floats, labels: Labels) -> float:
        """The share of images whose most probable class is their label."""
        probabilities = softlane.softmax(self.logits(pixels))
        return float(np.mean(probabilities.argmax(axis=1) == labels))


def split_digits(rng: np.random.Generator) -> tuple[Floats, Labels, Floats, Labels]:
    """Pixels and labels of the training images, then those of the held-out images.

    Pixels lie in [0, 1]; the mean of the training images is subtracted from all.
    """
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    labels = labels.astype(np.intp)
    order = rng.permutation(len(labels))
    train, test = order[HELD_OUT:], order[:HELD_OUT]
    pixels -= pixels[train].mean(axis=0)
    return pixels[train], labels[train], pixels[test], labels[test]


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """The indices of all `count` images in random order, `size` at a time."""
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Softmax regression on hand-written digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=60, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a gradient step")
    parser.add_argument(
        "--learning-rate", type=float, default=2.0, help="of the first epoch; falls to 0 linearly"
    )
    parser.add_argument("--label-smoothing", type=float, default=0.0, help="in [0, 1]")
    parser.add_argument("--seed", type=int, default=0, help="of the split and of the batches")
    given = parser.parse_args()
    if given.epochs < 1 or given.batch_size < 1:
        parser.error("--epochs and --batch-size must be at least 1")
    if not 0 <= given.label_smoothing <= 1:
        parser.error("--label-smoothing must lie in [0, 1]")
    return given


def main() -> None:
    """Train, print the mean loss of each epoch, then the accuracy on the held-out images."""
    given = arguments()
    rng = np.random.default_rng(given.seed)
    pixels, labels, test_pixels, test_labels = split_digits(rng)
    model = Regression(pixels.shape[1])
    console = Console(highlight=False)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for epoch in progress.track(range(given.epochs), description="training"):
            learning_rate = given.learning_rate * (1 - epoch / given.epochs)
            total = 0.0
            for batch in batches(len(labels), given.batch_size, rng):
                loss = model.step(
                    pixels[batch], labels[batch], learning_rate, given.label_smoothing
                )
                total += loss * len(batch)
            console.print(f"epoch {epoch + 1}: loss {total / len(labels):.4f} nats")
    accuracy = model.accuracy(test_pixels, test_labels)
    console.print(f"held-out accuracy: {accuracy:.3f} ({len(test_labels)} images)")


if __name__ == "__main__":
    main()
