"""The scenarios of protocol/vectors, one small function each; tools/make_vectors.py runs them."""
