"""Copies of views in Redis: read by a stock client as the pattern guide does, and right whatever happens to Redis."""
import json
import re
import subprocess
import sys

import redis_server
from kit import PROGRAM, Flotilla, ask, case, check, check_equal, main, wait_until

redis_server.needed()

ADMIN, API, REDIS, LOCKED = 22930, 22931, 22932, 22933

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ views: "redis://127.0.0.1:{REDIS}/0" }}
views:
  user_orders:
    from: [order.created, order.dropped]
    key: .user_id
    row: .order_id
    fold: 'if $event.type == "order.dropped" then null else (. // {{}}) + $data end'
    cache: 1h
  spent:
    from: [order.created]
    key: .user_id
    fold: '(. // 0) + $data.total'
    cache: 1s
"""

JSON = [("Content-Type", "application/json")]
MARKER = "@flotilla/copies/user_orders"

# The query side of the pattern guide, as it stands there.
redis = redis_server.RedisServer(REDIS)
SERVER, redis = redis, redis.client()


class OrderQuery:
    def get_user_orders(self, user_id):
        # Fast read from cache
        return json.loads(redis.get(f"user_orders:{user_id}"))


published = []  # positions


def publish(topic, data):
    answer = ask(API, "POST", f"/v1/topics/{topic}", JSON, json.dumps(data).encode())
    check_equal(answer.status, 202, f"status: {answer.body}")
    published.append(answer.get("Position"))
    return published[-1]


def order(user, number, total=1.5):
    return {"user_id": user, "order_id": number, "total": total}


def read(target, after=None):
    return ask(API, "GET", f"/v1/views/{target}", [("Read-After", after)] if after else [])


def shown(flotilla, view="user_orders"):
    return flotilla.admin("GET", f"/api/v1/views/{view}").json()


def complete(flotilla, view="user_orders"):
    wait_until(lambda: shown(flotilla, view)["copies"]["state"] == "complete", f"copies of {view} are complete")


def copies_are_the_view(flotilla, view="user_orders"):
    """Each answer of the view, which has all that was published, is in Redis, byte for byte, and nothing else is."""
    check_equal(read(f"{view}?limit=1&wait=10s", published[-1]).status, 200, "the view has all")
    complete(flotilla, view)
    keys = {item["key"] for item in read(f"{view}?limit=1000").json()["items"]}
    found = {key.decode().split(":", 1)[1] for key in redis.scan_iter(f"{view}:*")}
    check_equal(found, keys, f"keys of {view} in Redis")
    for key in keys:
        check_equal(redis.get(f"{view}:{key}"), read(f"{view}/{key}").body, f"the copy of {key}")
    return len(keys)


def metric(flotilla, name, view="user_orders"):
    return flotilla.metric(f"flotilla_view_copies_{name}", view=view)


@case
def the_pattern_guides_reader_finds_what_was_folded(flotilla):
    for number in range(5):
        publish("order.created", order("ann", number))
    publish("order.created", order("bob", 1))
    wait_until(lambda: redis.get("user_orders:ann") and len(OrderQuery().get_user_orders("ann")) == 5, "the copy is there")
    check_equal(OrderQuery().get_user_orders("ann"), [order("ann", number) for number in range(5)], "the orders")
    check_equal(copies_are_the_view(flotilla), 2, "copies")
    life = redis.ttl("user_orders:ann")
    check(3200 <= life <= 3600, f"a life of up to a tenth less than an hour: {life} s")


@case
def what_has_nothing_any_more_has_no_copy(flotilla):
    publish("order.dropped", order("bob", 1))
    wait_until(lambda: redis.get("user_orders:bob") is None, "the copy goes")
    copies_are_the_view(flotilla)
    wait_until(lambda: metric(flotilla, "removed_total") >= 1, "the metric")


@case
def an_expired_copy_changes_no_answer_and_comes_back_when_it_is_read(flotilla):
    position = publish("order.created", order("cid", 1))
    check_equal(read("spent/cid?wait=10s", position).json(), 1.5, "the view")
    wait_until(lambda: redis.get("spent:cid") is not None, "the copy is there")
    wait_until(lambda: redis.get("spent:cid") is None, "the copy ends")
    check_equal(read("spent/cid").json(), 1.5, "the view")
    wait_until(lambda: read("spent/cid").status == 200 and redis.get("spent:cid") == b"1.5", "the copy is back")
    wait_until(lambda: metric(flotilla, "offered_total", "spent") >= 1, "the metric")


@case
def a_restart_copies_nothing_that_is_there(flotilla):
    complete(flotilla)
    before = redis.ttl("user_orders:ann")
    flotilla.end()
    flotilla.spawn()
    flotilla.await_ready()
    complete(flotilla)
    check_equal((metric(flotilla, "resyncs_total"), metric(flotilla, "written_total")), (0, 0), "copied anew")
    check(redis.ttl("user_orders:ann") <= before, "the life goes on")


@case
def a_kill_loses_no_copy(flotilla):
    complete(flotilla)
    redis.client_pause(60_000, all=False)  # writes wait, so what is folded now cannot be copied before the kill
    for number in range(50):
        position = publish("order.created", order(f"u{number % 7}", number))
    check_equal(read("user_orders/u0?wait=10s", position).status, 200, "the view has all")
    flotilla.kill()
    redis.client_unpause()
    redis.set("user_orders:stranger", "[]")  # of before, one would think
    flotilla.spawn()
    flotilla.await_ready()
    check_equal(copies_are_the_view(flotilla), 9, "copies")
    check_equal(metric(flotilla, "resyncs_total"), 1, "copied anew")


@case
def an_emptied_redis_is_filled(flotilla):
    complete(flotilla)
    redis.flushall()
    wait_until(lambda: redis.get("user_orders:ann") is not None, "the copies are back")
    copies_are_the_view(flotilla)


@case
def a_redis_that_was_away_has_all_when_it_returns(flotilla):
    SERVER.kill()
    position = publish("order.created", order("dan", 1))
    check_equal(read("user_orders/dan?wait=10s", position).json(), [order("dan", 1)], "the view is read meanwhile")
    wait_until(lambda: shown(flotilla)["copies"]["state"] == "disconnected", "the state")
    SERVER.start()
    check_equal(copies_are_the_view(flotilla), 10, "copies")
    check("no copies are written to redis://" in flotilla.said(), "the log says so")


@case
def a_redis_that_went_back_is_put_right(flotilla):
    complete(flotilla)
    redis.save()
    publish("order.created", order("ann", 100))
    publish("order.dropped", order("dan", 1))
    complete(flotilla)
    SERVER.kill()
    SERVER.start()  # with the copies that were saved
    wait_until(lambda: redis.get("user_orders:dan") is None, "the old copy goes")
    copies_are_the_view(flotilla)


@case
def a_redis_that_kept_all_is_trusted(flotilla):
    complete(flotilla)
    redis.save()
    before = metric(flotilla, "resyncs_total"), metric(flotilla, "claims_total")
    SERVER.kill()
    SERVER.start()
    wait_until(lambda: metric(flotilla, "claims_total") > before[1], "it is connected again")
    copies_are_the_view(flotilla)
    check_equal(metric(flotilla, "resyncs_total"), before[0], "copied anew")


@case
def a_broken_connection_costs_what_was_under_way(flotilla):
    complete(flotilla)
    before = metric(flotilla, "resyncs_total")
    for number in range(200):
        publish("order.created", order(f"u{number % 7}", number))
        if number % 20 == 0:
            redis.client_kill_filter(_type="normal", skipme=True)
    copies_are_the_view(flotilla)
    check_equal(metric(flotilla, "resyncs_total"), before, "copied anew")


@case
def a_full_redis_has_no_copy_rather_than_an_old_one(flotilla):
    complete(flotilla)
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", 1)
    publish("order.created", order("ann", 101))
    wait_until(lambda: redis.get("user_orders:ann") is None, "the old copy goes")
    redis.config_set("maxmemory", 0)
    wait_until(lambda: metric(flotilla, "not_taken_total") >= 1, "the metric")
    publish("order.created", order("ann", 102))
    wait_until(lambda: redis.get("user_orders:ann") is not None, "it has room again")
    copies_are_the_view(flotilla)


@case
def another_fold_reaches_the_copies(flotilla):
    flotilla.file.write_text(CONFIG.replace("key: .user_id\n    row", "key: 'if .user_id == \"ann\" then null else \"v2-\" + .user_id end'\n    row"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    wait_until(lambda: shown(flotilla)["version"] == 2, "the new version is read")
    wait_until(lambda: redis.get("user_orders:u1") is None and redis.get("user_orders:v2-u1") is not None, "the copies follow")
    copies_are_the_view(flotilla)
    flotilla.file.write_text(CONFIG)
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    wait_until(lambda: shown(flotilla)["version"] == 3, "the first fold is read")
    wait_until(lambda: redis.get("user_orders:u1") is not None and redis.get("user_orders:v2-u1") is None, "the copies follow")
    copies_are_the_view(flotilla)


@case
def a_stale_writer_writes_nothing(flotilla):
    """As if a later process of this journal had claimed, while this one slept."""
    complete(flotilla)
    before = redis.get("user_orders:ann")
    redis.hset(MARKER, mapping={"claim": "later", "epoch": 1_000_000})
    publish("order.created", order("ann", 103))
    wait_until(lambda: shown(flotilla)["copies"]["state"] == "superseded", "it gives up")
    check_equal(redis.get("user_orders:ann"), before, "the copy of the later process")
    check_equal(redis.hget(MARKER, "claim"), b"later", "the claim")
    check("a later process of this journal" in flotilla.said(), "the log says why")
    wait_until(lambda: metric(flotilla, "refused_total") >= 1, "the metric")
    redis.delete(MARKER)  # as the log says
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    copies_are_the_view(flotilla)


@case
def the_earlier_of_two_journals_gives_up(flotilla):
    complete(flotilla)
    redis.hset(MARKER, mapping={"claim": "theirs", "journal": "another"})
    wait_until(lambda: shown(flotilla)["copies"]["state"] == "superseded", "it gives up")
    check("another journal" in flotilla.said(), "the log says why")
    flotilla.kill()  # who begins now is the last one
    flotilla.spawn()
    flotilla.await_ready()
    copies_are_the_view(flotilla)


@case
def a_password_is_used_and_never_said(_):
    with redis_server.RedisServer(LOCKED, "--requirepass", "se%ret") as locked:
        admin, api = ADMIN + 10, API + 10
        config = CONFIG.replace(str(ADMIN), str(admin)).replace(f":{API}", f":{api}")
        with Flotilla(config.replace(f"redis://127.0.0.1:{REDIS}/0", f"redis://:wr0ng@127.0.0.1:{LOCKED}/0"), admin) as flotilla:
            wait_until(lambda: "no copies are written" in flotilla.said(), "the log says so")
            check("WRONGPASS" in flotilla.said(), "and why")
            check("wr0ng" not in flotilla.said(), "and nothing more")
        with Flotilla(config.replace(f"redis://127.0.0.1:{REDIS}/0", f"redis://:se%25ret@127.0.0.1:{LOCKED}/3"), admin) as flotilla:
            answer = ask(api, "POST", "/v1/topics/order.created", JSON, json.dumps(order("ann", 1)).encode())
            check_equal(answer.status, 202, "status")
            client = locked.client(password="se%ret", db=3)
            wait_until(lambda: client.get("user_orders:ann") is not None, "the copy is in database 3")
            check(not re.search("se%(25)?ret", flotilla.said()), "the log has no password")


@case
def what_cannot_be_is_said(flotilla):
    def said(text):
        flotilla.file.with_name("other.yaml").write_text(text)
        done = subprocess.run([PROGRAM, "check", str(flotilla.file.with_name("other.yaml"))], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, text = said(CONFIG.replace("redis://", "rediss://:hidden@:"))
    check(code == 1 and "the port is a number" in text and "hidden" not in text, text)
    code, text = said(CONFIG.replace(f"redis://127.0.0.1:{REDIS}/0", "redis://:hidden@host:x/0"))
    check(code == 1 and ":4:" in text and "the port is a number" in text and "hidden" not in text, text)
    code, text = said(CONFIG.replace("cache: 1h", "cache: 1ms"))
    check(code == 1 and ":11:12: " in text and "1s to 30d" in text, text)
    code, text = said(CONFIG.replace("    cache: 1h\n", "").replace("    cache: 1s\n", ""))
    check(code == 0 and "no view has `cache`" in text, text)


if __name__ == "__main__":
    with SERVER, Flotilla(CONFIG, ADMIN) as flotilla_:
        sys.exit(main(flotilla_))
