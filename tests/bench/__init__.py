"""Benchmarks: the numbers of the README that `article-qa evaluate` does not give. No tests."""
