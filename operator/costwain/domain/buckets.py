"""Bounds of vLLM's own histograms, in seconds: what the gateway measures can be laid beside what the pods say."""


def _bounds(text: str) -> tuple[float, ...]:
    return tuple(float(bound) for bound in text.split())


FIRST_TOKEN_S = _bounds(".001 .005 .01 .02 .04 .06 .08 .1 .25 .5 .75 1 2.5 5 7.5 10 20 40 80 160 640 2560")
TOKEN_S = _bounds(".01 .025 .05 .075 .1 .15 .2 .3 .4 .5 .75 1 2.5 5 7.5 10 20 40 80")
REQUEST_S = _bounds(".3 .5 .8 1 1.5 2 2.5 5 10 15 20 30 40 50 60 120 240 480 960 1920 7680")
