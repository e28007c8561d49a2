"""How likely each token was, told as vLLM tells it; here each is as likely as the last, and so are those beside it."""

from typing import Any

WORD = " la"
_LOGPROB = -0.5


def of_text(count: int, first: int, beside: int) -> dict[str, Any]:
    """Of so many tokens of a completion, the first of which has that number in its answer."""
    return {
        "text_offset": [len(WORD) * (first + number) for number in range(count)],
        "token_logprobs": [_LOGPROB] * count,
        "tokens": [WORD] * count,
        "top_logprobs": [dict(_likely(beside))] * count,
    }


def of_chat(count: int, beside: int) -> dict[str, Any]:
    """Of so many tokens of a chat's answer."""
    top = [_told(token, logprob) for token, logprob in _likely(beside)] if beside else []
    return {"content": [{**_told(WORD, _LOGPROB), "top_logprobs": top}] * count}


def _likely(beside: int) -> list[tuple[str, float]]:
    """The token itself, and others behind it."""
    return [(WORD, _LOGPROB), *((f"{WORD}{rank}", _LOGPROB - rank) for rank in range(1, beside))]


def _told(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
