"""Aggregation: a dashboard in the time of its slowest branch, whole where parts are missing, and in the shape of
each client."""
import asyncio
import sys
import time

from kit import (SLOWDOWN, Answer, AsyncClient, Backend, Flotilla, Wire, ask, case, check, check_equal, check_problem,
                 main, percentile, wait_until)

WEB, MOBILE, ADMIN, FIRST = 21300, 21301, 21302, 21310
SERVICES = ("user-service", "order-service", "payment-service", "notification-service", "recommendation-service")
CONFIG = "\n".join([
    f"admin: {{ listen: 127.0.0.1:{ADMIN} }}",
    "services:",
    *(f'  {name}: {{ url: "http://127.0.0.1:{FIRST + i}", retry: {{ attempts: 1 }} }}' for i, name in enumerate(SERVICES)),
    f"""
gateways:
  web:
    listen: 127.0.0.1:{WEB}
    routes:
      - GET /api/dashboard/user/{{id}}: {{ compose: dashboard }}
  mobile:
    listen: 127.0.0.1:{MOBILE}
    routes:
      - GET /dashboard/{{id}}: {{ compose: dashboard, only: [user, orders], shape: "{{user: (.user|{{id,name}}), order_count: (.orders|length)}}" }}
compositions:
  dashboard:
    user:            {{ call: "GET user-service/users/{{id}}" }}
    orders:          {{ call: "GET order-service/orders?user_id={{id}}", optional: true, default: [], timeout: 300ms }}
    payments:        {{ call: "GET payment-service/payments?user_id={{id}}", optional: true, default: [] }}
    notifications:   {{ call: "GET notification-service/notifications?user_id={{id}}", optional: true, default: [] }}
    recommendations: {{ call: "GET recommendation-service/recs?user_id={{id}}", optional: true, default: [] }}
"""])
# Numbers as a gateway must not touch them.
BODIES = {
    "user-service": b'{"id": 9007199254740993, "name": "Alice", "balance": 1.10, "email": "alice@example.com"}',
    "order-service": b'[{"id":1},{"id":2},{"id":3}]',
    "payment-service": b'[{"amount":10.00}]',
    "notification-service": b'[]',
    "recommendation-service": b'["book"]',
}


def all_well(services, **different):
    """Each service answers its body; `different` gives other Answers, by the first word of the name."""
    for service in services:
        service.forget()
        other = different.get(service.name.split("-")[0])
        service.behave = (lambda answer: lambda request: answer)(other or Answer(200, BODIES[service.name]))


def dashboard():
    return ask(WEB, "GET", "/api/dashboard/user/123")


@case
def five_bodies_make_one_answer(services):
    all_well(services)
    answer = dashboard()
    check_equal((answer.status, answer.get("X-Aggregate-Completed")), (200, "true"), "status and completeness")
    check_equal(list(answer.json()), ["user", "orders", "payments", "notifications", "recommendations"], "branches")
    check(BODIES["user-service"] in answer.body, f"the user's body was changed: {answer.body!r}")
    check_equal([service.paths() for service in services],
                [["/users/123"], ["/orders?user_id=123"], ["/payments?user_id=123"], ["/notifications?user_id=123"],
                 ["/recs?user_id=123"]], "calls")


@case
def it_takes_the_time_of_the_slowest(services):
    slow = 0.2
    all_well(services, **{name.split("-")[0]: Answer(200, BODIES[name], delay=slow) for name in SERVICES})

    async def measure():
        http, times = AsyncClient(WEB), []
        for _ in range(5):
            status, message, seconds = await http.request("GET", "/api/dashboard/user/123")
            check_equal((status, message.get("X-Aggregate-Completed")), (200, "true"), "the answer")
            times.append(seconds)
        http.close()
        return percentile(times, 0.5)

    median = asyncio.run(measure())
    check(slow <= median < slow + 0.1 * SLOWDOWN, f"five branches of {slow} s took {median:.3f} s")
    return f"{median * 1000:.0f} ms for five of {slow * 1000:.0f} ms"


@case
def what_is_dead_is_missing_and_said(services):
    all_well(services)
    recommendation = services[4]
    recommendation.kill()
    try:
        answer = dashboard()
    finally:
        recommendation.open()
    check_equal((answer.status, answer.get("X-Aggregate-Completed")), (200, "false"), "status and completeness")
    check_equal(answer.get("Flotilla-Missing"), "recommendations;reason=connect-failure", "Flotilla-Missing")
    check_equal(answer.get("Cache-Control"), "no-store", "Cache-Control")
    check_equal(answer.json()["recommendations"], [], "the default")
    check_equal(answer.json()["orders"][0]["id"], 1, "the others")
    check_equal(dashboard().get("X-Aggregate-Completed"), "true", "once it is back")


@case
def every_way_to_fail_is_named(services):
    for answer, missing in ((Answer(500, "x"), "orders;reason=bad-answer;status=500"),
                            (Answer(200, b"{not json"), "orders;reason=bad-answer;status=200"),
                            (Answer(hang=True), "orders;reason=timeout"),
                            (Answer(200, b"x" * 100, die_after=0), "orders;reason=reset")):
        all_well(services, order=answer)
        begun = time.monotonic()
        got = dashboard()
        check_equal((got.status, got.get("Flotilla-Missing")), (200, missing), "status and Flotilla-Missing")
        check(time.monotonic() - begun < 2 * SLOWDOWN, "a branch with a timeout of 300 ms held the answer up")


@case
def a_required_branch_that_fails_is_a_problem(services):
    for answer, status, reason in ((Answer(404, "nobody"), 404, "not-found"), (Answer(500, "secret"), 502, "bad-answer"),
                                   (Answer(200, b"secret"), 502, "bad-answer")):
        all_well(services, user=answer)
        got = dashboard()
        problem = check_problem(got, status, reason)
        check("user" in problem["detail"], f"the branch is not named: {problem}")
        check(b"secret" not in got.body and b"nobody" not in got.body, "what the service sent is shown")


@case
def a_required_branch_that_fails_ends_the_others(services):
    all_well(services, user=Answer(500, "x"), payment=Answer(hang=True))
    begun = time.monotonic()
    check_problem(dashboard(), 502, "bad-answer")
    check(time.monotonic() - begun < 2 * SLOWDOWN, "it waited for the others")
    wait_until(lambda: services[2].abandoned == len(services[2].requests), "the call that still ran is cancelled")


@case
def mobile_gets_its_own_shape(services):
    all_well(services)
    answer = ask(MOBILE, "GET", "/dashboard/777")
    check_equal((answer.status, answer.body), (200, b'{"user":{"id":9007199254740993,"name":"Alice"},"order_count":3}'), "the answer")
    calls = [sum("777" in path for path in service.paths()) for service in services]
    check_equal(calls, [1, 1, 0, 0, 0], "calls; only what it shows is called")


@case
def a_parameter_never_leaves_its_place(services):
    all_well(services)
    ask(WEB, "GET", "/api/dashboard/user/1%26admin%3D1%2F..%2Fx")
    for service in services:
        for path in service.paths():
            check("&admin" not in path and "/../" not in path, f"{service.name} was called as {path}")


@case
def a_client_that_leaves_ends_every_branch(services):
    all_well(services, **{name.split("-")[0]: Answer(hang=True) for name in SERVICES if name != "order-service"})
    with Wire(WEB) as wire:
        wire.request("GET", "/api/dashboard/user/123")
        wait_until(lambda: all(service.requests for service in services), "every service is called")
    wait_until(lambda: all(s.abandoned for s in services if s.name != "order-service"), "every call is ended")


if __name__ == "__main__":
    backends = [Backend(FIRST + i, name) for i, name in enumerate(SERVICES)]
    try:
        with Flotilla(CONFIG, ADMIN):
            code = main(backends)
    finally:
        for backend in backends:
            backend.stop()
    sys.exit(code)
