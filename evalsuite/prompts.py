from evalsuite.words.prompt import *  # noqa
