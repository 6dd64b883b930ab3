"""Chapter 11: GRU-ODE-Bayes on ECG, what two accuracies measured."""

EXPERIMENTS = (
    "ecg_cost",
    "ecg_deck_models",
    "ecg_devices",
    "ecg_epochs",
    "ecg_lengths",
    "ecg_networks",
    "ecg_next_beat",
    "ecg_preparation",
    "ecg_statistics",
    "ecg_comparison",
)
