"""Measurements that are run by hand: `python -m benchmarks.NAME`; none of them is imported by the package."""
