"""The queue for later of two programs over one PostgreSQL: what queue_kill.py checks, through changes of who runs the queue.

Clients send numbered charges to the gateways of both programs, for a service that goes and comes back, while programs are
killed, asked to end, or stopped for longer than their leases last and then continued, and the database is restarted as after
a crash. Whatever was answered "pending", by whichever program, must have been carried out or be a dead letter in the end, once,
and the calls of a key that waited, and surely were not sent before, in their order.

    python3 tests/e2e/queue_kill_postgres.py --kills 60 --seed 7      ctest runs 5
"""
import asyncio
import random
import sys

import kill_kit
import queue_kill
from kit import PATIENCE, check
from queue_kill import CLIENTS, Service, charge, items, judge

APIS, ADMINS, GATEWAYS, SERVICE = (22830, 22833), (22831, 22834), (22832, 22835), 22836

def config(which, url):
    return queue_kill.config(url, APIS[which], ADMINS[which], GATEWAYS[which], SERVICE)


async def run(programs, database, kills, seed):
    service, ended = Service(seed, SERVICE), asyncio.Event()
    book = {"pending": [], "straight": [], "unknown": set()}
    await service.come()
    charging = [asyncio.create_task(charge(f"c{n}", seed, ended, book, GATEWAYS)) for n in range(CLIENTS)]
    moving = asyncio.create_task(service.come_and_go(ended))
    await kill_kit.beside(kill_kit.disturb(programs, database, kills, random.Random(seed)), charging)
    ended.set()
    await asyncio.gather(*charging, moving)
    service.healed = True
    least, deadline = None, 0.0
    while True:
        waiting = await items("pending", APIS[0]) + await items("sending", APIS[1])
        if not waiting:
            break
        if least is None or len(waiting) < least:  # however many there are: it goes on
            least, deadline = len(waiting), asyncio.get_running_loop().time() + PATIENCE * 2
        check(asyncio.get_running_loop().time() < deadline,
              f"{len(waiting)} calls still wait: {waiting[:3]}\n{programs[0].said()[-2000:]}\n{programs[1].said()[-2000:]}")
        await asyncio.sleep(0.2)
    done, dead = await items("done", APIS[0]), await items("dead", APIS[1])
    await service.go()
    # One with a key may have been tried before it waited, by a program that did not know yet that others of its key wait.
    judge(book, service, done, dead, ordered=lambda number: number % 2 == 1)
    check(len(book["pending"]) > 3 * kills, f"only {len(book['pending'])} calls waited")
    states = [program.admin("GET", "/api/v1/queues").json()["items"][0]["state"] for program in programs]
    check(sorted(states) == ["elsewhere", "running"], f"one of them runs it: {states}")
    print(f"{len(book['pending'])} calls were pending and {len(book['straight'])} went straight through {kills} kills and the like; "
          f"{len(done)} done, {len(dead)} dead letters; {service.arrivals} arrivals, {len(service.effects)} effects")


def trial(kills, seed):
    with kill_kit.two_over_postgres(config, ADMINS) as (programs, database):
        asyncio.run(run(programs, database, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 5, trial))
