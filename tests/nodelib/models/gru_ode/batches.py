"""Random batches and models for the tests of GRU-ODE-Bayes."""

import torch

from nodelib.models.gru_ode import Events, GRUODEBayes, Sizes, Stepping, pad_events

KINDS = [(full, impute) for full in (False, True) for impute in (False, True)]


def random_batch(seed: int, *, lengths=(5, 0, 1, 7), features=3, grid=None, end=6.0) -> Events:
    """Series of these lengths at random times in (0, 5), or at random multiples of ``grid``."""
    random = torch.Generator().manual_seed(seed)
    series = []
    for n in lengths:
        if grid is None:
            t = (5 * torch.rand(n, generator=random, dtype=torch.float64)).sort().values
        else:
            t = (torch.randperm(int(5 / grid), generator=random)[:n].sort().values + 1) * grid
            t = t.double()
        x = torch.randn(n, features, generator=random, dtype=torch.float64)
        series.append((t, x, torch.rand(n, features, generator=random) < 0.6))
    covariates = torch.randn(len(lengths), 2, generator=random, dtype=torch.float64)
    return pad_events(series, end=end, covariates=covariates)


def small_model(stepping: Stepping, *, seed=0, full=True, impute=True, **settings) -> GRUODEBayes:
    """Three features, six states, float64."""
    sizes = Sizes(3, 6, p_hidden=5, prep_hidden=4, cov=2, cov_hidden=3, class_hidden=4, classes=3)
    return GRUODEBayes(
        sizes, stepping, full=full, impute=impute, seed=seed, dtype=torch.float64, **settings
    )


def gradients(model: GRUODEBayes, loss: torch.Tensor) -> list[torch.Tensor]:
    """Of all parameters, zeros where the loss does not depend on one."""
    parameters = list(model.parameters())
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
