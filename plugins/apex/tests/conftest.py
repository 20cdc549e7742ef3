"""One thread per test process: the networks of the tests are too small to share out."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)
