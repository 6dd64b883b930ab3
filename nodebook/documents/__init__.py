"""What the five documents print, in our own words."""
