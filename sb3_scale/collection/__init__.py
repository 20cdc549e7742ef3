"""Who acts in the environments, and what is noticed there."""
