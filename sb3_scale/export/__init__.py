"""A trained policy as a file that runs without this library."""
