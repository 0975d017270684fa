"""The same as views_kill.py with copies in Redis, where Redis is killed, emptied and disconnected, too.

A copy never goes back: the totals of a publisher, read in Redis by a stock client all the while, only grow (nothing is put
back from a snapshot here). In the end each copy is what the view answers, byte for byte, and there is no other.

    python3 tests/e2e/views_redis_kill.py --kills 100 --seed 7      ctest runs 6
"""
import asyncio
import random
import sys

import kill_kit
import redis_server
import views_kill
from kit import PATIENCE, Failed, Flotilla, ask, check, wait_until

redis_server.needed()
import redis  # noqa: E402

views_kill.API, views_kill.ADMIN = 22686, 22687
REDIS = 22688
plain = views_kill.config
DONE = {"harms": 0, "copies": 0}
DELETED = set()  # by hand


def config(fold):
    text = plain(fold).replace("stores: {", f'stores: {{ views: "redis://127.0.0.1:{REDIS}", ')
    return text.replace("key: .user,", "cache: 1h, key: .user,")


views_kill.config = config


def harm(server, rng):
    turn = rng.randrange(4)
    if turn == 0:
        server.kill()
        server.start()
    elif turn == 1:
        server.client().flushall()
    elif turn == 2:
        server.client().client_kill_filter(_type="normal", skipme=True)
    else:
        keys = list(server.client().scan_iter("rows:*"))
        if keys:
            DELETED.add(rng.choice(keys))
            server.client().delete(*DELETED)
    DONE["harms"] += 1


async def harm_often(server, ended, rng):
    while not ended.is_set():
        await asyncio.sleep(0.1 + rng.random() * 0.6)
        await asyncio.to_thread(harm, server, rng)


async def watch(server, ended):
    """C1. A copy that is not there says nothing."""
    newest, client = {}, server.client()
    while not ended.is_set():
        for n in range(views_kill.PUBLISHERS):
            try:
                copy = await asyncio.to_thread(client.get, f"totals:p{n}")
            except redis.RedisError:
                continue
            if copy is not None:
                check(int(copy) >= newest.get(n, 0), f"C1: the copy of p{n} goes from {newest.get(n)} to {copy}")
                newest[n] = int(copy)
                DONE["copies"] += 1
        await asyncio.sleep(0.01)


def difference(client, flotilla, api, view):
    """What is wrong with the copies of a view that this process runs; empty: nothing."""
    if flotilla.admin("GET", f"/api/v1/views/{view}").json()["copies"]["state"] != "complete":
        return "they are not complete"
    wanted = {}
    for key in (f"p{n}" for n in range(views_kill.PUBLISHERS)):
        answer = ask(api, "GET", f"/v1/views/{view}/{key}")
        if answer.status == 200:
            wanted[f"{view}:{key}".encode()] = answer.body
    got = {key: client.get(key) for key in client.scan_iter(f"{view}:*")}
    wrong = {key: (copy, wanted.get(key)) for key, copy in got.items() if copy != wanted.get(key)}
    # One that was deleted by hand is missed by nobody until it changes, or is read a minute later.
    missing = set(wanted) - set(got) - DELETED
    return f"wrong are {wrong}, missing {missing}" if wrong or missing else ""


def compare(server, flotilla, api, views=("rows", "totals")):
    """C2. That Redis was emptied is noticed within a second; so it may take a moment yet."""
    client, last = server.client(), {}
    for view in views:
        def right(view=view):
            last[view] = difference(client, flotilla, api, view)
            return not last[view]

        try:
            wait_until(right, f"the copies of {view} are the view", PATIENCE * 3)
        except Failed:
            raise Failed(f"C2: copies of {view}: {last[view]}") from None


async def run(server, flotilla, kills, seed):
    ended = asyncio.Event()
    beside = [asyncio.create_task(harm_often(server, ended, random.Random(seed + 1))),
              asyncio.create_task(watch(server, ended))]
    working = asyncio.create_task(views_kill.run(flotilla, kills, seed))
    await asyncio.wait([working, *beside], return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    await asyncio.gather(*beside)
    await working
    await asyncio.to_thread(compare, server, flotilla, views_kill.API)
    check(DONE["copies"] > 10 * kills, f"only {DONE['copies']} copies were seen")
    print(f"{DONE['harms']} times Redis was harmed, {DONE['copies']} copies seen")


def trial(kills, seed):
    with redis_server.RedisServer(REDIS) as server, Flotilla(config("first"), views_kill.ADMIN) as flotilla:
        asyncio.run(run(server, flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 6, trial))
