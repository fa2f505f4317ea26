"""How much one caller may ask for."""

from __future__ import annotations

from dataclasses import dataclass

MiB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what comes from outside. Pixels in all, bytes, seconds, counts."""

    max_side: int = 16384
    max_pixels: int = 64 * MiB
    """Of a picture that is sent."""
    max_generated_pixels: int = 16 * MiB
    """Of all pictures that one step paints."""
    max_projected_pixels: int = 128 * MiB
    """Of all textures that one step projects onto."""
    max_steps: int = 1000
    max_count: int = 64
    max_job_steps: int = 16
    max_prompt_bytes: int = 8192
    max_inline_bytes: int = 4 * MiB
    max_message_bytes: int = 32 * MiB
    max_blob_bytes: int = 512 * MiB
    blob_quota: int = 4096 * MiB
    blob_seconds: float = 24 * 3600
    max_queue: int = 64
    max_queue_per_client: int = 32
    max_queue_bytes: int = 4096 * MiB
    """Of decoded pictures and meshes in jobs that wait."""
    max_job_bytes: int = 2048 * MiB
    """Of decoded pictures and meshes in one job."""
    max_calls: int = 256
    """Calls at the same time, watching ones among them."""
    max_time_limit: float = 3600.0
    kept_jobs: int = 100
    """Finished jobs of CreateJob that can still be looked at."""
    kept_bytes: int = 512 * MiB
    """Of their events, pictures among them."""
    kept_seconds: float = 24 * 3600
    """How long they are kept over a restart."""
    stall_seconds: float = 300.0
    """A worker that says nothing for so long, and for ten of its steps, is replaced."""
    cancel_seconds: float = 30.0
    """A worker that does not stop so long after it was asked to, and for three of its steps, is replaced."""
