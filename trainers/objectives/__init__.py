"""Pure functions on tensors: no model, no framework but torch.

Shapes are written as in `float (B, T)`: B sequences, T response positions (right-padded), G samples per prompt.
"""
