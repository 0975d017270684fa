"""The queue for later of two programs over one PostgreSQL: what queue_kill.py checks, through changes of who runs the queue.

Clients send numbered charges to the gateways of both programs, for a service that goes and comes back, while programs are
killed, asked to end, or stopped for longer than their leases last and then continued, and the database is restarted as after
a crash. Whatever was answered "pending", by whichever program, must have been carried out or be a dead letter in the end, once,
and the calls of a key that waited, and surely were not sent before, in their order.

    python3 tests/e2e/queue_kill_postgres.py --kills 60 --seed 7      ctest runs 5
"""
import argparse
import asyncio
import random
import signal
import sys

import server_of_postgres as postgres
from kit import PATIENCE, SLOWDOWN, Failed, Flotilla, check
from queue_kill import CLIENTS, CONFIG, SERVICE, Service, charge, items, judge

APIS, ADMINS, GATEWAYS = (22760, 22763), (22761, 22764), (22762, 22765)
LEASE = 10.0  # seconds
WAYS = {"killed": 45, "asked to end": 10, "stopped past its lease": 25, "database restarted": 20}


def config(which, url):
    text = CONFIG.replace("sqlite:data/queue.db", url)
    for old, new in ((22750, APIS[which]), (22751, ADMINS[which]), (22752, GATEWAYS[which])):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    assert str(SERVICE) in text
    return text


async def disturb(programs, database, kills, rng):
    for number in range(1, kills + 1):
        way = "stopped past its lease" if number == 2 else rng.choices(list(WAYS), list(WAYS.values()))[0]
        which = rng.randrange(2)
        program = programs[which]
        for each in programs:
            await asyncio.to_thread(each.await_ready)
        await asyncio.sleep(rng.random() * rng.choice([0.3, 1, LEASE + 2]) * SLOWDOWN)
        for each in programs:
            check(each.process.poll() is None, f"the program ended by itself:\n{each.said()[-3000:]}")
        if way == "database restarted":
            await asyncio.to_thread(database.restart)
        elif way == "stopped past its lease":
            program.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE + 1 + rng.random() * 3)
            program.process.send_signal(signal.SIGCONT)
        elif way == "asked to end":
            program.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(program.process.wait, 30 * SLOWDOWN)
            check(code == 0, f"asked to end, the program ended with {code}:\n{program.said()[-3000:]}")
            program.spawn()
        else:
            await asyncio.to_thread(program.kill)
            program.spawn()
        print(f"{number}: {'' if way.startswith('database') else 'AB'[which] + ' '}{way}", flush=True)
    for each in programs:
        await asyncio.to_thread(each.await_ready)


async def run(programs, database, kills, seed):
    service, ended = Service(seed), asyncio.Event()
    book = {"pending": [], "straight": [], "unknown": set()}
    await service.come()
    charging = [asyncio.create_task(charge(f"c{n}", seed, ended, book, GATEWAYS)) for n in range(CLIENTS)]
    moving = asyncio.create_task(service.come_and_go(ended))
    disturbing = asyncio.create_task(disturb(programs, database, kills, random.Random(seed)))
    await asyncio.wait([disturbing, *charging], return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    await asyncio.gather(disturbing, *charging, moving)
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


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = arguments.parse_args()
    print(f"queue_kill_postgres --kills {options.kills} --seed {options.seed}", flush=True)
    if not postgres.is_there():
        print("SKIPPED: no PostgreSQL is installed (Debian: apt-get install postgresql)")
        return 77
    try:
        with postgres.Postgres() as database:
            with Flotilla(config(0, database.url), ADMINS[0]) as first, Flotilla(config(1, database.url), ADMINS[1]) as second:
                asyncio.run(run((first, second), database, options.kills, options.seed))
    except Failed as error:
        print(f"FAILED  {error}")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
