"""The training loop: Adam, schedules, clipping, averages, resuming, several networks at once."""

import math

import pytest
import torch
from torch import nn

from nodelib.errors import ModelError
from nodelib.models.networks import MLP
from nodelib.seeds import generator
from nodelib.training import History, Recipe, train
from nodelib.training.state import clipped


def regression(net, seed=0):
    """Loss of a step: the square error on points that are drawn for it."""

    def loss(step):
        x = torch.rand(16, 1, generator=generator(seed, step))
        return (net(x) - torch.sin(3 * x)).square().mean()

    return loss


class Stored(nn.Module):
    """A vector of parameters for each of several members."""

    def __init__(self, values):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(values))


def test_the_updates_are_those_of_adam():
    ours, theirs = MLP([1, 8, 1], seeds=0), MLP([1, 8, 1], seeds=0)
    train(ours, regression(ours), Recipe(steps=25, rate=0.01))
    optimiser, loss = torch.optim.Adam(theirs.parameters(), lr=0.01), regression(theirs)
    for step in range(25):
        optimiser.zero_grad()
        loss(step).backward()
        optimiser.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_weight_decay_is_decoupled_and_spares_biases():
    net = MLP([1, 4, 1], seeds=0)
    before = [p.detach().clone() for p in net.parameters()]
    recipe = Recipe(steps=1, rate=0.1, weight_decay=0.5)
    train(net, lambda step: 0.0 * sum(p.sum() for p in net.parameters()), recipe)
    for old, new in zip(before, net.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old * (0.95 if old.dim() == 2 else 1.0))


def test_networks_side_by_side_train_as_each_would_alone():
    seeds = (5, 7)
    recipe = Recipe(steps=40, rate=0.02, schedule="cosine", clip=0.1, weight_decay=0.1)
    together = MLP([1, 8, 1], seeds=seeds, dtype=torch.float64)

    def points(seed, step):
        return torch.rand(16, 1, generator=generator(seed, step), dtype=torch.float64)

    def losses(step):
        x = torch.stack([points(seed, step) for seed in seeds])
        return (together(x) - torch.sin(3 * x)).square().mean((1, 2))

    history = train(together, losses, recipe, members=2)
    for k, seed in enumerate(seeds):
        alone = MLP([1, 8, 1], seeds=seed, dtype=torch.float64)

        def loss(step, net=alone, seed=seed):
            x = points(seed, step)
            return (net(x) - torch.sin(3 * x)).square().mean()

        single = train(alone, loss, recipe)
        assert history.of(k) == pytest.approx(single.of(), rel=1e-8)
        for name, value in together.one(k).items():
            torch.testing.assert_close(value, alone.state_dict()[name])


def test_training_lowers_the_loss():
    net = MLP([1, 16, 1], seeds=0)
    history = train(net, regression(net), Recipe(steps=300, rate=0.02))
    assert history.of()[-20:].mean() < 0.1 * history.of()[:5].mean()


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr("nodelib.training.loop.SAVE_EVERY_SECONDS", 0.0)
    recipe = Recipe(steps=30, rate=0.02, schedule="one-cycle", ema=0.9)
    whole = MLP([1, 8, 1], seeds=0)
    expected = train(whole, regression(whole), recipe)

    def interrupt(step):
        if step == 17:
            raise KeyboardInterrupt

    file = tmp_path / "folder" / "run.safetensors"
    first = MLP([1, 8, 1], seeds=0)
    with pytest.raises(KeyboardInterrupt):
        train(first, regression(first), recipe, checkpoint=file, on_step=interrupt)
    second, steps = MLP([1, 8, 1], seeds=123), []
    history = train(second, regression(second), recipe, checkpoint=file, on_step=steps.append)
    assert steps == list(range(17, 31))
    assert history.losses == expected.losses
    assert history.rates == expected.rates
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not list(file.parent.glob("*.part"))


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    net = MLP([1, 8, 1], seeds=0)
    train(net, regression(net), Recipe(steps=2, rate=0.02), checkpoint=file)
    with pytest.raises(ModelError, match="another recipe: remove it"):
        train(net, regression(net), Recipe(steps=3, rate=0.02), checkpoint=file)
    other = MLP([1, 9, 1], seeds=0)
    with pytest.raises(ModelError, match="other parameters"):
        train(other, regression(other), Recipe(steps=2, rate=0.02), checkpoint=file)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ModelError, match="is damaged"):
        train(net, regression(net), Recipe(steps=2, rate=0.02), checkpoint=file)


def test_the_average_replaces_the_parameters_at_the_end():
    member, seen = Stored([0.0]), []

    def loss(step):
        return (member.value - 1).square().sum()

    def note(step):
        seen.append(member.value.item())

    train(member, loss, Recipe(steps=3, rate=0.1, ema=0.5), on_step=note)
    raw = Stored([0.0])
    train(raw, lambda step: (raw.value - 1).square().sum(), Recipe(steps=3, rate=0.1))
    average = seen[0]
    for count, value in enumerate([seen[1], seen[2], raw.value.item()], 1):
        decay = min(0.5, count / (count + 9))
        average = decay * average + (1 - decay) * value
    assert member.value.item() == pytest.approx(average, rel=1e-5)


def test_each_network_is_clipped_by_its_own_norm():
    members = Stored([[3.0, 4.0], [0.03, 0.04]])

    def losses(step):
        return members.value.square().sum(1) / 2

    before = members.value.detach().clone()
    train(members, losses, Recipe(steps=1, rate=0.1, clip=1.0), members=2)
    # Adam's first step has the length of the rate in every coordinate, clipped or not
    torch.testing.assert_close(members.value.detach(), before - 0.1, rtol=0, atol=1e-5)
    (shorter,) = clipped((before,), 1.0, 2)
    torch.testing.assert_close(shorter, torch.tensor([[0.6, 0.8], [0.03, 0.04]]))


def test_a_network_that_diverges_leaves_the_others_alone():
    members = Stored([1.0, 1.0])

    def losses(step):
        factor = torch.tensor([1.0, float("inf") if step >= 2 else 1.0])
        return factor * members.value.square()

    alone = Stored([1.0])
    history = train(members, losses, Recipe(steps=6, rate=0.1), members=2)
    single = train(alone, lambda step: alone.value.square().sum(), Recipe(steps=6, rate=0.1))
    assert history.of(0) == pytest.approx(single.of())
    assert history.of(1)[-1] == float("inf")
    assert members.value.isfinite().all()


def test_a_finite_loss_without_a_gradient_is_a_step_not_taken():
    members, at = Stored([1.0, 1.0]), 5

    def loss(step: int):
        first, second = members.value.square()
        if step == at:
            second = second + (0 * members.value[1]).sqrt()  # which has no derivative
        return torch.stack((first, second))

    history = train(members, loss, Recipe(20, rate=0.1), members=2)
    assert history.skipped == [[at, 1]]
    assert members.value.isfinite().all()
    assert all(math.isfinite(loss) for loss in history.of(1))


def test_one_network_without_a_gradient_stops():
    weight = Stored([1.0])

    def loss(step: int):
        return (0 * weight.value).sqrt().sum()

    with pytest.raises(ModelError, match="step 0, and its gradient is not finite"):
        train(weight, loss, Recipe(5, rate=0.1))


def test_training_that_diverged_for_all_stops():
    member = Stored([1.0])
    with pytest.raises(ModelError, match="at step 0: training has diverged"):
        train(member, lambda step: member.value.sum() / 0.0, Recipe(steps=5, rate=0.1))


def test_a_loss_of_the_wrong_shape_is_refused():
    members = Stored([1.0, 2.0])
    with pytest.raises(ModelError, match=r"shape \(2,\), not \(\)"):
        train(members, lambda s: members.value.sum(), Recipe(steps=1, rate=0.1), members=2)


def test_a_module_without_parameters_is_refused():
    with pytest.raises(ModelError, match="no parameter"):
        train(nn.Identity(), lambda step: torch.zeros(()), Recipe(steps=1, rate=0.1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0, "rate": 0.1}, "positive"),
        ({"steps": 1, "rate": 0.0}, "positive"),
        ({"steps": 1, "rate": 0.1, "schedule": "linear"}, "no schedule 'linear'.*cosine"),
        ({"steps": 1, "rate": 0.1, "ema": 1.0}, "between 0 and 1"),
    ],
)
def test_a_recipe_that_cannot_be_says_why(arguments, message):
    with pytest.raises(ModelError, match=message):
        Recipe(**arguments)


def test_the_schedules_begin_and_end_where_they_should():
    assert Recipe(steps=10, rate=2.0).rate_at(9) == 2.0
    cosine = Recipe(steps=1000, rate=2.0, schedule="cosine")
    assert (cosine.rate_at(0), cosine.rate_at(500)) == pytest.approx((2.0, 1.0))
    cycle = Recipe(steps=1000, rate=2.0, schedule="one-cycle")
    rates = [cycle.rate_at(step) for step in range(1000)]
    assert max(rates) == pytest.approx(rates[100]) == pytest.approx(2.0)
    assert rates[0] == pytest.approx(0.08)
    assert rates[999] < 1e-4


def test_the_generators_of_steps_and_seeds_differ_and_repeat():
    draws = {
        (seed, step): torch.rand(4, generator=generator(seed, step))
        for seed in (0, 1)
        for step in (0, 1)
    }
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == 4
    torch.testing.assert_close(torch.rand(4, generator=generator(1, 1)), draws[1, 1])


def test_a_history_thins_to_means_over_spans():
    history = History(losses=[[float(k), 0.0] for k in range(10)])
    assert history.thinned(0, points=2) == {"step": [5, 10], "loss": [2.0, 7.0]}
    assert history.thinned(1, points=100)["step"] == list(range(1, 11))


def test_each_network_may_have_a_rate_of_its_own():
    together = MLP([1, 8, 1], seeds=(5, 5), dtype=torch.float64)

    def points(step):
        return torch.rand(16, 1, generator=generator(5, step), dtype=torch.float64)

    def both(step):
        x = points(step).expand(2, 16, 1)
        return (together(x) - torch.sin(3 * x)).square().mean((1, 2))

    plan = {"steps": 20, "schedule": "one-cycle", "clip": 0.1, "weight_decay": 0.1}
    train(together, both, Recipe(rate=0.01, shares=(1.0, 3.0), **plan), members=2)
    for k, rate in enumerate((0.01, 0.03)):
        alone = MLP([1, 8, 1], seeds=5, dtype=torch.float64)

        def loss(step, alone=alone):
            x = points(step)
            return (alone(x) - torch.sin(3 * x)).square().mean()

        train(alone, loss, Recipe(rate=rate, **plan))
        for a, b in zip(together.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(a[k], b, rtol=1e-9, atol=1e-12)


def test_shares_of_the_rate_must_be_positive_and_one_for_each_network():
    with pytest.raises(ModelError, match="must be positive"):
        Recipe(steps=1, rate=0.1, shares=(1.0, 0.0))
    net = Stored([[0.0], [0.0]])
    for members, shares in ((None, (1.0, 1.0)), (2, (1.0,))):
        with pytest.raises(ModelError, match="shares of the rate"):
            train(net, lambda step: net.value[:, 0], Recipe(1, 0.1, shares=shares), members=members)


def test_the_history_tells_where_the_steps_were_made(tmp_path):
    net, path = MLP([1, 4, 1], seeds=0), tmp_path / "state.safetensors"
    history = train(net, regression(net), Recipe(5, 0.01), checkpoint=path)
    assert history.devices == {"cpu": 5}
    again = train(MLP([1, 4, 1], seeds=0), regression(net), Recipe(5, 0.01), checkpoint=path)
    assert again.devices == {"cpu": 5}
