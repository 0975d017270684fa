"""Choreographies of two programs over one PostgreSQL, through kills and changes of owner: what choreographies_kill.py checks, from both.

Publishers publish orders at either program whose payments come in time, late or never, while programs are killed, asked to end, or
stopped for longer than their leases last and then continued, and the database is restarted as after a crash. In the end each picture, from
either program, must be what a second opinion says of the order's events; each wait that is still open must have been told exactly once, no
wait twice, and none before it was due.

    python3 tests/e2e/choreographies_kill_postgres.py --kills 60 --seed 7      ctest runs 2
"""
import asyncio
import json
import random
import sys

import choreographies_kill as alone
import kill_kit
from kit import PATIENCE, SLOWDOWN, AsyncClient, Failed, check, check_equal

APIS, ADMINS = (22860, 22862), (22861, 22863)
PUBLISHERS = 4


def config(which, url):
    return alone.config("noted", APIS[which], ADMINS[which], url)


class Publisher:
    def __init__(self, name, seed):
        self.name, self.rng = name, random.Random(f"{seed}/{name}")
        self.clients = [AsyncClient(api) for api in APIS]

    async def publish(self, topic, order, number, cause):
        """At either, the same again until it is acknowledged."""
        fields = (f"ce-id: {order}-{number}\r\nce-source: /test\r\nContent-Type: application/json\r\n"
                  f"Correlation-Id: k-{order}\r\nCausation-Id: {cause}\r\n")
        while True:
            try:
                status, answer, _ = await asyncio.wait_for(
                    self.rng.choice(self.clients).request("POST", f"/v1/topics/{topic}", json.dumps({"order": order}).encode(), fields),
                    15 * SLOWDOWN)
            except (ConnectionError, asyncio.TimeoutError):  # killed, or stopped
                self.clients = [AsyncClient(api) for api in APIS]
                await asyncio.sleep(0.02)
                continue
            if status == 202:
                return
            check_equal(status, 503, f"status: {answer.body}")
            await asyncio.sleep(0.05)

    async def run(self, ended):
        number = 0
        while not ended.is_set():
            order, cause = f"{self.name}.{number}", f"{self.name}.{number}-0"
            number += 1
            for step, topic in enumerate(self.rng.choice(alone.FLOWS)):
                await self.publish(topic, order, step, cause)
                cause = f"{order}-{step}"
                await asyncio.sleep(self.rng.choice([0, 0.02, 0.1, 0.6]))


async def agreed(api, deadline):
    """What the judge says, once it finds nothing; until all shards have an owner again some things are refused."""
    while True:
        try:
            return await alone.judge(["noted"], api)
        except Failed:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.5)


async def run(programs, database, kills, seed):
    ended, publishers = asyncio.Event(), [Publisher(f"p{number}", seed) for number in range(PUBLISHERS)]
    publishing = [asyncio.create_task(each.run(ended)) for each in publishers]
    await kill_kit.beside(kill_kit.disturb(programs, database, kills, random.Random(seed), pauses=(0.3, 1, 3)), publishing)
    ended.set()
    await asyncio.gather(*publishing)
    deadline = asyncio.get_running_loop().time() + PATIENCE
    orders, alerts = await agreed(APIS[0], deadline)
    check_equal(await agreed(APIS[1], deadline), (orders, alerts), "orders and alerts, as the other program says")
    check(orders > kills and alerts > kills, f"only {orders} orders and {alerts} alerts")
    print(f"{orders} orders and {alerts} alerts through {kills} kills and the like")


def trial(kills, seed):
    with kill_kit.two_over_postgres(config, ADMINS) as (programs, database):
        asyncio.run(run(programs, database, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 2, trial))
