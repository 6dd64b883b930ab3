"""Chapter 12: lessons; what is recorded again in a clean clone."""

EXPERIMENTS = ("recorded_again",)
