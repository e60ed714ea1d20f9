"""A plain transcription of the published procedure, to measure and check against."""

import torch


def snp_matrices(activations, labels, weights, n_classes, batch_size=100):
    """Per batch, every node with its readout weights into (nodes, labels, images), summed by label.

    activations: (N, R, D), weights: (C, R, D) tensors -> (D, C, C).
    """
    total = torch.zeros(activations.shape[2], n_classes, n_classes)
    count = torch.zeros(n_classes)
    for start in range(0, len(labels), batch_size):
        a, y = activations[start : start + batch_size], labels[start : start + batch_size]
        fields = torch.einsum("brn,jrn->njb", a, weights)
        for image, label in enumerate(y):
            total[:, label] += fields[:, :, image]
            count[label] += 1
    return total / count[None, :, None]


def clusters(boolean):
    """Nested loops over label pairs, element by element. bool tensor (D, C, C) -> int (D, C)."""
    D, C = boolean.shape[:2]
    result = torch.full((D, C), -1, dtype=torch.long)
    for n in range(D):
        index = 0
        for i in range(C):
            if not boolean[n, i, i] or result[n, i] >= 0:
                continue
            members = [i]
            result[n, i] = index
            for j in range(i + 1, C):
                if not boolean[n, j, j] or result[n, j] >= 0:
                    continue
                if all(boolean[n, j, m] and boolean[n, m, j] for m in members):
                    members.append(j)
                    result[n, j] = index
            index += 1
    return result
