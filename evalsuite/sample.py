from evalsuite.words.sample import *  # noqa
