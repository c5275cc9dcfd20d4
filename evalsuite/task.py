from evalsuite.words.task import *  # noqa
