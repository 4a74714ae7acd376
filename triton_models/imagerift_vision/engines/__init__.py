"""Engines outside that draw in the place of weights of one's own: OpenAI's images API, ComfyUI."""
