"""A law: replicas that hear late, die and come back never give a pod more than its limit together."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.agent.builders import gateway_object, pod, program, server, state

from costwain.agent.haproxy import State
from costwain.agent.marks import Mark
from costwain.agent.membership import HEARSAY_S, Membership
from costwain.agent.reconcile import commands

pytestmark = pytest.mark.long


@dataclass
class Node:
    """One replica in the law below: HAProxy, its agent, and how much of the cluster's history the agent has seen."""

    name: str
    membership: Membership
    seen: int
    rows: dict[str, tuple[int, int, bool]] = field(default_factory=dict)  # server -> limit, sessions, maintenance
    told: str = "starting"
    queued: int = 0
    due: list[Mark] = field(default_factory=list)

    def haproxy(self) -> State:
        rows = {
            f"full/{name}": server(name, "MAINT" if maint else "UP", sessions=sessions, limit=limit)
            for name, (limit, sessions, maint) in self.rows.items()
        }
        inside = 0 if self.told == "starting" else self.queued + self.running
        return state(rows, {"variant.full": inside}, told={"state": self.told})

    @property
    def running(self) -> int:
        return sum(sessions for _, sessions, _ in self.rows.values())

    def obey(self, line: str) -> None:
        words = line.split()
        name = next((w.rpartition(":")[2] for w in words if w.startswith("variant.full/spot:")), "")
        limit, sessions, maint = self.rows.get(name, (0, 0, True))
        if line.startswith("add server"):
            self.rows[name] = (int(words[words.index("maxconn") + 1]), 0, True)
        elif line.startswith("set maxconn server"):
            self.rows[name] = (int(words[-1]), sessions, maint)
        elif line.startswith("enable server"):
            self.rows[name] = (limit, sessions, False)
        elif line.startswith("set server") and "again" not in line:
            self.rows[name] = (limit, sessions, True)
        elif line.startswith("del server"):
            del self.rows[name]
        elif line.startswith("set map #0 state"):
            self.told = words[-1]


class Replicas(RuleBasedStateMachine):
    """Replicas that see the cluster late, each in its own time; agents and HAProxies that die at any moment."""

    @initialize(slots=st.integers(1, 12))
    def begin(self, slots):
        self.slots, self.now_s, self.started = slots, 0.0, 0
        self.history = [{}]  # versions of name -> pod object
        self.nodes = {}

    def _write(self, name, change):
        pods = {key: {"metadata": {**o["metadata"]}, "status": {**o["status"]}} for key, o in self.history[-1].items()}
        change(pods, name)
        self.history.append(pods)

    def _node(self, index):
        return sorted(self.nodes.values(), key=lambda n: n.name)[index % len(self.nodes)]

    @precondition(lambda self: self.started < 4)
    @rule()
    def start(self):
        name = f"g{self.started}"
        self.started += 1

        def add(pods, name):
            pods[name] = {**gateway_object(Ready="True", ContainersReady="True")}
            pods[name]["metadata"] = {**pods[name]["metadata"], "name": name}

        self._write(name, add)
        self.nodes[name] = Node(name, Membership(name), len(self.history) - 1)

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3), steps=st.integers(1, 5))
    def hear(self, index, steps):
        node = self._node(index)
        node.seen = min(node.seen + steps, len(self.history) - 1)

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3))
    def turn(self, index):
        self._turn(self._node(index))

    def _turn(self, node):
        node.membership.see(self.history[node.seen].values())
        asked = program(slots=self.slots)
        replica = node.membership.replica(asked, node.haproxy(), self.now_s)
        if replica is not None:
            for line in commands(asked, [pod("a")], node.haproxy(), replica):
                node.obey(line)
        mark = node.membership.mark(asked, node.haproxy())
        node.due = [mark] if mark else []

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3))
    def say(self, index):
        self._say(self._node(index))

    def _say(self, node):
        for mark in node.due:
            if mark.pod in self.history[-1]:

                def patch(pods, name, said=mark.metadata):
                    metadata = pods[name]["metadata"]
                    metadata["annotations"] = {**metadata["annotations"], **said["annotations"]}
                    labels = {**metadata["labels"], **said["labels"]}
                    metadata["labels"] = {key: value for key, value in labels.items() if value is not None}

                self._write(mark.pod, patch)

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3), n=st.integers(1, 9))
    def ask(self, index, n):
        self._node(index).queued += n

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3), ends=st.integers(0, 9))
    def serve(self, index, ends):
        self._serve(self._node(index), ends)

    def _serve(self, node, ends):
        for name, (limit, sessions, maint) in list(node.rows.items()):
            left = max(0, sessions - ends)
            begun = 0 if maint else min(node.queued, max(0, limit - left))
            node.queued -= begun
            node.rows[name] = (limit, left + begun, maint)

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3))
    def agent_restarts(self, index):
        node = self._node(index)
        node.membership, node.due, node.seen = Membership(node.name), [], len(self.history) - 1

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3))
    def haproxy_restarts(self, index):
        node = self._node(index)
        node.rows, node.told, node.queued = {}, "starting", 0
        self._status(node.name, "terminated")
        self._status(node.name, "running")

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3))
    def dies(self, index):
        node = self._node(index)
        del self.nodes[node.name]
        self._status(node.name, "terminated")

    @precondition(lambda self: self.nodes)
    @rule(index=st.integers(0, 3))
    def is_asked_to_leave(self, index):
        def delete(pods, name):
            pods[name]["metadata"]["deletionTimestamp"] = "now"

        self._write(self._node(index).name, delete)

    def _status(self, name, word):
        def change(pods, name):
            pods[name]["status"]["containerStatuses"] = [{"name": "haproxy", "state": {word: {}}}]

        self._write(name, change)

    @rule(busy=st.booleans())
    def everybody_speaks_in_turn(self, busy):
        for node in self.nodes.values():
            node.queued += 9 if busy else 0
            self._serve(node, 0)
            node.seen = len(self.history) - 1
            self._turn(node)
            self._say(node)

    @rule()
    def a_second_passes(self):
        """Nobody is that late: who is alive has heard of everything by then."""
        for node in self.nodes.values():
            node.seen = len(self.history) - 1
            self._turn(node)
        self.now_s += HEARSAY_S

    @invariant()
    def a_pod_never_gets_more_than_its_limit(self):
        used = [
            max(0 if maint else limit, sessions)
            for node in getattr(self, "nodes", {}).values()
            for limit, sessions, maint in node.rows.values()
        ]
        assert sum(used) <= getattr(self, "slots", 0)

    def teardown(self):
        """Left alone, those that are alive agree, divide the whole and serve every request that waits."""
        nodes = list(getattr(self, "nodes", {}).values())
        rounds = 30 + 2 * sum(node.queued + node.running for node in nodes)  # one slot serves one request in each
        for _ in range(rounds if nodes else 0):
            self.a_second_passes()
            for node in nodes:
                self._say(node)
                self._serve(node, 9)
            self.a_pod_never_gets_more_than_its_limit()
        assert [node.name for node in nodes if node.queued] == []
        if any("deletionTimestamp" not in self.history[-1][node.name]["metadata"] for node in nodes):
            assert sum(limit for n in nodes for limit, _, maint in n.rows.values() if not maint) == self.slots


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
