from evalsuite.words.thinking import *  # noqa
