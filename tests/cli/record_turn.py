"""Writes the recorded turn of test_replay.py anew: the turn at which a budget costs a step down."""

import json
from pathlib import Path

from tests.decide.test_world import slowly, world

from costwain.decide import decide
from costwain.domain.record import Turn, encoded

if __name__ == "__main__":
    this = world(slowly(20.0), budget={"amount": "9.00", "period": "Hour"})
    while not any(w.code == "SteppedDown" for w in this.run(this.turn_s)[0].plan.news):
        pass
    assert this.seen is not None
    path = Path(__file__).parent / "recorded" / "turn-step-down.json"
    turn = Turn("0.1.0", this.seen, decide(this.seen))
    path.write_text(json.dumps(encoded(turn), separators=(",", ":")) + "\n", encoding="utf-8")
