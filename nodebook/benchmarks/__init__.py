"""Speed against peers: how it is measured, and on which problems."""
