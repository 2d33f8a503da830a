"""What the target costs: calls, time, processor, memory. `python -m benchmarks`, explained in `docs/performance.md`."""
