"""The ledger services themselves: each grade does what its name says, and each fault does what it is called."""
import asyncio
import json
import unittest

from ledger import Ledger, Server, parse, post, read_request

SAGA = "01JZ6X0000000000000000000A"


def fields(key, saga=SAGA, step="charge", op="action", epoch=1):
    return {"idempotency-key": f'"{key}"', "saga-id": saga, "saga-step": step, "saga-op": op, "saga-attempt": f"{epoch}.1"}


def action(grade, does="", order="o1", step="charge", epoch=1):
    body = json.dumps({"order": order, "does": does}).encode()
    return parse(grade, "POST", f"/{step}", fields(f"sg1-{SAGA}-1-a-mac", step=step, epoch=epoch), body)


def undo(grade, does="", order="o1", step="charge"):
    body = json.dumps({"order": order, "does": does}).encode()
    return parse(grade, "POST", f"/{step}/undo", fields(f"sg1-{SAGA}-1-c-mac", step=step, op="undo"), body)


class Services(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()

    def do(self, request):
        """(status, effects of the key so far)"""
        entry = self.ledger.arrive(request)
        return self.ledger.act(request).status, entry.effects

    def test_honest_replays_its_first_answer(self):
        self.assertEqual([self.do(action("honest")) for _ in range(3)], [(200, 1)] * 3)
        self.assertEqual([self.do(undo("honest")) for _ in range(2)], [(200, 1)] * 2)
        self.assertEqual(self.do(action("honest")), (200, 1))  # though it was undone since: a key is used once

    def test_honest_has_no_barrier(self):
        self.assertEqual(self.do(undo("honest")), (200, 0))
        self.assertEqual(self.do(action("honest")), (200, 1))

    def test_barrier_blocks_the_action_whose_undo_came_first(self):
        request = undo("barrier")
        self.ledger.arrive(request)
        self.assertEqual(self.ledger.act(request).outcome, "null-undo")
        self.assertEqual(self.do(action("barrier")), (409, 0))
        self.assertEqual(self.do(undo("barrier")), (200, 0))

    def test_naive_does_what_it_is_asked_as_often_as_it_is_asked(self):
        self.assertEqual([self.do(action("naive")) for _ in range(2)], [(200, 1), (200, 2)])
        self.assertEqual([self.do(undo("naive")) for _ in range(3)], [(200, 1), (200, 2), (404, 2)])

    def test_naive_with_a_unique_index_refuses_the_second(self):
        self.assertEqual([self.do(action("naive", step="bill")) for _ in range(2)], [(200, 1), (409, 1)])
        self.assertEqual(self.do(action("naive", step="bill", order="o2")), (200, 2))

    def test_a_refusal_stays_one_and_is_no_effect(self):
        self.assertEqual([self.do(action("honest", "refuse")) for _ in range(2)], [(402, 0)] * 2)
        self.assertEqual(self.do(undo("honest")), (200, 0))

    def test_what_blocks_stops_blocking_when_healed(self):
        self.assertEqual(self.do(undo("honest", "block"))[0], 402)
        self.assertEqual(self.do(action("honest", "confused"))[0], 501)
        self.ledger.healed = True
        self.assertEqual(self.do(action("honest", "confused")), (200, 1))
        self.assertEqual(self.do(undo("honest", "block")), (200, 1))

    def test_turns_are_taken_one_after_the_other(self):
        turns = []
        for _ in range(3):
            request = action("honest", "slow:5+lose busy")
            self.ledger.arrive(request)
            turns.append(request.turn)
        self.assertEqual(turns, [{"slow": 5, "lose": 0}, {"busy": 0}, {}])

    def test_requests_of_one_key_that_differ_are_kept_apart(self):
        for order in ("o1", "o1", "o2"):
            self.do(action("honest", order=order))
        self.assertEqual(len(next(iter(self.ledger.entries.values())).digests), 2)

    def test_a_word_nobody_knows_is_a_fault_of_the_test(self):
        self.ledger.arrive(action("honest", "looze"))
        self.assertIn("looze", self.ledger.faults[0])

    def test_refuses_requests_no_saga_sends(self):
        good = fields(f"sg1-{SAGA}-1-a-mac")
        for change in ({"idempotency-key": f"sg1-{SAGA}-1-a-mac"}, {"idempotency-key": '"other"'}, {"saga-op": "undo"},
                       {"saga-step": "ship"}, {"saga-id": SAGA[:-1] + "B"}, {"saga-attempt": "1"}, {"saga-seq": "seven"},
                       {"idempotency-key": f'"sg1-{SAGA}-1-c-mac"'}):
            with self.assertRaises(ValueError, msg=str(change)):
                parse("honest", "POST", "/charge", {**good, **change}, b'{"order": "o1"}')


class OverTheWire(unittest.IsolatedAsyncioTestCase):
    PORT = 22090

    async def asyncSetUp(self):
        self.server = Server(Ledger())
        self.running = asyncio.create_task(self.server.run(self.PORT))
        while True:
            try:
                self.streams = await asyncio.open_connection("127.0.0.1", self.PORT)
                break
            except OSError:
                await asyncio.sleep(0.01)

    async def asyncTearDown(self):
        self.streams[1].close()
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def charge(self, does, extra="", own=True):
        """The status line and the head of the answer; None when the connection ended without one."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.PORT) if own else self.streams
        body = json.dumps({"order": "o1", "does": does}).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in fields(f"sg1-{SAGA}-1-a-mac").items())
        writer.write(f"POST /charge HTTP/1.1\r\n{head}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(answer.lower().split("content-length: ")[1].split("\r\n")[0])
            await reader.readexactly(length)
        except asyncio.IncompleteReadError:
            answer = None
        if own:
            writer.close()
        return answer

    def effects(self):
        return sum(entry.effects for entry in self.server.ledger.entries.values())

    async def test_faults_come_in_turn_on_connections_that_stay(self):
        does = "busy error drop lose failed"
        for status, own in ((" 429 ", False), (" 500 ", False), (None, True), (None, True), (" 500 ", False), (" 200 ", False)):
            answer = await self.charge(does, own=own)
            self.assertEqual(answer and status in answer, status and True, (status, answer))
        self.assertEqual(self.effects(), 1)
        self.assertEqual([event[3] for event in self.server.ledger.events if event[0] == "answer"],
                         ["retry", "unknown", "lost", "lost", "unknown", "ok"])

    async def test_a_repeated_request_waits_for_the_first(self):
        first = asyncio.create_task(self.charge("slow:100"))
        second = asyncio.create_task(self.charge("slow:100"))
        self.assertTrue(all(" 200 " in answer for answer in await asyncio.gather(first, second)))
        self.assertEqual(self.effects(), 1)

    async def test_an_effect_comes_though_the_caller_has_left(self):
        asking = asyncio.create_task(self.charge("slow:100"))
        while not self.server.ledger.events:
            await asyncio.sleep(0.01)
        asking.cancel()
        while self.effects() == 0:
            await asyncio.sleep(0.01)

    async def test_accepts_and_calls_back_until_it_is_heard(self):
        heard = asyncio.get_running_loop().create_future()
        calls = 0

        async def listen(reader, writer):
            nonlocal calls
            calls += 1
            request = await read_request(reader)
            if calls > 1:
                writer.write(b"HTTP/1.1 204 OK\r\n\r\n")
                heard.set_result(request)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(listen, "127.0.0.1", self.PORT + 5):
            answer = await self.charge("accept:10", f"Saga-Callback: http://127.0.0.1:{self.PORT + 5}/back/KEY\r\n")
            self.assertIn(" 202 ", answer)
            method, target, headers, _ = await heard
            self.assertEqual((method, target, headers["saga-outcome"]), ("POST", "/back/KEY", "ok"))
        self.assertIn(" 200 ", await self.charge("accept:10"))
        self.assertEqual(self.effects(), 1)

    async def test_accepts_and_can_be_polled(self):
        self.assertIn("Location: /jobs/", await self.charge("poll:10"))
        key = next(iter(self.server.ledger.entries))
        while self.server.job(key)[0] == 202:
            await asyncio.sleep(0.01)
        self.assertEqual((self.server.job(key)[0], self.effects()), (200, 1))
        self.assertEqual(self.server.job("other")[0], 404)

    async def test_shows_everything(self):
        await self.charge("")
        reader, writer = self.streams
        writer.write(b"GET /ledger HTTP/1.1\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        report = json.loads(await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0])))
        (key, entry), = report["entries"].items()
        self.assertEqual((entry["requests"], entry["effects"], len(entry["digests"])), (1, 1, 1))
        self.assertEqual([event[0] for event in report["events"]], ["request", "effect", "answer"])
        self.assertEqual(report["faults"], [])

    async def test_a_callback_nobody_hears_has_no_status(self):
        self.assertIsNone(await post(f"http://127.0.0.1:{self.PORT + 6}/x", {}, b""))


if __name__ == "__main__":
    unittest.main()
