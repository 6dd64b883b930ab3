"""Chapter 08: the MIT-BIH data."""

EXPERIMENTS = (
    "deck_data",
    "heartbeat_sets",
    "mitdb_census",
    "mitdb_pictures",
    "printed_rows",
    "recording_lengths",
    "rr_census",
)
