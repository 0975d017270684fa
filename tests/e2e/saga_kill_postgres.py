"""Durable sagas of two programs over one PostgreSQL: nothing acknowledged is lost, and a loser neither writes nor sends.

Two programs share a database that syncs what it commits; clients submit sagas at both, over services that keep a
ledger (ledger.py) and fail in every way they can. Meanwhile either program is killed, asked to end, or stopped for
longer than its leases last and then continued; and the database is restarted as after a crash. In the end everything
must come to rest, and beside the rules of saga_history these are judged: after the first request of a new owner of a
saga none of an owner before arrives, and no record of an owner before follows one of its own (I14).

    python3 tests/e2e/saga_kill_postgres.py --kills 200 --seed 7      ctest runs 6
"""
import argparse
import asyncio
import random
import signal
import sys

import saga_load
import server_of_postgres as postgres
from kit import SLOWDOWN, AsyncClient, Failed, Flotilla, check
from saga_history import a_loser_sends_nothing, a_loser_writes_nothing
from saga_trial import Ledger, conclude, get, say

APIS, ADMINS, LEDGER = (22020, 22022), (22021, 22023), 22030
LEASE = 10.0  # seconds
WAYS = {"killed": 40, "killed as it starts": 10, "asked to end": 10, "stopped past its lease": 25, "database restarted": 15}


# --- trouble --------------------------------------------------------------------------------------------

async def disturb(programs, database, clients, kills, rng):
    """Every moment is drawn from the seed. Now and then it stays quiet for long enough that shards are taken over."""
    for number in range(1, kills + 1):
        way = "stopped past its lease" if number == 2 else rng.choices(list(WAYS), list(WAYS.values()))[0]
        which = rng.randrange(2)
        flotilla = programs[which]
        delay = rng.random() * rng.choice([0.5, 2, 2, LEASE + 3]) * SLOWDOWN
        if way == "killed as it starts":
            delay = rng.random() * 0.5
        else:
            for program in programs:
                await asyncio.to_thread(program.await_ready)
        await asyncio.sleep(delay)
        for program in programs:
            check(program.process.poll() is None,
                  f"the program ended by itself, with {program.process.returncode}:\n{program.said()[-3000:]}")
        if way == "database restarted":
            await asyncio.to_thread(database.restart)
        elif way == "stopped past its lease":
            flotilla.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE + 1 + rng.random() * 4)
            flotilla.process.send_signal(signal.SIGCONT)
        elif way == "asked to end":
            flotilla.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(flotilla.process.wait, 30 * SLOWDOWN)
            check(code == 0, f"asked to end, the program ended with {code}:\n{flotilla.said()[-3000:]}")
            flotilla.spawn()
        else:
            await asyncio.to_thread(flotilla.kill)
            flotilla.spawn()
        say(f"{number}: {'' if way.startswith('database') else 'AB'[which] + ' '}{way}, after {delay:.1f} s; "
            f"{clients.acknowledged} sagas acknowledged, {len(clients.final)} seen to end")
    for program in programs:
        await asyncio.to_thread(program.await_ready)


async def under_load(programs, database, clients, kills, rng):
    load = asyncio.create_task(clients.run())
    trouble = asyncio.create_task(disturb(programs, database, clients, kills, rng))
    done, _ = await asyncio.wait({load, trouble}, return_when=asyncio.FIRST_COMPLETED)
    clients.ended.set()
    if load in done:
        trouble.cancel()
    await asyncio.gather(load, trouble)


# --- at the end -----------------------------------------------------------------------------------------

async def read_records(views):
    """What the journal has of every saga."""
    http, owners, wrong = AsyncClient(APIS[1]), 0, []
    for id_ in views:
        timeline = (await get(http, f"/v1/sagas/{id_}?timeline=true"))["timeline"]
        wrong += [f"{id_}: {text}" for text in a_loser_writes_nothing(timeline)]
        owners += timeline[0]["epoch"] != timeline[-1]["epoch"]
    http.close()
    check(not wrong, f"{len(wrong)} of the journal: {wrong[:5]}")
    say(f"{owners} of {len(views)} sagas were written by several owners, each after the other")
    check(owners, "no saga changed its owner: the test shows little")


async def run(programs, database, ledger, kills, seed):
    rng = random.Random(seed)
    clients = saga_load.Clients(APIS, seed)
    await under_load(programs, database, clients, kills, rng)
    views = await conclude("saga_kill_postgres", programs[0], ledger, clients, rng, seed, (a_loser_sends_nothing,), database.outages)
    await read_records(views)
    for name, program in zip("AB", programs):
        say(f"{name}: {program.metric('flotilla_journal_shards_owned'):.0f} shards, "
            f"{program.metric('flotilla_journal_takeovers_total'):.0f} taken over and "
            f"{program.metric('flotilla_journal_lease_losses_total'):.0f} lost since it started")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=6)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = arguments.parse_args()
    print(f"saga_kill_postgres --kills {options.kills} --seed {options.seed}", flush=True)
    if not postgres.is_there():
        print("SKIPPED: no PostgreSQL is installed (Debian: apt-get install postgresql)")
        return 77
    try:
        with postgres.Postgres() as database, Ledger(LEDGER) as ledger:
            files = [saga_load.file(api, admin, LEDGER, database.url) for api, admin in zip(APIS, ADMINS)]
            with Flotilla(files[0], ADMINS[0]) as first, Flotilla(files[1], ADMINS[1]) as second:
                asyncio.run(run((first, second), database, ledger, options.kills, options.seed))
    except Failed as error:
        print(f"FAILED  {error}")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
