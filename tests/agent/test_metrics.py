"""The numbers as Prometheus reads them."""

from dataclasses import replace

from tests.agent.builders import NO_RESPONSES, server, state

from costwain.agent.metrics import metrics_text


def _value(text, sample):
    (line,) = [line for line in text.splitlines() if line.startswith(f"{sample} ")]
    return int(line.rpartition(" ")[2])


def test_a_haproxy_that_does_not_answer_has_no_numbers_but_that_it_is_down():
    lines = [line for line in metrics_text(None).splitlines() if not line.startswith("#")]
    assert lines == ["costwain_gateway_up 0"]


def test_depth_counts_also_those_who_may_not_go_below_the_variant():
    text = metrics_text(state(queued={"variant.full": 3, "waiting.full": 2}))
    assert _value(text, 'costwain_gateway_queue_depth{variant="full"}') == 5
    assert _value(text, 'costwain_gateway_queue_depth{variant="small"}') == 0
    assert _value(text, "costwain_gateway_up") == 1


def test_in_flight_counts_pods_that_leave_too_and_slots_only_those_that_are_up():
    servers = {
        "full/a": server(sessions=3),
        "full/b": server("b", sessions=2, status="MAINT"),
        "full/c": server("c", status="DOWN"),
    }
    text = metrics_text(state(servers))
    assert _value(text, 'costwain_gateway_in_flight{variant="full",pool="spot"}') == 5
    assert _value(text, 'costwain_gateway_slots{variant="full",pool="spot"}') == 8


def test_the_hold_request_and_what_was_routed_anew_are_not_counted():
    known = state()
    known.backends["variant.full"] = replace(
        known.backends["variant.full"], total=12, responses={**NO_RESPONSES, "2xx": 9, "5xx": 1}
    )
    known.servers["variant.full", "again"] = replace(
        known.servers["variant.full", "again"], responses={**NO_RESPONSES, "2xx": 4}
    )
    text = metrics_text(known)
    assert _value(text, 'costwain_gateway_requests_total{variant="full"}') == 11
    assert _value(text, 'costwain_gateway_responses_total{variant="full",code="2xx"}') == 5
    assert _value(text, 'costwain_gateway_responses_total{variant="full",code="5xx"}') == 1


def test_where_keys_are_asked_for_their_number_is_told():
    assert _value(metrics_text(state(keys={"h1": "blue", "h2": "blue"})), "costwain_gateway_api_keys") == 2
    assert "costwain_gateway_api_keys" not in metrics_text(state())
