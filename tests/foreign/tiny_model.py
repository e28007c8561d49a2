"""Makes a model folder of nothing: `python tiny_model.py FOLDER`, two layers, a vocabulary of numbered words.

For load generators, which count tokens, and for vLLM with `--load-format dummy`, which draws its weights. Needs only
`transformers`. A text of n words is n tokens, and stays n tokens when it is decoded and encoded again.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

WORDS, CONTEXT = 500, 2048
SPECIAL = ("<unk>", "<s>", "</s>")
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


def make(folder: Path) -> None:
    """Writes tokenizer, chat template and shape."""
    words = [*SPECIAL, *(f"word{number:03d}" for number in range(WORDS)), "hello", "world"]
    plain = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=SPECIAL[0]))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    unknown, first, last = SPECIAL
    known = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token=unknown, bos_token=first, eos_token=last)
    known.chat_template = TEMPLATE
    known.save_pretrained(folder)
    heads, width = 2, 64
    shape = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": width // heads,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "hidden_act": "silu",
        "vocab_size": len(words),
        "max_position_embeddings": CONTEXT,
        "bos_token_id": words.index(first),
        "eos_token_id": words.index(last),
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
