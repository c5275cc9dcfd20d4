from evalsuite.words.completion import *  # noqa
