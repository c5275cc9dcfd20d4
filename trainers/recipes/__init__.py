"""One file per training method: the docstring names the paper, states the formula and the stage; the body is the formula."""
