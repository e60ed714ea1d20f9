"""Texts on their way into a network."""

import torch
import torch.nn.functional as F

PADDING, RARE = 0, 1  # ids, see nodal.datasets.words
WINDOW = 16  # batches that are drawn at once, so that a batch can be of texts of like length


class Words:
    """Reads token ids (n, length), 0 for padding."""

    def __init__(self, dataset, device):
        self.device = device

    def take(self, array):
        """(n, length) int32 -> tensor (n, length) int64 on the device."""
        return torch.from_numpy(array).long().to(self.device)

    def prepare(self, ids):
        """Token ids are what the network takes."""
        return ids

    def order(self, ids, batch_size):
        """A random order of the texts in which those of a batch are of like length.

        A network computes as many tokens as the longest text of a batch has, so a batch of texts
        as they come is padding for the greater part.
        """
        order = torch.randperm(len(ids), device=self.device)
        lengths = _lengths(ids)
        windows = order.split(WINDOW * batch_size)
        order = torch.cat([w[lengths[w].argsort(stable=True)] for w in windows])
        whole = len(order) // batch_size * batch_size
        batches = order[:whole].view(-1, batch_size)
        shuffled = batches[torch.randperm(len(batches), device=self.device)]
        return torch.cat([shuffled.flatten(), order[whole:]])

    def ranked(self, ids):
        """An order in which texts of like length stand together."""
        return _lengths(ids).argsort(stable=True)

    def augment(self, ids, labels, n_classes, settings):
        """Token ids and labels (B,) -> what the network takes, and label distributions (B, C).

        settings: the train section, of which word_dropout and label_smoothing count.
        """
        if settings["word_dropout"]:
            lost = torch.rand(ids.shape, device=ids.device) < settings["word_dropout"]
            ids = ids.masked_fill(lost & (ids != PADDING), RARE)
        smoothing = settings["label_smoothing"]
        targets = F.one_hot(labels, n_classes) * (1 - smoothing) + smoothing / n_classes
        return ids, targets


def _lengths(ids):
    return (ids != PADDING).sum(1)
