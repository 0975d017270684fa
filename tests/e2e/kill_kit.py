"""What the trials under kill -9 share: their command line, killing one program, and disturbing two that share a PostgreSQL.

A trial works on the program all the while, and judges in the end what must hold. Every moment is drawn from the seed.
"""
import argparse
import asyncio
import contextlib
import json
import pathlib
import random
import signal
import sys
import urllib.parse

import server_of_postgres
from kit import SLOWDOWN, AsyncClient, Failed, Flotilla, check, check_equal

LEASE = 10.0  # seconds: for so long a process owns a shard of a shared journal that it does not renew
AS_IT_STARTS, STOPPED, RESTARTED, ASKED = "killed as it starts", "stopped past its lease", "database restarted", "asked to end"
WAYS = {"killed": 45, ASKED: 10, STOPPED: 25, RESTARTED: 20}


def main(description, kills, trial):
    """Runs trial(kills, seed) as the command line says; the script's exit code."""
    arguments = argparse.ArgumentParser(description=description.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=kills)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = arguments.parse_args()
    print(f"{pathlib.Path(sys.argv[0]).stem} --kills {options.kills} --seed {options.seed}", flush=True)
    failed = ()
    try:
        trial(options.kills, options.seed)
    except* Failed as errors:  # also of a group of tasks
        failed = errors.exceptions
    print(f"FAILED  {failed[0]}" if failed else "ok")
    return 1 if failed else 0


# --- trouble --------------------------------------------------------------------------------------------

def check_alive(*programs):
    for each in programs:
        code = each.process.poll()
        check(code is None, f"the program ended by itself, with {code}:\n{each.said()[-3000:]}")


async def await_ready(*programs):
    for each in programs:
        await asyncio.to_thread(each.await_ready)


async def end_and_spawn(program, patience):
    """Asks it to end, which must leave as little behind as a kill, and starts it again."""
    program.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(program.process.wait, patience * SLOWDOWN)
    check(code == 0, f"asked to end, the program ended with {code}:\n{program.said()[-3000:]}")
    program.spawn()


async def kill_often(flotilla, kills, rng, within, when_ready=None, before=None):
    """Kills it within so many seconds after it was ready, and starts it again. when_ready(number) comes before that time,
    before(number) between it and the kill."""
    for number in range(1, kills + 1):
        await await_ready(flotilla)
        if when_ready is not None:
            await when_ready(number)
        await asyncio.sleep(rng.random() * within * SLOWDOWN)
        check_alive(flotilla)
        if before is not None:
            await before(number)
        await asyncio.to_thread(flotilla.kill)
        print(f"kill {number}", flush=True)
        flotilla.spawn()
    await await_ready(flotilla)


async def disturb(programs, database, kills, rng, ways=WAYS, pauses=(0.3, 1, LEASE + 2), when_ready=None,
                  tell=lambda text: print(text, flush=True)):
    """Two programs, one of them at a time, or their database. Some of the pauses, in seconds, are so long that shards change
    their owners."""
    for number in range(1, kills + 1):
        way = STOPPED if number == 2 else rng.choices(list(ways), list(ways.values()))[0]
        which = rng.randrange(2)
        if way == AS_IT_STARTS:
            delay = rng.random() * 0.5
        else:
            await await_ready(*programs)
            if when_ready is not None:
                await when_ready()
            delay = rng.random() * rng.choice(pauses) * SLOWDOWN
        await asyncio.sleep(delay)
        check_alive(*programs)
        if way == RESTARTED:
            await asyncio.to_thread(database.restart)
        elif way == STOPPED:
            programs[which].process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE + 1 + rng.random() * 4)
            programs[which].process.send_signal(signal.SIGCONT)
        elif way == ASKED:
            await end_and_spawn(programs[which], 30)
        else:
            await asyncio.to_thread(programs[which].kill)
            programs[which].spawn()
        tell(f"{number}: {'' if way == RESTARTED else 'AB'[which] + ' '}{way}, after {delay:.1f} s")
    await await_ready(*programs)


async def beside(trouble, work):
    """Awaits the coroutine `trouble` while the tasks `work` go on; one of these that ends first has found something."""
    troubling = asyncio.create_task(trouble)
    done, _ = await asyncio.wait([troubling, *work], return_when=asyncio.FIRST_COMPLETED)
    if troubling not in done:
        troubling.cancel()
        for task in done:
            task.result()
    return await troubling


@contextlib.contextmanager
def two_over_postgres(config, admins):
    """(programs, database): one of config(0, url), one of config(1, url). Ends the script where there is no PostgreSQL."""
    with server_of_postgres.Postgres(durable=True) as database, \
            Flotilla(config(0, database.url), admins[0]) as first, Flotilla(config(1, database.url), admins[1]) as second:
        yield (first, second), database


# --- work -----------------------------------------------------------------------------------------------

async def publish(client, topic, event, fields):
    """The same again until it is acknowledged; the answer."""
    while True:
        try:
            status, answer, _ = await client.request("POST", f"/v1/topics/{topic}", json.dumps(event).encode(), fields)
        except ConnectionError:
            await asyncio.sleep(0.01)
            continue
        if status == 202:
            return answer
        check_equal(status, 503, f"status: {answer.body}")
        await asyncio.sleep(0.05)


async def get(port, path, fields=""):
    client = AsyncClient(port)
    try:
        status, answer, _ = await client.request("GET", path, b"", fields)
    finally:
        client.close()
    check_equal(status, 200, f"{path}: {answer.body}")
    return answer.json()


async def events_of(port, topic):
    """All of a topic, in their order."""
    events, token = [], "0"
    while True:
        page = await get(port, f"/v1/topics/{topic}?from={token}&limit=1000")
        if not page["events"]:
            return events
        events += page["events"]
        token = page["next"]


async def items_of(port, path):
    """All of a list that is answered in pages; `path` has a query already."""
    items, after = [], ""
    while True:
        page = await get(port, path + after)
        items += page["items"]
        if page["next"] is None:
            return items
        after = "&after=" + urllib.parse.quote(page["next"], safe="")
