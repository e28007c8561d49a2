"""Pictures of a fleet that the tests of the view share."""

from costwain.domain.plan import Money
from costwain.domain.snapshot import State
from costwain.local.load import Counters
from costwain.local.view_model import PoolView, Told, VariantView, ViewState

ELEVEN_S = 1_795_518_000.0  # 2026-11-24T11:00:00Z
DOWN = Told(
    ELEVEN_S + 1000,
    "SteppedDown",
    "qwen3-32b needs $10.76/h for 0.7 requests/s, $2.27 of $4.00 is left until 12:00: qwen3-8b serves for $1.99/h",
)
UP = Told(ELEVEN_S + 1130, "SteppedUp", "qwen3-32b serves for $7.37/h instead of qwen3-8b")
MONEY = Money(14_150_000, ELEVEN_S, ELEVEN_S + 3600, 1_810_000, 0, 4_000_000, 3_620_000)
BIG = VariantView(
    "qwen3-32b",
    75,
    "",
    (
        PoolView("h100", (State.READY, State.READY, State.STARTING), 10_170_000),
        PoolView("mi300x", (State.READY, State.DRAINING), 3_980_000),
    ),
)
SMALL = VariantView("qwen3-8b", 25, "", (PoolView("mi300x", (State.READY, State.PENDING), None),))
BARRED = VariantView("qwen3-4b", 0, "quality 58.6 is below minQuality 60", ())
BUSY = ViewState(
    fleet="chat",
    now_s=ELEVEN_S + 1206,
    speed=30,
    variants=(BIG, SMALL, BARRED),
    money=MONEY,
    waiting=48,
    running=12,
    reasons=("qwen3-8b serves 0.7 requests/s on 1 x mi300x for $1.99/h",),
    told=(DOWN, UP),
    load=Counters(sent=451, done=395, lost=0),
)
NEW = ViewState(
    fleet="chat",
    now_s=ELEVEN_S,
    speed=1,
    variants=(VariantView("qwen3-32b", None, "", ()),),
    money=None,
    waiting=None,
    running=None,
    reasons=(),
    told=(),
    load=Counters(),
)
