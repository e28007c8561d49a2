"""/tokenize and /detokenize: the estimate of a prompt's length as tokens, whose ids are drawn from the text."""

import zlib
from typing import Any

from costwain.stub.args import Settings
from costwain.stub.fields import check_model, json_object, missing, mistyped, required_list, whole_number
from costwain.stub.logprobs import WORD
from costwain.stub.prompts import conversation, pieces
from costwain.stub.refusal import invalid

_VOCABULARY = 151_936


def tokenize(body: bytes, content_type: str, settings: Settings) -> dict[str, Any]:
    """Answers /tokenize: as many ids as the prompt is counted for; raises ApiError."""
    given = json_object(body, content_type)
    prompt, chat = given.get("prompt"), given.get("messages") is not None
    if not chat and not isinstance(prompt, str):
        form = missing(given, "prompt") if prompt is None else mistyped("string", "prompt", prompt)
        raise invalid("body.prompt", form, missing(given, "messages"))
    check_model(given, settings.served_names)
    if chat:
        found = conversation(required_list(given, "messages"))
        texts = [f"{found.seed}/{number}" for number in range(found.tokens)]
    else:
        texts = pieces(prompt or "")
    ids = [zlib.crc32(text.encode(errors="replace")) % _VOCABULARY for text in texts]
    told = texts if given.get("return_token_strs") else None
    return {"count": len(ids), "max_model_len": settings.max_model_len, "tokens": ids, "token_strs": told}


def detokenize(body: bytes, content_type: str, settings: Settings) -> dict[str, Any]:
    """Answers /detokenize: every token reads as the stub's answers do; raises ApiError."""
    given = json_object(body, content_type)
    ids = required_list(given, "tokens")
    for number, found in enumerate(ids):
        whole_number(found, f"body.tokens.{number}")
    check_model(given, settings.served_names)
    return {"prompt": WORD * len(ids)}
