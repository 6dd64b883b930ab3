"""Chapter 08: the MIT-BIH data."""

EXPERIMENTS = ("deck_data", "heartbeat_sets", "mitdb_census", "mitdb_pictures", "rr_census")
