"""Networks: what is trained, and the blocks that it is built of."""
