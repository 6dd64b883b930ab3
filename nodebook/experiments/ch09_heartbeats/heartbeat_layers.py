"""What the slides print of the two networks of heartbeats, counted; and what training keeps.

The networks are those of ``nodelib.models.heartbeats``, untrained, and those of
``nodebook.documents.heartbeat_networks``, written down as the slides print them.

Metrics:

- ``layers.<kind>``: entries of the printed network, numbered from 0 on the slides; and
  ``convolutions``, ``norms``: of one residual block
- ``parameters.<kind>``, ``block.<kind>`` (of one residual block, and of the ODE block) and
  ``blocks`` (of the ResNet); ``printed.<kind>``, parameters of the printed network
- ``block_ratio``: parameters of the ODE block over those of a residual block
- ``difference.<kind>``: largest difference of the scores of the two in double precision with the
  same weights, on 16 random beats, relative to their standard deviation; the ODE-Nets are solved by
  the midpoint method in four steps
- ``body.resnet``, ``body.<mode>``: bytes kept between the passes by what stands between reduction
  and readout, for a batch of 128 random beats, for each mode of gradient of the ODE-Net, solved as
  it is trained; ``reduction``: bytes kept by the layers before
- ``evaluations.<mode>``: evaluations of the field in both passes of that batch
"""

import torch
from torch import Tensor, nn

from nodebook.benchmarks.differentiation import MODES, kept_bytes
from nodebook.documents.heartbeat_networks import ODENet, ResBlock, printed_network
from nodebook.evidence import results
from nodelib import odeint
from nodelib.models.classifiers import parameter_count
from nodelib.models.heartbeats import BLOCKS, SAMPLES, SOLVER, heartbeat_classifier
from nodelib.seeds import generator

VARIANTS = ("printed",)
SEEDS = (0,)
NEEDS = ()
TOLERANCE = {"difference.*": 1.0}

KINDS = ("resnet", "ode-net")
BATCH, FEW = 128, 16
GRID = {"method": "midpoint", "options": {"num_steps": 4}}


def run(variant: str, seed: int) -> results.Outcome:
    """Count."""
    networks = {kind: heartbeat_classifier(kind, seed=seed) for kind in KINDS}
    residual, ode = networks["resnet"], networks["ode-net"]
    per_block = {"resnet": parameter_count(residual.body[0]), "ode-net": parameter_count(ode.body)}
    beats = torch.rand(BATCH, SAMPLES, generator=generator(seed))
    metrics = {
        "parameters": {kind: parameter_count(network) for kind, network in networks.items()},
        "block": per_block,
        "blocks": len(residual.body),
        "block_ratio": per_block["ode-net"] / per_block["resnet"],
        **memory(residual, ode, beats),
    }
    printed = {
        "resnet": printed_network(*(ResBlock() for _ in range(BLOCKS))),
        "ode-net": printed_network(ODENet(odeint, GRID)),
    }
    metrics["layers"] = {kind: len(network) for kind, network in printed.items()}
    inside = list(ResBlock().modules())
    metrics["convolutions"] = sum(isinstance(layer, nn.Conv1d) for layer in inside)
    metrics["norms"] = sum(isinstance(layer, nn.GroupNorm) for layer in inside)
    metrics["printed"] = {kind: parameter_count(network) for kind, network in printed.items()}
    ode.body.settings = GRID
    metrics["difference"] = {
        kind: difference(networks[kind], printed[kind], beats[:FEW]) for kind in KINDS
    }
    return results.Outcome(metrics=metrics)


def memory(residual: nn.Module, ode: nn.Module, beats: Tensor) -> dict[str, object]:
    """Bytes kept, and evaluations."""
    maps = residual.maps(beats)
    reduction = kept_bytes(maps, list(residual.parameters()))
    start = maps.detach().requires_grad_()
    body = {"resnet": kept_bytes(residual.body(start), list(residual.parameters()))}
    evaluations: dict[str, int] = {}
    for mode in MODES:
        ode.body.settings = {**SOLVER, "grad": mode}
        end = ode.body(start)
        body[mode] = kept_bytes(end, list(ode.parameters()))
        torch.autograd.grad(end.sum(), list(ode.body.parameters()))
        evaluations[mode] = ode.body.stats.nfe + ode.body.backward[0].nfe
    return {"reduction": reduction, "body": body, "evaluations": evaluations}


@torch.no_grad()
def difference(ours: nn.Module, printed: nn.Module, beats: Tensor) -> float:
    """Largest difference of the scores, over their standard deviation, with our weights in both."""
    ours, printed, beats = ours.double(), printed.double(), beats.double()
    for own, theirs in zip(ours.by_layer(), printed.parameters(), strict=True):
        theirs.copy_(own)
    expected = printed(beats.unsqueeze(1))
    return float((ours(beats) - expected).abs().max() / expected.std())
