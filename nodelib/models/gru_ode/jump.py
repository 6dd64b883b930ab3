"""The jump of GRU-Bayes: what an observation does to the state.

Source: De Brouwer et al. 2019, section 2.3. The observation enters beside what the state predicted
of it: its mean, its log-variance and its error in standard deviations.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class GRUBayes(nn.Module):
    """A GRU step whose input is a small map, one for each feature, of value and prediction.

    Args:
        features: number F of features.
        hidden: size H of the state.
        prep_hidden: units Q of the map of each feature.
        dtype: of the parameters.
    """

    def __init__(
        self, features: int, hidden: int, prep_hidden: int, *, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, 4, prep_hidden, dtype=dtype))
        self.bias = nn.Parameter(torch.full((features, prep_hidden), 0.1, dtype=dtype))
        nn.init.uniform_(self.weight, -0.5, 0.5)  # 1 / sqrt(4 inputs)
        self.gru = nn.GRUCell(features * prep_hidden, hidden, dtype=dtype)

    def joint_weight(self) -> Tensor:
        """The maps of all features as one matrix (F Q, 4 F), zero between different features."""
        features, inputs, units = self.weight.shape
        apart = torch.eye(features, dtype=self.weight.dtype, device=self.weight.device)
        joint = torch.einsum("fcq,fg->fqcg", self.weight, apart)
        return joint.reshape(features * units, inputs * features)

    def forward(
        self, h: Tensor, x: Tensor, observed: Tensor, mean: Tensor, logvar: Tensor, joint: Tensor
    ) -> Tensor:
        """The state (B, H) after the observation.

        Args:
            h: the state before, (B, H).
            x: values (B, F), finite everywhere; those not observed count nothing.
            observed: 1 where a feature was observed, else 0, (B, F).
            mean, logvar: what h predicts, (B, F).
            joint: ``joint_weight()``, computed once for many jumps.
        """
        # Masked before exp as well: of a feature not observed even an overflow must not count.
        x, mean, logvar = x * observed, mean * observed, logvar * observed
        error = (x - mean) * torch.exp(-0.5 * logvar)
        prepared = linear(torch.cat((x, mean, logvar, error), -1), joint, self.bias.flatten())
        units = self.weight.shape[-1]
        shown = observed.unsqueeze(-1).expand(*observed.shape, units).flatten(-2)
        return gru_step(self.gru, torch.relu(prepared) * shown, h)


def gru_step(gru: nn.GRUCell, inputs: Tensor, h: Tensor) -> Tensor:
    """What ``gru(inputs, h)`` gives, to rounding.

    PyTorch's own changes slices of its gates in place, for which a compiler copies all gates.
    """
    size = h.shape[-1]
    pushed = linear(inputs, gru.weight_ih, gru.bias_ih)
    held = linear(h, gru.weight_hh, gru.bias_hh)
    both = torch.sigmoid(pushed[..., : 2 * size] + held[..., : 2 * size])
    reset, update = both[..., :size], both[..., size:]
    new = torch.tanh(pushed[..., 2 * size :] + reset * held[..., 2 * size :])
    return new + update * (h - new)
