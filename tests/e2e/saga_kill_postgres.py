"""Durable sagas of two programs over one PostgreSQL: nothing acknowledged is lost, and a loser neither writes nor sends.

Two programs share a database that syncs what it commits; clients submit sagas at both, over services that keep a
ledger (ledger.py) and fail in every way they can. Meanwhile either program is killed, asked to end, or stopped for
longer than its leases last and then continued; and the database is restarted as after a crash. In the end everything
must come to rest, and beside the rules of saga_history these are judged: after the first request of a new owner of a
saga none of an owner before arrives, and no record of an owner before follows one of its own (I14).

    python3 tests/e2e/saga_kill_postgres.py --kills 200 --seed 7      ctest runs 6
"""
import asyncio
import random
import sys

import kill_kit
import saga_load
from kill_kit import AS_IT_STARTS, ASKED, LEASE, RESTARTED, STOPPED
from kit import AsyncClient, check
from saga_history import a_loser_sends_nothing, a_loser_writes_nothing
from saga_trial import Ledger, conclude, get, say

APIS, ADMINS, LEDGER = (22020, 22022), (22021, 22023), 22030
WAYS = {"killed": 40, AS_IT_STARTS: 10, ASKED: 10, STOPPED: 25, RESTARTED: 15}


# --- trouble --------------------------------------------------------------------------------------------

async def disturb(programs, database, clients, kills, rng):
    """Now and then it stays quiet for long enough that shards are taken over."""
    def tell(text):
        say(f"{text}; {clients.acknowledged} sagas acknowledged, {len(clients.final)} seen to end")

    await kill_kit.disturb(programs, database, kills, rng, WAYS, (0.5, 2, 2, LEASE + 3), tell=tell)


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


def config(which, url):
    return saga_load.file(APIS[which], ADMINS[which], LEDGER, url)


def trial(kills, seed):
    with Ledger(LEDGER) as ledger, kill_kit.two_over_postgres(config, ADMINS) as (programs, database):
        asyncio.run(run(programs, database, ledger, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 6, trial))
