"""The Velatura engine: a front that checks and queues, a worker that paints."""
