"""Generation: what a variational run makes of its prior, and of places between and around images."""
