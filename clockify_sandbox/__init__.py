"""A Clockify server in a process of its own, for tests, the demo and benchmarks (see README.md)."""
