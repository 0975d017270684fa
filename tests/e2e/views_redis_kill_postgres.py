"""The same as views_kill_postgres.py with copies in Redis: two programs over one PostgreSQL, of which whoever runs a view writes its copies.

Beside what views_kill_postgres.py does to the programs and the database, Redis is killed, emptied and disconnected. A copy never
goes back, whichever program wrote it: the totals of a publisher, read in Redis by a stock client all the while, only grow; a
program that was stopped past its lease writes nothing any more. In the end each copy is what the view answers, byte for byte,
and there is no other.

    python3 tests/e2e/views_redis_kill_postgres.py --kills 60 --seed 7      ctest runs 4
"""
import asyncio
import random
import sys

import kill_kit
import redis_server
import views_kill_postgres as programs_kill
import views_redis_kill as copies
from kit import check

APIS, ADMINS, REDIS = (22693, 22695), (22694, 22696), 22697
programs_kill.APIS, programs_kill.ADMINS = APIS, ADMINS
plain = programs_kill.config


def config(which, url, fold="first"):
    text = plain(which, url, fold).replace("stores: {", f'stores: {{ views: "redis://127.0.0.1:{REDIS}",')
    return text.replace("key: .user,", "cache: 1h, key: .user,")


programs_kill.config = config


def compare(server, programs):
    """C2, asked of the program that runs the view."""
    for view in ("rows", "totals"):
        which = next(which for which in (0, 1) if programs[which].admin("GET", f"/api/v1/views/{view}").json()["here"])
        check("copies" in programs[which].admin("GET", f"/api/v1/views/{view}").json(), "it keeps copies")
        copies.compare(server, programs[which], APIS[which], [view])


async def run(server, programs, database, kills, seed):
    ended = asyncio.Event()
    beside = [asyncio.create_task(copies.harm_often(server, ended, random.Random(seed + 1))),
              asyncio.create_task(copies.watch(server, ended))]
    working = asyncio.create_task(programs_kill.run(programs, database, kills, seed))
    await asyncio.wait([working, *beside], return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    await asyncio.gather(*beside)
    await working
    await asyncio.to_thread(compare, server, programs)
    check(copies.DONE["copies"] > 10 * kills, f"only {copies.DONE['copies']} copies were seen")
    handed = sum(each.said().count("written by another process") for each in programs)
    print(f"{copies.DONE['harms']} times Redis was harmed, {copies.DONE['copies']} copies seen, {handed} times a program found that "
          "another one writes them")


def trial(kills, seed):
    with kill_kit.two_over_postgres(config, ADMINS) as (programs, database), redis_server.RedisServer(REDIS) as server:
        asyncio.run(run(server, programs, database, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 4, trial))
