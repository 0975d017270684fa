"""Discovery with the stock Consul client, as the pattern guide writes it: what registers is called at once, what
leaves, fails its check or dies is not."""
import asyncio
import sys

import consul

from kit import (SLOWDOWN, AsyncClient, Backend, Flotilla, ask, case, check, check_equal, check_problem, main,
                 wait_until)

GATEWAY, ADMIN, REGISTRY, FIRST = 21200, 21201, 21202, 21210
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
registry: {{ listen: 127.0.0.1:{REGISTRY}, hosts: [flotilla] }}
services:
  user-service: {{ timeout: 2s, retry: {{ attempts: 3, budget: 100% }} }}
  order-service: {{}}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - GET,POST /users/{{id}}: user-service
      - GET /orders/{{id}}: order-service
"""


def register(client, backend, check_it=True, service="user-service", service_id=None):
    client.agent.service.register(
        name=service, service_id=service_id or backend.name, address="127.0.0.1", port=backend.port,
        check=consul.Check.http(f"http://127.0.0.1:{backend.port}/health", interval="1s") if check_it else None)


def passing(client, service="user-service"):
    _, services = client.health.service(service, passing=True)
    return sorted(service["Service"]["ID"] for service in services)


def answering(count=20):
    """Which instances answer through the gateway."""
    return {ask(GATEWAY, "GET", "/users/1").json()["service"] for _ in range(count)}


@case
def nothing_is_registered_yet(client, _):
    check_equal(passing(client), [], "instances")
    check_problem(ask(GATEWAY, "GET", "/users/123"), 503, "no-instance")


@case
def a_client_that_knows_it_by_a_name_of_the_file_is_served(_, __):
    """As from another container: the name leads here, and stands in Host."""
    by_name = consul.Consul(port=REGISTRY)
    by_name.http.session.headers["Host"] = "flotilla:8500"
    check_equal(passing(by_name), [], "instances")
    by_name.http.session.headers["Host"] = "rebound.example:8500"
    try:
        passing(by_name)
    except consul.ACLPermissionDenied as refusal:
        check("rebound.example" in str(refusal), f"it does not say what was wrong: {refusal}")
        return
    check(False, "a Host that the file does not name is served")


@case
def what_registers_is_called_through_the_gateway(client, backends):
    register(client, backends[0])
    # As with Consul, an instance with a check is critical until the check has passed.
    wait_until(lambda: passing(client) == ["user-1"], "the registry shows it as passing", timeout=3 * SLOWDOWN)
    answer = wait_until(lambda: (a := ask(GATEWAY, "GET", "/users/123")).status == 200 and a, "the gateway calls it", 1 * SLOWDOWN)
    check_equal(answer.json(), {"service": "user-1", "method": "GET", "target": "/users/123"}, "the answer")


@case
def what_registers_without_a_check_is_called_at_once(client, backends):
    register(client, backends[1], check_it=False)
    check_equal(passing(client), ["user-1", "user-2"], "instances")
    wait_until(lambda: answering() == {"user-1", "user-2"}, "both are called", timeout=1 * SLOWDOWN)


@case
def the_registry_answers_what_the_guide_reads(client, _):
    _, services = client.health.service("user-service", passing=True)
    first = next(service for service in services if service["Service"]["ID"] == "user-1")
    check_equal((first["Service"]["Address"], first["Service"]["Port"], first["Service"]["Service"]),
                ("127.0.0.1", FIRST, "user-service"), "the service")
    _, catalog = client.catalog.services()
    check("user-service" in catalog, f"the catalog: {catalog}")
    _, nodes = client.catalog.service("user-service")
    check_equal(len(nodes), 2, "instances in the catalog")


@case
def a_blocking_query_returns_when_something_registers(client, backends):
    index, _ = client.health.service("user-service", passing=True)

    async def both():
        waiting = asyncio.to_thread(consul.Consul(port=REGISTRY).health.service, "user-service", index=index, wait="30s")
        task = asyncio.ensure_future(waiting)
        await asyncio.to_thread(register, client, backends[2], False)
        return await asyncio.wait_for(task, 5 * SLOWDOWN)

    later, services = asyncio.run(both())
    check(int(later) > int(index), f"the index does not grow: {index} {later}")
    check_equal(len(services), 3, "instances")


@case
def what_deregisters_is_called_no_more(client, backends):
    wait_until(lambda: answering() == {"user-1", "user-2", "user-3"}, "all three are called")
    client.agent.service.deregister("user-3")
    wait_until(lambda: "user-3" not in answering(), "it is called no more", timeout=2 * SLOWDOWN)
    backends[2].forget()
    check_equal(answering(60), {"user-1", "user-2"}, "who answers")
    check(not backends[2].requests, "it is still called")


@case
def what_fails_its_check_leaves_and_comes_back(client, backends):
    backends[0].health = 503
    wait_until(lambda: passing(client) == ["user-2"], "the failing one leaves the registry")
    wait_until(lambda: answering() == {"user-2"}, "the gateway calls the other", timeout=2 * SLOWDOWN)
    backends[0].health = 200
    wait_until(lambda: passing(client) == ["user-1", "user-2"], "it comes back")
    wait_until(lambda: answering() == {"user-1", "user-2"}, "the gateway calls both", timeout=2 * SLOWDOWN)


def kill_the_first_under_load(client, backends, service, path, callers):
    """How many GETs were answered while the first of `backends` died and came back; fails if one was not."""
    dying, *others = [backend.name for backend in backends]
    counts, faults = dict.fromkeys([dying, *others], 0), []

    async def caller(ended):
        http = AsyncClient(GATEWAY)
        while not ended.is_set():
            status, message, _ = await http.request("GET", path)
            if status == 200:
                counts[message.json()["service"]] += 1
            else:
                faults.append((status, message.get("Flotilla-Error")))
        http.close()

    async def load():
        ended = asyncio.Event()
        running = [asyncio.ensure_future(caller(ended)) for _ in range(callers)]
        await until(lambda: min(counts.values()) > 200)
        await asyncio.to_thread(backends[0].kill)
        await until(lambda: all(dying not in name for name in passing(client, service)))
        more = counts[others[0]] + 200
        await until(lambda: counts[others[0]] > more)
        await asyncio.to_thread(backends[0].open)
        back = counts[dying]
        await until(lambda: counts[dying] > back + 50)
        ended.set()
        await asyncio.gather(*running)

    async def until(condition):
        await asyncio.to_thread(wait_until, condition, "the load gets on")

    asyncio.run(load())
    check(not faults, f"{len(faults)} of {sum(counts.values())} GETs failed: {faults[:5]}")
    return f"{sum(counts.values())} requests"


@case
def killing_one_of_two_under_load_fails_no_get(client, backends):
    """Calls in flight on the dead instance are repeated on the other, as GET may be. All of them at once, which the
    built-in budget (a fifth of the calls in flight, and three) would not allow to the last one."""
    register(client, backends[1])
    wait_until(lambda: passing(client) == ["user-1", "user-2"], "both pass")
    return kill_the_first_under_load(client, backends[:2], "user-service", "/users/1", callers=8)


@case
def killing_one_of_three_under_load_fails_no_get_with_the_defaults(client, backends):
    """Nothing is said about retries: two attempts, and the budget. Of six callers at most the share of one instance is
    in flight there, which the budget allows to repeat at once; whose connection is refused need not ask it."""
    for backend in backends:
        register(client, backend, service="order-service", service_id=f"order-{backend.name}")
    wait_until(lambda: len(passing(client, "order-service")) == 3, "all three pass")
    said = kill_the_first_under_load(client, backends, "order-service", "/orders/1", callers=6)
    for backend in backends:
        client.agent.service.deregister(f"order-{backend.name}")
    return said


@case
def when_the_last_one_dies_nothing_is_sent(client, backends):
    for backend in backends:
        client.agent.service.deregister(backend.name)
    wait_until(lambda: ask(GATEWAY, "GET", "/users/1").get("Flotilla-Error") == "no-instance", "no instance is left", 2 * SLOWDOWN)


if __name__ == "__main__":
    with Backend(FIRST, "user-1") as a, Backend(FIRST + 1, "user-2") as b, Backend(FIRST + 2, "user-3") as c:
        with Flotilla(CONFIG, ADMIN):
            sys.exit(main(consul.Consul(port=REGISTRY), (a, b, c)))
