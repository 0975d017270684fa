"""Durable sagas of the shipped program under kill -9: nothing acknowledged is lost, nothing is done twice or half.

Clients submit sagas over services that keep a ledger (ledger.py) and fail in every way they can, while the program
is killed at random moments, also while it recovers, and sometimes only stopped for a while. In the end the killing
stops, everything must come to rest, and the rules of saga_history judge what clients, the API and the services saw.
Then the services are healed, an operator leads every suspended saga out, and the rules are asked again.

    python3 tests/e2e/saga_kill.py --kills 200 --seed 7      ctest runs 15
"""
import asyncio
import random
import signal
import sys

import kill_kit
import saga_load
from kit import SLOWDOWN, Flotilla
from saga_trial import Ledger, conclude, say

API, ADMIN, LEDGER = 22000, 22001, 22010


async def kill_often(flotilla, clients, kills, rng):
    """Every moment is drawn from the seed: mostly under load, at times during the start, at times after a pause; and
    now and then it is only asked to end, which must leave as little behind."""
    for number in range(1, kills + 1):
        way = rng.choices(["under load", "while it starts", "after a pause", "asked to end"], [70, 15, 10, 5])[0]
        delay = rng.choice([0.1, 0.5, 1.5]) * rng.random()
        if way == "while it starts":
            delay = rng.random() * 0.2
        else:
            await asyncio.to_thread(flotilla.await_ready)
        await asyncio.sleep(delay * SLOWDOWN)
        kill_kit.check_alive(flotilla)
        if way == "after a pause":
            flotilla.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(rng.random() * 2.5)
            flotilla.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(rng.random() * 0.2)
        if way == "asked to end":
            await kill_kit.end_and_spawn(flotilla, 15)
        else:
            await asyncio.to_thread(flotilla.kill)
            flotilla.spawn()
        say(f"kill {number}, {way}, after {delay * 1000:.0f} ms; {clients.acknowledged} sagas acknowledged, "
            f"{len(clients.final)} seen to end")
    await asyncio.to_thread(flotilla.await_ready)


async def under_load(flotilla, clients, kills, rng):
    load = asyncio.create_task(clients.run())
    killing = asyncio.create_task(kill_often(flotilla, clients, kills, rng))
    done, _ = await asyncio.wait({load, killing}, return_when=asyncio.FIRST_COMPLETED)
    clients.ended.set()
    if load in done:
        killing.cancel()
    await asyncio.gather(load, killing)


async def run(flotilla, ledger, kills, seed):
    rng = random.Random(seed)
    clients = saga_load.Clients([API], seed)
    await under_load(flotilla, clients, kills, rng)
    await conclude("saga_kill", flotilla, ledger, clients, rng, seed)


def trial(kills, seed):
    with Ledger(LEDGER) as ledger, Flotilla(saga_load.file(API, ADMIN, LEDGER, "sqlite:data/sagas.db"), ADMIN) as flotilla:
        asyncio.run(run(flotilla, ledger, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 15, trial))
