"""From the tokens of a tap to what its readout takes: sequence pooling, or means over a grid.

B inputs, T tokens, D nodes, R positions. Sequence pooling is the published compact transformer's
own (arXiv 2104.05704), with the features brought to one scale so that a query does not depend on
the unit of a node.
"""

import math
from dataclasses import replace
from itertools import repeat, starmap

import torch
import torch.nn.functional as F
from tqdm import tqdm

from nodal import taps
from nodal.errors import NodalError
from nodal.progress import told
from nodal.training import autocast, learning_rate
from nodal.training.optimizers import LBFGS, Adam
from nodal.training.task import IN_MEMORY

CACHED = 2**18  # numbers that stay in the processor's cache while they are read several times
CACHED_SUMS = 2**16  # and while they are added to
ON_GPU = 2**26  # instead of both: there each slice costs a start of its kernels
STRONG = 10.0  # penalty of a query at which the mean over tokens is the only minimum nearby
HISTORY = 30  # steps that L-BFGS remembers
FLAT = 1e-6  # the least curvature that coordinates are scaled by


def sequence_pool(tokens, query, scale, mask=None):
    """tokens (B, T, D), query (D,), scale (D,), mask bool (B, T) or None -> (B, D).

    w_t = softmax over the valid tokens of sum_n query[n] x_t[n] / scale[n]; the sum of w_t x_t. A
    query of zeros is the mean over the valid tokens. scale: root mean square of each feature;
    where it is 0 the feature is silent and does not count.
    """
    weights = token_weights(tokens, query, scale, mask)
    return (weights[:, None] @ tokens).squeeze(1)


def token_weights(tokens, query, scale, mask=None):
    """The weights w_t of `sequence_pool`: (B, T), summing to one over the valid tokens."""
    scores = tokens @ torch.where(scale > 0, query / scale, 0.0)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(1)


def mean_pool(tokens, mask=None):
    """tokens (B, T, D), mask bool (B, T) or None -> (B, D): the mean over the valid tokens."""
    return (equal_weights(tokens, mask)[:, None] @ tokens).squeeze(1)


def equal_weights(tokens, mask=None):
    """What each token of a mean counts: (B, T), summing to one over the valid tokens."""
    if mask is None:
        return torch.full_like(tokens[..., 0], 1 / tokens.shape[1])
    weights = mask.to(tokens.dtype)
    return weights / weights.sum(1, keepdim=True)


def read_query(group, device):
    """What a file of queries holds of a tap -> (query (D,), scale (D,)) on the device."""
    return tuple(torch.from_numpy(group[key][:]).to(device) for key in ("query", "scale"))


class Sequence:
    """Pools every tap with its query, and beside it with none: the forms `sequence` and `mean`.

    queries: {tap: (query (D,), scale (D,))}.
    """

    def __init__(self, queries):
        self.queries = queries

    def __call__(self, tap, tokens):
        """Tokens of a tap -> {form: (B, 1, D) float32}, both from one pass over the tokens."""
        pooled = torch.cat([self._pool(tap, *part) for part in in_cache(tokens)])
        return {"sequence": pooled[:, :1], "mean": pooled[:, 1:]}

    def _pool(self, tap, values, valid):
        """(b, T, D) -> (b, 2, D)."""
        x = values.float()
        weights = [token_weights(x, *self.queries[tap], valid), equal_weights(x, valid)]
        return torch.stack(weights, dim=1) @ x


class Grid:
    """Pools every tap over the cells of a grid: the form `grid`."""

    def __init__(self, g):
        self.g = g

    def __call__(self, tap, tokens):
        """Tokens of a tap -> {form: (B, R, D) float32}."""
        return {"grid": grid_pool(tokens, self.g)}


def in_cache(tokens, *others):
    """Tokens, a few inputs at a time: (values (b, T, D), valid (b, T) or None, *others (b, ...)).

    What is read several times is read from memory once.
    """
    at_once = ON_GPU if tokens.values.is_cuda else CACHED
    rows = max(1, at_once // tokens.values[0].numel())
    valid = repeat(None) if tokens.valid is None else tokens.valid.split(rows)
    return zip(tokens.values.split(rows), valid, *(x.split(rows) for x in others), strict=False)


def sum_of_squares(rows):
    """(n, D) -> (D,) in double precision; what is added to stays in the cache."""
    at_once = max(1, (ON_GPU if rows.is_cuda else CACHED_SUMS) // rows.shape[1])
    at_once = min(at_once, len(rows)) if rows.is_cuda else at_once
    sums = torch.zeros(at_once, rows.shape[1], device=rows.device)
    for part in rows.split(at_once):
        part = part.float()
        sums[: len(part)].addcmul_(part, part)
    return sums.double().sum(0)


def grid_pool(tokens, g):
    """Tokens -> a new (B, R, D) float32: means over the cells of a g x g partition of their places.

    Cell i of a side of length L is floor(i L / g) to floor((i + 1) L / g). A side shorter than g
    keeps its own cells. On a line there are R = g parts, of each input's valid tokens alone; an
    empty part is the token where it would start. Class tokens have no place and are left out.
    Raises NodalError if the places of the tokens are not known.
    """
    values = tokens.values[:, tokens.prefix :].float()
    if tokens.grid is None:
        raise NodalError(
            "activations.pool: grid needs to know where tokens lie; expected pool: sequence"
        )
    if len(tokens.grid) == 1:
        return _line_cells(tokens, values, g) @ values
    height, width = tokens.grid
    rows, columns = min(g, height), min(g, width)
    if (rows, columns) == (height, width):
        return values.clone()
    if height % rows == 0 and width % columns == 0:
        image = values.unflatten(1, (rows, height // rows, columns, width // columns))
        return image.mean((2, 4)).flatten(1, 2)
    row, column = (_cells(*side, values) for side in ((height, rows), (width, columns)))
    return torch.kron(row, column) @ values


def _cells(length, parts, like):
    """(parts, length): row i averages over cell i of a side."""
    start = torch.arange(parts + 1, device=like.device) * length // parts
    place = torch.arange(length, device=like.device)
    inside = (place >= start[:-1, None]) & (place < start[1:, None])
    return inside.to(like.dtype) / inside.sum(1, keepdim=True)


def _line_cells(tokens, values, parts):
    """(B, parts, T): as `_cells`, for lines whose valid tokens come first."""
    B, T = values.shape[:2]
    place = torch.arange(T, device=values.device)
    if tokens.valid is None:
        length = torch.full((B, 1), T, device=values.device)
    else:
        length = tokens.valid[:, tokens.prefix :].sum(1, keepdim=True)
    start = torch.arange(parts + 1, device=values.device) * length // parts  # (B, parts + 1)
    first = start[:, :-1, None]
    last = torch.maximum(start[:, 1:, None], first + 1)
    inside = (place >= first) & (place < last)
    return inside.to(values.dtype) / inside.sum(2, keepdim=True)


class Learner:
    """Query and last layer of one tap, learned together while the network stands still.

    Works in scaled units: a feature counts as if its root mean square were one, x / s, so that one
    rate and one penalty serve every tap. s is measured over the tokens of the first pass as they
    come, and is exact after it.
    """

    def __init__(self, n_classes, settings, start):
        width = len(start)
        self.query = start.clone()
        self.weights = torch.zeros(n_classes, width, device=start.device)
        self.query_penalty, self.penalty = settings["query_penalty"], settings["penalty"]
        self.squares = torch.zeros(width, dtype=torch.float64, device=start.device)
        self.n_tokens = 0

    @property
    def parameters(self):
        return [self.query, self.weights]

    @property
    def scale(self):
        return (self.squares / max(1, self.n_tokens)).sqrt().float()

    def measure(self, tokens):
        """Add a batch to the root mean squares."""
        rows = tokens.rows()
        self.squares += sum_of_squares(rows)
        self.n_tokens += len(rows)
        scale = self.scale
        self.inverse = torch.where(scale > 0, 1 / scale, 0.0)

    def slopes(self, tokens, labels):
        """Cross-entropy of a batch, summed, and its gradients by query and layer; labels (B,)."""
        parts = starmap(self._slopes, in_cache(tokens, labels))
        return tuple(map(sum, zip(*parts, strict=True)))

    def _slopes(self, values, valid, labels):
        x, inverse = values.float(), self.inverse
        scores = x @ (self.query * inverse)
        if valid is not None:
            scores = scores.masked_fill(~valid, -math.inf)
        w = scores.softmax(1)  # (B, T)
        pooled = (w[:, None] @ x).squeeze(1) * inverse
        log_p = F.log_softmax(pooled @ self.weights.T, dim=1)
        residual = log_p.exp()
        residual[torch.arange(len(labels), device=labels.device), labels] -= 1
        to_pooled = residual @ self.weights * inverse  # (B, D)
        to_weight = (to_pooled[:, None] @ x.transpose(1, 2)).squeeze(1)
        to_score = w * (to_weight - (w * to_weight).sum(1, keepdim=True))
        gradient = (to_score.flatten() @ x.flatten(0, 1)) * inverse
        return F.nll_loss(log_p, labels, reduction="sum"), gradient, residual.T @ pooled

    def learn(self, tokens, labels):
        """Set the gradients of the penalised cross-entropy of a batch; labels (B,)."""
        _, to_query, to_weights = self.slopes(tokens, labels)
        self.query.grad = to_query / len(labels) + self.query_penalty * self.query
        self.weights.grad = to_weights / len(labels) + self.penalty * self.weights

    def finish(self, batches, steps):
        """L-BFGS over all of `batches`, [(Tokens, labels)], at once.

        Where tokens differ much the problem can have a second minimum. So it starts with a query
        penalty at which there is one alone, and what is followed is the minimum that grows from
        it: it does not depend on where the query started.
        """
        strong = max(STRONG, self.query_penalty)
        first = steps // 6
        moments = self._moments(batches)
        self._minimise(batches, moments, strong, first)
        self._minimise(batches, moments, self.query_penalty, steps - first)

    def _minimise(self, batches, moments, query_penalty, steps):
        """In coordinates in which the curvature at the mean is nearly the identity."""
        penalties = (query_penalty, self.penalty)
        lower = [
            torch.linalg.cholesky(moment.diagonal_scatter(moment.diagonal() + max(penalty, FLAT)))
            for moment, penalty in zip(moments, penalties, strict=True)
        ]
        back = [torch.linalg.inv(one).float() for one in lower]
        places = [
            (parameter.double() @ one).float()
            for parameter, one in zip(self.parameters, lower, strict=True)
        ]
        n_inputs = sum(len(labels) for _, labels in batches)
        optimizer = LBFGS(
            places, max_iter=steps, max_eval=2 * steps, history_size=HISTORY,
            line_search_fn="strong_wolfe", tolerance_grad=1e-6, tolerance_change=0,
        )  # fmt: skip

        def closure():
            self.query, self.weights = (p @ b for p, b in zip(places, back, strict=True))
            parts = [self.slopes(tokens, labels) for tokens, labels in batches]
            value = sum(loss.double() for loss, _, _ in parts) / n_inputs
            for i, penalty in enumerate(penalties):
                parameter = self.parameters[i]
                value += penalty / 2 * parameter.double().square().sum()
                slope = sum(part[1 + i] for part in parts) / n_inputs + penalty * parameter
                places[i].grad = slope @ back[i].T
            return value

        optimizer.step(closure)
        self.query, self.weights = (p @ b for p, b in zip(places, back, strict=True))

    def _moments(self, batches):
        """Two (D, D): mean spread of tokens within an input; of mean tokens as one label sees it.

        In scaled units. p (1 - p) of a label's output at W = 0 is (C - 1) / C^2.
        """
        within, between, n_inputs = 0, 0, 0
        for tokens, labels in batches:
            x = tokens.values.float() * self.inverse
            weights = equal_weights(x, tokens.valid)
            mean = (weights[:, None] @ x).squeeze(1)
            rows = ((x - mean[:, None]) * weights.sqrt()[:, :, None]).flatten(0, 1)
            within, between = within + rows.T @ rows, between + mean.T @ mean
            n_inputs += len(labels)
        slope = (len(self.weights) - 1) / len(self.weights) ** 2
        return within.double() / n_inputs, between.double() / n_inputs * slope


def learn(model, task, learning, settings, precision, seed, start=0.0, memory=IN_MEMORY):
    """Learn the query of every tap at once, from the same forward passes.

    learning: indices of the training inputs to learn from. settings: sites and the pooling section.
    start: spread of the normal draw that queries start from, 0 for the mean over tokens. memory:
    bytes of tokens that may be kept for steps over all inputs. Returns {tap: (query (D,), scale
    (D,))}. Beside those, memory holds a batch.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    learners = _learners(model, task, settings, start, generator)
    with torch.no_grad():
        if settings["epochs"]:
            _descend(model, task, learning, learners, settings, precision, generator)
        if settings["steps"]:
            _finish(model, task, learning, learners, settings, precision, memory)
    return {tap: (one.query, one.scale) for tap, one in learners.items()}


def _descend(model, task, learning, learners, settings, precision, generator):
    """Adam, a batch at a time."""
    parameters = [p for one in learners.values() for p in one.parameters]
    optimizer = Adam(parameters)
    batches = -(-len(learning) // settings["batch_size"])
    schedule = {"warmup_epochs": 0, "epochs": settings["epochs"], "min_rate": 0.0,
                "learning_rate": settings["rate"]}  # fmt: skip
    epoch, labels = 0, None

    def observe(tap, tokens):
        if epoch == 0:
            learners[tap].measure(tokens)
        learners[tap].learn(tokens, labels)

    with taps.capture(model, list(learners), observe) as captured:
        for epoch in tqdm(range(settings["epochs"]), desc="pooling", disable=None):
            order = learning[torch.randperm(len(learning), generator=generator)]
            for step, index in enumerate(told(order.tensor_split(batches), f"epoch {epoch + 1}")):
                index = index.to(task.device)
                labels = task.train_labels[index]
                with autocast(task.device, precision):
                    model(task.prepared(task.train_inputs[index]))
                captured.clear()
                optimizer.param_groups[0]["lr"] = learning_rate(epoch + step / batches, schedule)
                optimizer.step()


def _finish(model, task, learning, learners, settings, precision, memory):
    """Steps over all inputs: a forward pass for as many taps as `memory` holds the tokens of."""
    batches = learning.to(task.device).split(settings["batch_size"])

    def passing(lot, some):
        """{tap: [(Tokens, labels)]} of some batches of inputs."""
        kept = {tap: [] for tap in lot}
        labels = None

        def keep(tap, tokens):
            kept[tap].append((replace(tokens, values=tokens.values.clone()), labels))

        with taps.capture(model, lot, keep):
            for index in some:
                labels = task.train_labels[index]
                with autocast(task.device, precision):
                    model(task.prepared(task.train_inputs[index]))
        return kept

    share = len(learning) / len(batches[0])
    sizes = {
        tap: round(share * kept[0][0].values.nbytes)
        for tap, kept in passing(list(learners), batches[:1]).items()
    }
    with tqdm(total=len(sizes), desc="pooling, all inputs", disable=None) as progress:
        for lot in _lots(sizes, memory):
            for tap, kept in told(passing(lot, batches).items(), "queries"):
                if not settings["epochs"]:
                    for tokens, _ in kept:
                        learners[tap].measure(tokens)
                learners[tap].finish(kept, settings["steps"])
                progress.update()


def _lots(sizes, memory):
    """{tap: bytes} -> lists of taps that fit in memory together.

    Raises NodalError for a tap that does not fit alone.
    """
    lots, room = [], 0
    for tap, size in sizes.items():
        if size > memory:
            raise NodalError(
                f"pooling.steps: the tokens of {tap} take {size / 1e9:.2g} GB, a third of "
                f"compute.memory_mb is {memory / 1e9:.2g}; expected more memory, a smaller "
                "pooling.share or steps: 0"
            )
        if size > room:
            lots.append([])
            room = memory
        lots[-1].append(tap)
        room -= size
    return lots


def _learners(model, task, settings, start, generator):
    with torch.no_grad(), taps.capture(model, settings["sites"]) as captured:
        model(task.prepared(task.train_inputs[:1]))
    starts = {
        tap: start * torch.randn(tensor.shape[2], generator=generator)
        for tap, tensor in captured.items()
    }
    return {tap: Learner(task.n_classes, settings, q.to(task.device)) for tap, q in starts.items()}
