"""Trains a small convolutional network to tell the direction of a stripe in a noisy picture."""

import argparse

import bitfleet_trace
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_pictures(count, generator):
    """Pictures of 12 by 12 with a stripe: level, upright, rising or falling."""
    labels = torch.randint(0, 4, (count,), generator=generator)
    pictures = torch.randn(count, 1, 12, 12, generator=generator)
    places = torch.randint(2, 10, (count,), generator=generator)
    for picture, label, place in zip(pictures, labels, places):
        for i in range(12):
            row, column = [(place, i), (i, place), (11 - i, i), (i, i)][label]
            picture[0, row, column] += 2.5
    return TensorDataset(pictures, labels)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(32 * 3 * 3, 64)
        self.fc2 = nn.Linear(64, 4)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.conv1(x))))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(self.dropout(x.flatten(1))))
        return self.fc2(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    data = make_pictures(640, torch.Generator().manual_seed(options.seed))
    batches = DataLoader(data, batch_size=64, shuffle=True)
    model = Network()
    trace = bitfleet_trace.watch(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.rate)

    for epoch in range(options.epochs):
        for pictures, labels in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(pictures), labels)
            loss.backward()
            optimizer.step()
            trace.step(loss)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
