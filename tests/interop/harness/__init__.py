"""What the interop tests and the benchmarks share: servers of both kinds, ensembles, and a small
client that speaks the wire protocol byte by byte."""
