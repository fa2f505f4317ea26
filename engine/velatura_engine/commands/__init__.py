"""What `velatura` can do, one module for each command; clients of a running engine, without torch."""
