"""What is remembered of a value is that of this very value, and a changed copy keeps what was worked out."""

from dataclasses import dataclass

from tests.decide.builders import fleet, replica, serving

from costwain.domain.once import changed, lazy, once
from costwain.domain.snapshot import Fleet


@dataclass(frozen=True)
class Basket:
    """Things at a price."""

    price: int
    owner: str = ""

    @lazy
    def worked(self) -> list[int]:
        """Another list each time, so that one can tell."""
        return [self.price]


def test_what_follows_from_a_value_is_worked_out_once() -> None:
    asked = list[tuple[Basket, int]]()

    @once(8)
    def doubled(basket: Basket, more: int) -> int:
        """Twice its price, and more."""
        asked.append((basket, more))
        return 2 * basket.price + more

    one = Basket(3)
    assert [doubled(one, 0), doubled(one, 0), doubled(one, 1)] == [6, 6, 7]
    assert len(asked) == 2
    assert doubled.__doc__ == "Twice its price, and more."


def test_an_equal_value_is_another_one() -> None:
    @once(8)
    def itself(basket: Basket) -> Basket:
        return basket

    one, twin = Basket(3), Basket(3)
    assert one == twin
    assert itself(one) is one
    assert itself(twin) is twin


def test_many_values_that_come_and_go_are_never_taken_for_one_another() -> None:
    @once(4)
    def price(basket: Basket) -> int:
        return basket.price

    assert [price(Basket(n)) for n in range(500)] == list(range(500))


def test_where_too_many_are_remembered_only_the_oldest_is_forgotten() -> None:
    asked = list[int]()

    @once(4)
    def price(basket: Basket) -> int:
        asked.append(basket.price)
        return basket.price

    baskets = [Basket(n) for n in range(5)]
    for basket in (*baskets, *baskets[1:], baskets[0]):
        price(basket)
    assert asked == [0, 1, 2, 3, 4, 0]


def test_a_lazy_value_is_kept_and_does_not_make_two_baskets_differ() -> None:
    one = Basket(3)
    assert one.worked is one.worked
    assert one == Basket(3)
    assert isinstance(Basket.worked, lazy)


def test_a_changed_copy_keeps_what_was_worked_out() -> None:
    one = Basket(3)
    kept = one.worked
    other = changed(one, owner="ann")
    assert (other.price, other.owner, one.owner) == (3, "ann", "")
    assert other.worked is kept


def test_a_fleet_that_remembers_something_else_still_has_its_pods() -> None:
    this: Fleet = fleet(replica("full/h100"))
    assert this.counts == {("full", "h100"): 1}
    other = this.remembering(serving("small"))
    assert other.memory.target == "small"
    assert other.counts is this.counts
    assert this.memory.target is None


def test_a_copy_of_an_api_value_says_what_was_set() -> None:
    memory = serving("small")
    other = memory.model_copy(update={"busy_at_s": 7.0})
    assert (other.busy_at_s, other.target) == (7.0, "small")
    assert other.model_fields_set == {*memory.model_fields_set, "busy_at_s"}
    assert memory.model_copy() == memory
    assert memory.model_copy(deep=True) == memory
    assert other.model_dump() == {**memory.model_dump(), "busy_at_s": 7.0}
