"""A variant's fields that are more than text."""

import pytest
from pydantic import ValidationError
from tests.decide.builders import variant

from costwain.domain.variant import Variant


@pytest.mark.parametrize("text", ["1", "5", "0.5", "0.05", "12.75", "99.999999", "100", "100.0", "0.000001"])
def test_a_length_of_answers(text: str) -> None:
    assert Variant.model_validate(variant(answerLength=text)).answer_length == text


BAD_LENGTHS = {
    "nothing is no length": "0",
    "nothing in decimals": "0.00",
    "less than nothing": "-1",
    "more than a hundred": "100.5",
    "a thousand": "1000",
    "a word": "long",
    "a percentage": "500%",
    "an exponent": "5e0",
    "no text": "",
    "not a number": "NaN",
    "a number where a decimal text is wanted": 5,
    "digits of another script": "٥",
}


@pytest.mark.parametrize("found", BAD_LENGTHS.values(), ids=BAD_LENGTHS)
def test_a_length_that_is_none(found: object) -> None:
    with pytest.raises(ValidationError, match="answerLength"):
        Variant.model_validate(variant(answerLength=found))


def test_every_variant_is_as_long_as_the_others_until_something_is_said() -> None:
    assert Variant.model_validate(variant()).answer_length == "1"
