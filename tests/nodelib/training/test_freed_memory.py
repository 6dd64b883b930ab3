"""Asking the C library to keep freed memory."""

import torch

from nodelib.training.memory import keep_freed_memory


def test_keeping_memory_is_safe_to_ask_for_twice():
    keep_freed_memory()
    keep_freed_memory()
    assert torch.ones(10**6).sum() == 10**6
