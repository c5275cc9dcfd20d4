from evalsuite.words.score import *  # noqa
