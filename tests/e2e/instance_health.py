"""Services with `health`: what fails its check gets no calls while another passes, whether its address stands in the
file or was registered; a reload keeps what is known."""
import json
import signal
import sys

from kit import Backend, Flotilla, Wire, ask, case, check, check_equal, main, wait_until

GATEWAY, ADMIN, REGISTRY, FIRST = 22400, 22401, 22402, 22410
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
registry: {{ listen: 127.0.0.1:{REGISTRY} }}
services:
  legacy:
    urls: ["http://127.0.0.1:{FIRST}", "http://127.0.0.1:{FIRST + 1}"]
    balance: round-robin
    health: {{ every: 1s, timeout: 800ms }}
  modern:
    balance: round-robin
    health: {{ path: /health, every: 1s }}
gateways:
  public: {{ listen: "127.0.0.1:{GATEWAY}", routes: [ /modern: modern, /**: legacy ] }}
"""
NAMES = {FIRST: "left", FIRST + 1: "right"}


def who_serves(path="/", count=20):
    return {ask(GATEWAY, "GET", path).json()["service"] for _ in range(count)}


def healthy(flotilla, service="legacy"):
    """The names of those that the program holds for healthy, as API and metrics have it."""
    items = flotilla.admin("GET", "/api/v1/services").json()["items"]
    instances = next(item for item in items if item["name"] == service)["instances"]
    by_api = {NAMES[int(each["address"].split(":")[1])] for each in instances if each["healthy"]}
    by_metric = {name for port, name in NAMES.items()
                 if flotilla.metric("flotilla_upstream_healthy", service=service, instance=f"127.0.0.1:{port}") == 1}
    return by_api if by_api == by_metric else {"the API and the metrics differ"}


@case
def what_fails_its_check_gets_no_calls_until_it_passes_again(left, right, flotilla):
    check_equal(who_serves(), {"left", "right"}, "while both are healthy")
    left.health = 503
    wait_until(lambda: healthy(flotilla) == {"right"}, "the left one is unhealthy")
    check_equal(who_serves(), {"right"}, "while the left one is unhealthy")
    check("legacy at 127.0.0.1:%d is unhealthy" % FIRST in flotilla.said(), "the log does not say so")
    left.health = 200
    wait_until(lambda: healthy(flotilla) == {"left", "right"}, "the left one is healthy again")
    check_equal(who_serves(), {"left", "right"}, "when both are healthy again")


@case
def a_reload_keeps_what_is_known(left, right, flotilla):
    right.health = 500
    wait_until(lambda: healthy(flotilla) == {"left"}, "the right one is unhealthy")
    flotilla.process.send_signal(signal.SIGHUP)
    wait_until(lambda: flotilla.metric("flotilla_config_reloads_total", result="done") == 1, "the reload is done")
    check_equal(healthy(flotilla), {"left"}, "after the reload")
    check_equal(who_serves(), {"left"}, "after the reload")
    asked = right.health_checks
    wait_until(lambda: right.health_checks > asked, "the right one is still checked")
    right.health = 200
    wait_until(lambda: healthy(flotilla) == {"left", "right"}, "the right one is healthy again")


@case
def what_is_registered_is_checked_too(left, right, flotilla):
    for port, name in NAMES.items():
        body = json.dumps({"Name": "modern", "ID": name, "Address": "127.0.0.1", "Port": port}).encode()
        with Wire(REGISTRY) as wire:
            wire.send(b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            check_equal(wire.response("PUT").status, 200, "registering")
    check_equal(who_serves("/modern"), {"left", "right"}, "while both are healthy")
    left.health = 500
    wait_until(lambda: healthy(flotilla, "modern") == {"right"}, "the left one is unhealthy")
    check_equal(who_serves("/modern"), {"right"}, "while the left one is unhealthy")
    left.health = 200
    wait_until(lambda: healthy(flotilla, "modern") == {"left", "right"}, "the left one is healthy again")


@case
def when_all_fail_their_checks_all_are_used(left, right, flotilla):
    left.health = right.health = 503
    wait_until(lambda: healthy(flotilla) == set(), "both are unhealthy")
    check_equal(who_serves(), {"left", "right"}, "while both are unhealthy")
    left.health = right.health = 200


if __name__ == "__main__":
    with Backend(FIRST, "left") as left, Backend(FIRST + 1, "right") as right, Flotilla(CONFIG, ADMIN) as flotilla:
        sys.exit(main(left, right, flotilla))
