"""The same as views_kill.py with copies in Redis, where Redis is killed, emptied and disconnected, too.

A copy never goes back: the totals of a publisher, read in Redis by a stock client all the while, only grow (nothing is put
back from a snapshot here). In the end each copy is what the view answers, byte for byte, and there is no other.

    python3 tests/e2e/views_redis_kill.py --kills 100 --seed 7      ctest runs 6
"""
import argparse
import asyncio
import random
import sys

import redis_server
import views_kill
from kit import PATIENCE, Failed, Flotilla, ask, check, check_equal, wait_until

redis_server.needed()
import redis  # noqa: E402

views_kill.API, views_kill.ADMIN = 22686, 22687
REDIS = 22688
plain = views_kill.config
DONE = {"harms": 0, "copies": 0}


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
            server.client().delete(rng.choice(keys))
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


def compare(server, flotilla):
    client = server.client()
    for view in ("rows", "totals"):
        wait_until(lambda view=view: flotilla.admin("GET", f"/api/v1/views/{view}").json()["copies"]["state"] == "complete",
                   f"copies of {view} are complete", PATIENCE * 3)
        keys = {f"p{n}" for n in range(views_kill.PUBLISHERS)}
        wanted = {}
        for key in keys:
            answer = ask(views_kill.API, "GET", f"/v1/views/{view}/{key}")
            if answer.status == 200:
                wanted[f"{view}:{key}".encode()] = answer.body
        # One that was deleted by hand is missed by nobody until it changes or is read.
        got = {key: client.get(key) for key in client.scan_iter(f"{view}:*")}
        check(set(got) <= set(wanted), f"C2: copies of nothing: {set(got) - set(wanted)}")
        for key, copy in got.items():
            check_equal(copy, wanted[key], f"C2: the copy {key}")
        if view == "totals":
            check_equal(set(got), set(wanted), "C2: keys")


async def run(server, flotilla, kills, seed):
    ended = asyncio.Event()
    beside = [asyncio.create_task(harm_often(server, ended, random.Random(seed + 1))),
              asyncio.create_task(watch(server, ended))]
    working = asyncio.create_task(views_kill.run(flotilla, kills, seed))
    await asyncio.wait([working, *beside], return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    await asyncio.gather(*beside)
    await working
    await asyncio.to_thread(compare, server, flotilla)
    check(DONE["copies"] > 10 * kills, f"only {DONE['copies']} copies were seen")
    print(f"{DONE['harms']} times Redis was harmed, {DONE['copies']} copies seen")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=6)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = arguments.parse_args()
    print(f"views_redis_kill --kills {options.kills} --seed {options.seed}", flush=True)
    try:
        with redis_server.RedisServer(REDIS) as server, Flotilla(config("first"), views_kill.ADMIN) as flotilla:
            asyncio.run(run(server, flotilla, options.kills, options.seed))
    except Failed as error:
        print(f"FAILED  {error}")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
