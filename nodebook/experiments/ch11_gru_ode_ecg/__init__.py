"""Chapter 11: GRU-ODE-Bayes on ECG, what two accuracies measured."""

EXPERIMENTS = ("ecg_deck_models", "ecg_preparation", "ecg_statistics")
