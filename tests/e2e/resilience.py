"""A failure stays where it happened: a hanging payment service does not slow others, its breaker opens and closes,
bulkheads and limits refuse at once, fallbacks answer."""
import asyncio
import sys

from kit import (PATIENCE, SLOWDOWN, Answer, AsyncClient, Backend, Flotilla, ask, case, check, check_equal,
                 check_problem, main, percentile, wait_until)

GATEWAY, ADMIN, FIRST = 21400, 21401, 21410
RESET = 1.5 * SLOWDOWN  # seconds, during which 200 refusals are measured
TIMEOUT = 1 * SLOWDOWN  # seconds, during which the other services are measured
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
services:
  user-service:    {{ url: "http://127.0.0.1:{FIRST}" }}
  order-service:   {{ url: "http://127.0.0.1:{FIRST + 1}" }}
  payment-service:
    url: http://127.0.0.1:{FIRST + 2}
    timeout: {TIMEOUT}s
    circuit_breaker: {{ failures: 5, reset: {RESET * 1000:.0f}ms }}
  narrow:    {{ url: "http://127.0.0.1:{FIRST + 3}", bulkhead: {{ concurrent: 10 }} }}
  waiting:   {{ url: "http://127.0.0.1:{FIRST + 3}", bulkhead: {{ concurrent: 2, queue: 4, wait: 5s }} }}
  limited:   {{ url: "http://127.0.0.1:{FIRST + 3}", rate_limit: 5/m }}
  answering: {{ url: "http://127.0.0.1:{FIRST + 4}", fallback: {{ respond: {{ status: 202, body: {{ status: pending, message: Will charge later }} }} }} }}
  stale:     {{ url: "http://127.0.0.1:{FIRST + 4}", fallback: {{ stale: 5m }} }}
  replaced:  {{ url: "http://127.0.0.1:{FIRST + 4}", fallback: {{ service: order-service }} }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - GET /users/{{id}}: user-service
      - GET,POST /orders: order-service
      - POST /charges: payment-service
      - /narrow/**: narrow
      - /waiting/**: waiting
      - /limited/**: limited
      - /answering/**: answering
      - /stale/**: stale
      - /replaced/**: replaced
"""


async def times_of(method, path, count, clients=2):
    """How long each of `count` requests takes; all must be answered 200."""
    times = []

    async def one():
        http = AsyncClient(GATEWAY)
        for _ in range(count // clients):
            status, message, seconds = await http.request(method, path)
            check_equal(status, 200, f"{method} {path} ({message.body[:100]})")
            times.append(seconds)
        http.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return times


async def calm_p99():
    times = await asyncio.gather(times_of("GET", "/users/1", 400), times_of("GET", "/orders", 400))
    return percentile(times[0] + times[1], 0.99)


async def charge(http=None):
    own = http or AsyncClient(GATEWAY)
    result = await own.request("POST", "/charges", b'{"amount": 99.99}')
    if http is None:
        own.close()
    return result


@case
def a_hanging_payment_slows_nobody_else(services, flotilla):
    payment = services[2]
    payment.behave = lambda request: Answer(hang=True)

    async def measure():
        await calm_p99()  # connections are made, caches are warm
        calm = await calm_p99()
        charges = [asyncio.ensure_future(charge()) for _ in range(100)]
        await asyncio.to_thread(wait_until, lambda: len(payment.requests) >= 100, "the charges hang")
        meanwhile = await calm_p99()
        hung = sum(not call.done() for call in charges)
        return calm, meanwhile, hung, await asyncio.gather(*charges)

    calm, meanwhile, hung, answers = asyncio.run(measure())
    check(hung == 100, f"only {hung} charges still hung when the others had been measured")
    check_equal({(status, message.get("Flotilla-Error")) for status, message, _ in answers}, {(504, "timeout")}, "charges")
    # The clients and the services are Python on the same cores: a floor for their noise.
    check(meanwhile < 2 * calm + 0.005 * SLOWDOWN, f"p99 of the others: {calm * 1000:.1f} ms calm, {meanwhile * 1000:.1f} ms meanwhile")
    return f"p99 {calm * 1000:.1f} ms calm, {meanwhile * 1000:.1f} ms beside 100 hanging charges"


@case
def an_open_breaker_fails_fast(services, flotilla):
    payment = services[2]
    check_equal(flotilla.breaker("payment-service")["state"], "open", "the breaker after 100 timeouts")
    check_equal(flotilla.metric("flotilla_breaker_state", service="payment-service"), 2, "flotilla_breaker_state")
    check(flotilla.breaker("payment-service")["retry_at"], "retry_at is not told")
    payment.forget()

    async def measure():
        http, times, answers = AsyncClient(GATEWAY), [], []
        for _ in range(200):
            _, message, seconds = await charge(http)
            times.append(seconds)
            answers.append(message)
        http.close()
        return percentile(times, 0.5), answers

    median, answers = asyncio.run(measure())
    for answer in answers:
        problem = check_problem(answer, 503, "circuit-open")
        check_equal((problem["service"], problem["effect"]), ("payment-service", "none"), "service and effect")
        check(1 <= int(answer.get("Retry-After", "0")) <= RESET + 1, f"Retry-After: {answer.get('Retry-After')}")
    check(not payment.requests, "the service was called all the same")
    check(median < 0.005 * SLOWDOWN, f"a refusal takes {median * 1000:.1f} ms")
    check(flotilla.metric("flotilla_call_refusals_total", service="payment-service", reason="circuit-open") >= 200, "refusals are not counted")
    return f"median {median * 1000:.2f} ms"


@case
def it_probes_and_opens_again_while_the_service_hangs(services, flotilla):
    payment = services[2]
    payment.forget()

    async def probe():
        http = AsyncClient(GATEWAY)
        while True:
            status, message, _ = await charge(http)
            if message.get("Flotilla-Error") != "circuit-open":
                http.close()
                return status, message.get("Flotilla-Error")
            await asyncio.sleep(0.02)

    check_equal(asyncio.run(asyncio.wait_for(probe(), PATIENCE)), (504, "timeout"), "the probe")
    check_equal(len(payment.requests), 1, "one probe, and no more")
    check_equal(flotilla.breaker("payment-service")["state"], "open", "the breaker after a probe that failed")


@case
def it_closes_when_the_service_is_back(services, flotilla):
    services[2].behave = services[2].echo
    answer = wait_until(lambda: (a := ask(GATEWAY, "POST", "/charges", body=b"{}")).status == 200 and a, "a probe passes")
    check_equal(answer.json()["service"], "payment-service", "the answer")
    # The answer is with the client before the call is accounted.
    wait_until(lambda: flotilla.breaker("payment-service")["state"] == "closed", "the breaker closes")
    check_equal(flotilla.metric("flotilla_breaker_state", service="payment-service"), 0, "flotilla_breaker_state")
    for _ in range(20):
        check_equal(ask(GATEWAY, "POST", "/charges", body=b"{}").status, 200, "charges afterwards")


@case
def it_opens_after_exactly_as_many_failures_as_configured(services, flotilla):
    payment = services[2]
    payment.forget()
    payment.behave = lambda request: Answer(500, "x")
    got = [ask(GATEWAY, "POST", "/charges", body=b"{}").status for _ in range(8)]
    check_equal(got, [500] * 5 + [503] * 3, "statuses")
    check_equal(len(payment.requests), 5, "calls that reached the service")
    payment.behave = payment.echo
    check(flotilla.metric("flotilla_breaker_transitions_total", service="payment-service") >= 4, "transitions are not counted")


@case
def an_operator_closes_and_opens_it(services, flotilla):
    check_equal(flotilla.admin("POST", "/api/v1/breakers/payment-service/close").status, 200, "close")
    check_equal(ask(GATEWAY, "POST", "/charges", body=b"{}").status, 200, "a charge after that")
    check_equal(flotilla.admin("POST", "/api/v1/breakers/payment-service/force-open").status, 200, "force-open")
    check_problem(ask(GATEWAY, "POST", "/charges", body=b"{}"), 503, "circuit-open")
    check_equal(flotilla.admin("POST", "/api/v1/breakers/payment-service/auto").status, 200, "auto")
    wait_until(lambda: ask(GATEWAY, "POST", "/charges", body=b"{}").status == 200, "it works by itself again")


@case
def a_404_never_opens_a_breaker(services, flotilla):
    services[2].behave = lambda request: Answer(404, "x")
    got = {ask(GATEWAY, "POST", "/charges", body=b"{}").status for _ in range(20)}
    services[2].behave = services[2].echo
    check_equal(got, {404}, "statuses")
    check_equal(flotilla.breaker("payment-service")["state"], "closed", "the breaker")


@case
def a_full_bulkhead_refuses_at_once(services, flotilla):
    service = services[3]
    service.forget()
    service.behave = lambda request: Answer(200, "x", delay=1.0)

    async def crowd():
        clients = [AsyncClient(GATEWAY) for _ in range(50)]
        answers = await asyncio.gather(*(client.request("GET", "/narrow/x") for client in clients))
        for client in clients:
            client.close()
        return answers

    answers = asyncio.run(crowd())
    good = [answer for answer in answers if answer[0] == 200]
    refused = [answer for answer in answers if answer[0] != 200]
    check_equal((len(good), len(refused), len(service.requests)), (10, 40, 10), "answered, refused, and sent")
    for _, message, seconds in refused:
        check_problem(message, 503, "bulkhead-full")
        check(seconds < 0.5, f"a refusal took {seconds:.2f} s")
    wait_until(lambda: flotilla.metric("flotilla_bulkhead_in_flight", service="narrow") == 0, "the slots are free again")


@case
def a_bulkhead_with_a_queue_lets_callers_wait(services, flotilla):
    service = services[3]
    service.forget()
    service.behave = lambda request: Answer(200, "x", delay=0.2)

    async def crowd():
        clients = [AsyncClient(GATEWAY) for _ in range(10)]
        answers = await asyncio.gather(*(client.request("GET", "/waiting/x") for client in clients))
        for client in clients:
            client.close()
        return sorted(status for status, _, _ in answers)

    check_equal(asyncio.run(crowd()), [200] * 6 + [503] * 4, "two at once, four wait, four are refused; statuses")


@case
def a_caller_that_leaves_frees_its_slot(services, flotilla):
    service = services[3]
    service.forget()
    service.behave = lambda request: Answer(hang=True)

    async def leave():
        clients = [AsyncClient(GATEWAY) for _ in range(10)]
        calls = [asyncio.ensure_future(client.request("GET", "/narrow/x")) for client in clients]
        await asyncio.to_thread(wait_until, lambda: len(service.requests) == 10, "all slots are taken")
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(leave())
    wait_until(lambda: flotilla.metric("flotilla_bulkhead_in_flight", service="narrow") == 0, "the slots are free again")
    service.behave = service.echo
    check_equal(ask(GATEWAY, "GET", "/narrow/x").status, 200, "the next call")


@case
def a_rate_limit_refuses_with_429(services, flotilla):
    services[3].behave = services[3].echo
    answers = [ask(GATEWAY, "GET", "/limited/x") for _ in range(8)]
    check_equal([answer.status for answer in answers], [200] * 5 + [429] * 3, "statuses")
    problem = check_problem(answers[-1], 429, "rate-limited")
    check(1 <= int(answers[-1].get("Retry-After", "0")) <= 12, f"Retry-After: {answers[-1].get('Retry-After')}")
    check_equal(problem["service"], "limited", "service")


@case
def a_fallback_answers_for_a_dead_service(services, flotilla):
    services[4].forget()
    services[4].behave = lambda request: Answer(200, {"number": len(services[4].requests)})
    check_equal(ask(GATEWAY, "GET", "/answering/x").json(), {"number": 1}, "while the service lives")
    fresh = ask(GATEWAY, "GET", "/stale/x")
    check_equal(fresh.json(), {"number": 2}, "while the service lives")
    services[4].kill()
    try:
        answer = ask(GATEWAY, "POST", "/answering/x", body=b"{}")
        check_equal((answer.status, answer.json(), answer.get("Flotilla-Fallback")),
                    (202, {"status": "pending", "message": "Will charge later"}, "respond"), "respond")
        stale = [ask(GATEWAY, "GET", "/stale/x") for _ in range(40)]
        known = [answer for answer in stale if answer.status == 200]
        check(known, "no stale answer")  # copies are kept per worker, and connections fall on any
        check_equal((known[0].json(), known[0].get("Flotilla-Fallback")), ({"number": 2}, "stale"), "stale")
        check_problem(ask(GATEWAY, "GET", "/stale/never-asked"), 502, "connect-failure")
        other = ask(GATEWAY, "GET", "/replaced/x")
        check_equal((other.status, other.json()["service"], other.json()["target"]), (200, "order-service", "/replaced/x"), "service")
        check(flotilla.metric("flotilla_fallback_total", service="answering", kind="respond") == 1, "it is not counted")
    finally:
        services[4].open()


if __name__ == "__main__":
    names = ("user-service", "order-service", "payment-service", "narrow", "dying")
    backends = [Backend(FIRST + i, name) for i, name in enumerate(names)]
    try:
        with Flotilla(CONFIG, ADMIN) as program:
            code = main(backends, program)
    finally:
        for backend in backends:
            backend.stop()
    sys.exit(code)
