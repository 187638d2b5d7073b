"""Odd requests to every address, drawn from a seed: `make fuzz`, and shorter in the tests."""
