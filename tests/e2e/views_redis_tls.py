"""Copies of views in a Redis that speaks TLS alone, with a user, a password that no log has, and certificates of both sides."""
import json
import re
import shutil
import subprocess
import sys

import certificates
import redis_server
from kit import PATIENCE, PROGRAM, Failed, Flotilla, ask, case, check, check_equal, main, wait_until

redis_server.needed()
certificates.needed()

ADMIN, API, REDIS = 22690, 22691, 22692
PASSWORD = "p@ss:w/r%d"  # as it is, where it has a key of its own
AUTHORITY, STRANGER = certificates.Authority(), certificates.Authority("stranger")
CA = AUTHORITY.folder / "trusted.pem"  # which is changed
MINE = AUTHORITY.issue("flotilla")
COMMANDS = ["+select", "+script", "+evalsha", "+scan", "+hmget", "+hset", "+hdel", "+set", "+del"]
SECRET = AUTHORITY.folder / "password.txt"
SECRET.write_text(PASSWORD + "\n")


def config(more="", host="127.0.0.1"):
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores:
  views:
    url: rediss://{host}:{REDIS}/3
    user: ${{REDIS_USER}}
    password: ${{file:{SECRET}}}
    ca: {CA}
{more}
views:
  spent: {{ from: [orders], key: .user, fold: '(. // 0) + $data.total', cache: 1h }}
"""


OWN = f"    certificate: {MINE[0]}\n    key: {MINE[1]}"


class TlsRedis(redis_server.RedisServer):
    """Speaks TLS alone; whoever writes copies may do what docs/views.md says, and no more."""

    def __init__(self, authority, asks="no", names="IP:127.0.0.1,DNS:localhost"):
        certificate, key = authority.issue("redis", names)
        self.authority = authority
        super().__init__(0, "--tls-port", str(REDIS), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
                         "--tls-ca-cert-file", str(AUTHORITY.ca), "--tls-auth-clients", asks, "--user",
                         "default", "off", "--user", "admin", "on", ">admin", "~*", "&*", "+@all",
                         "--user", "shop", "on", f">{PASSWORD}", "~spent:*", "~@flotilla/copies/*", *COMMANDS)

    def client(self, **how):
        import redis
        return redis.Redis(host="127.0.0.1", port=REDIS, db=3, username="admin", password="admin", ssl=True,
                           ssl_ca_certs=str(self.authority.ca), ssl_certfile=str(MINE[0]), ssl_keyfile=str(MINE[1]),
                           ssl_check_hostname=False, **how)


def trust(authority):
    shutil.copy(authority.ca, CA)


def flotilla_of(text):
    return Flotilla(text, ADMIN, {"REDIS_USER": "shop"})


def publish(user, total):
    body = json.dumps({"user": user, "total": total}).encode()
    answer = ask(API, "POST", "/v1/topics/orders", [("Content-Type", "application/json")], body)
    check_equal(answer.status, 202, f"status: {answer.body}")


def state(flotilla):
    return flotilla.admin("GET", "/api/v1/views/spent").json()["copies"]["state"]


def await_copy(server, user, total):
    client = server.client()
    wait_until(lambda: client.get(f"spent:{user}") == str(total).encode(), f"the copy of {user} is {total}")


def says_no_password(flotilla):
    said = flotilla.said() + "".join(flotilla.admin("GET", target).body.decode() for target in
                                     ("/api/v1/views", "/api/v1/views/spent", "/metrics"))
    check(not re.search(r"p(@|%40)ss", said), f"the password is said: {said}")


@case
def copies_are_written_over_tls():
    trust(AUTHORITY)
    for host in ("127.0.0.1", "localhost"):
        with TlsRedis(AUTHORITY) as server, flotilla_of(config(host=host)) as flotilla:
            publish("ann", 1)
            await_copy(server, "ann", 1)
            # More than a piece of TLS, both ways.
            for number in range(300):
                publish(f"user-{number}-{'x' * 200}", number)
            wait_until(lambda server=server: len(list(server.client().scan_iter("spent:*"))) == 301, "all are copied")
            wait_until(lambda flotilla=flotilla: state(flotilla) == "complete", "the state")
            server.kill()
            publish("ann", 2)
            wait_until(lambda flotilla=flotilla: state(flotilla) == "disconnected", "the state")
            server.start()
            await_copy(server, "ann", 3)
            check(f"rediss://{host}:{REDIS}/3" in flotilla.said(), "the log says where")
            says_no_password(flotilla)


@case
def a_server_that_is_not_trusted_gets_nothing():
    """Until its authority is; the file counts from the next connection on."""
    trust(AUTHORITY)
    with TlsRedis(STRANGER) as server, flotilla_of(config()) as flotilla:
        publish("ann", 1)
        wait_until(lambda: "its certificate is not trusted as that of 127.0.0.1" in flotilla.said(), "the log says why")
        check_equal(state(flotilla), "disconnected", "the state")
        check_equal(server.client().dbsize(), 0, "keys")
        log = server.client().acl_log()
        check_equal(log, [], "nobody has tried to log in")
        trust(STRANGER)
        await_copy(server, "ann", 1)
        says_no_password(flotilla)


@case
def a_name_that_the_certificate_has_not_is_refused():
    trust(AUTHORITY)
    with TlsRedis(AUTHORITY, names="DNS:elsewhere,IP:127.0.0.2") as server, flotilla_of(config()) as flotilla:
        publish("ann", 1)
        wait_until(lambda: "IP address mismatch" in flotilla.said(), "the log says why")
        check_equal(server.client().dbsize(), 0, "keys")


@case
def a_server_that_asks_for_a_certificate_gets_it():
    trust(AUTHORITY)
    with TlsRedis(AUTHORITY, asks="yes") as server:
        with flotilla_of(config(OWN)) as flotilla:
            publish("ann", 1)
            await_copy(server, "ann", 1)
            says_no_password(flotilla)
        with flotilla_of(config()) as flotilla:
            wait_until(lambda: "certificate required" in flotilla.said(), "the log says what it wants")
            says_no_password(flotilla)


@case
def a_server_without_tls_is_found_out():
    """It waits for the end of what it takes for a command, so that takes as long as a reply may take."""
    trust(AUTHORITY)
    with redis_server.RedisServer(REDIS), flotilla_of(config()) as flotilla:
        wait_until(lambda: "no copies are written" in flotilla.said(), "the log says so", PATIENCE * 3)
        says_no_password(flotilla)


@case
def a_wrong_password_is_not_said_either():
    trust(AUTHORITY)
    with TlsRedis(AUTHORITY), flotilla_of(config().replace(f"${{file:{SECRET}}}", "p@ss-wr0ng")) as flotilla:
        wait_until(lambda: "WRONGPASS" in flotilla.said(), "the log says why")
        check("p@ss" not in flotilla.said(), "and nothing more")


@case
def a_file_that_is_missing_ends_the_start():
    trust(AUTHORITY)
    try:
        with flotilla_of(config().replace(f"ca: {CA}", "ca: none.pem")):
            check(False, "it came up")
    except Failed as error:
        check("stores.views: the file of trusted certificates" in str(error) and "none.pem' cannot be used" in str(error), str(error))
        check("p@ss" not in str(error), "no password is said")


@case
def check_knows_the_mapping():
    trust(AUTHORITY)
    file = AUTHORITY.folder / "flotilla.yaml"
    file.write_text(config(OWN).replace("${REDIS_USER}", "shop"))
    done = subprocess.run([PROGRAM, "check", str(file)], capture_output=True, text=True)
    check_equal(done.returncode, 0, done.stderr)
    check("p@ss" not in done.stdout + done.stderr, "no password is said")


if __name__ == "__main__":
    with AUTHORITY, STRANGER:
        sys.exit(main())
