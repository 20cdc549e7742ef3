"""How gradient steps run: eagerly, compiled, as CUDA graphs, and in which precision."""
