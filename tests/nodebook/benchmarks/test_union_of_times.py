"""The loop that the batched GRU-ODE-Bayes is timed against computes the same."""

import torch
from torch.testing import assert_close

from nodebook.benchmarks.union_of_times import UnionOfTimes
from nodelib.models.gru_ode import GRUODEBayes, Sizes, Stepping, make_events, walk


def test_the_timed_loop_is_the_walk_over_the_union_of_times():
    random = torch.Generator().manual_seed(0)
    times = torch.rand(3, 6, generator=random, dtype=torch.float64).sort(1).values
    values = torch.randn(3, 6, 2, generator=random, dtype=torch.float64)
    observed = torch.rand(3, 6, 2, generator=random) < 0.5
    model = GRUODEBayes(
        Sizes(2, 5), Stepping("euler", delta_t=10.0), impute=True, seed=0, dtype=torch.float64
    )
    torch.manual_seed(0)
    peer = UnionOfTimes(2, 5).double()
    with torch.no_grad():
        peer.start[0].bias.copy_(model.first[0][0].bias)
        peer.start[2].load_state_dict(model.first[0][2].state_dict())
        peer.readout.load_state_dict(model.predict.state_dict())
        for name, rows in (("gate", slice(0, 5)), ("candidate", slice(5, 10))):
            part = getattr(peer, f"input_{name}")
            part.weight.copy_(model.cell.input.weight[rows])
            part.bias.copy_(model.cell.input.bias[rows])
            getattr(peer, f"state_{name}").weight.copy_(getattr(model.cell, f"{name}_weight"))
        peer.prepare_weight.copy_(model.jump.weight)
        peer.prepare_bias.copy_(model.jump.bias)
        peer.update.load_state_dict(model.jump.gru.state_dict())
    # the loop ends at the last event: what follows has no loss
    run = walk(model, make_events(times, values, observed), until=0.0, exact=True)
    loss = peer(times, values, observed.double(), 0.1, 18)
    assert_close(loss, run.nll + 0.1 * run.kl, rtol=1e-10, atol=0)
