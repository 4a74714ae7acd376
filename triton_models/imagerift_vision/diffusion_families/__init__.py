"""What is known of each family of diffusion weights; nothing here needs PyTorch."""
