"""Trained models to and from Hugging Face's hub, in RL-Zoo's files."""
