"""Training stages, each resumable and timed by the clock: vae, unet, controlnet, judge."""
