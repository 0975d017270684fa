#!/usr/bin/env python3
"""Every sequence of up to four requests of one step, through barrier.py."""

import itertools
import sqlite3
import unittest

from barrier import Barrier, read_key

STEP = "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-2"


class Killed(Exception):
    pass


class BarrierTest(unittest.TestCase):
    def setUp(self):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("CREATE TABLE effects (op TEXT)")
        self.barrier = Barrier(self.connection)

    def tearDown(self):
        self.connection.close()

    def request(self, op, way):
        def effect():
            if way == "refuses":
                return 402, None
            self.connection.execute("INSERT INTO effects VALUES (?)", (op,))
            if way == "dies":
                raise Killed
            return 200, "did " + op

        try:
            return self.barrier.run(f'"{STEP}-{op}-mac"', effect)
        except Killed:
            return None

    def count(self, op):
        return self.connection.execute("SELECT count(*) FROM effects WHERE op = ?", (op,)).fetchone()[0]

    def test_holds_in_every_order(self):
        kinds = list(itertools.product("ac", ["commits", "refuses", "dies"]))
        for length in range(1, 5):
            for requests in itertools.product(kinds, repeat=length):
                with self.subTest(requests=requests):
                    self.play(requests)
                self.connection.execute("DELETE FROM effects")
                self.connection.execute("DELETE FROM saga_barrier")

    def play(self, requests):
        acted = undone = refused = False
        for op, way in requests:
            answer = self.request(op, way)
            if answer is None:
                self.assertEqual(way, "dies")
            elif op == "a":
                said_no = answer[1]["Saga-Outcome"] == "refused"
                if acted:
                    self.assertEqual(answer[2], "did a")
                elif undone or refused:
                    self.assertTrue(said_no)
                acted |= not said_no
                refused |= said_no
            elif answer[1]["Saga-Outcome"] == "refused":
                self.assertEqual(way, "refuses")
            else:
                self.assertEqual(answer[1]["Saga-Outcome"], "ok" if acted else "null-undo")
                undone = True
            self.assertLessEqual(self.count("a"), 1)
            self.assertLessEqual(self.count("c"), self.count("a"))
            if undone:
                self.assertEqual(self.count("a"), self.count("c"))

    def test_reads_keys(self):
        self.assertEqual(read_key(f'"{STEP}-c-x1"'), (STEP, "c"))
        for other in ["", "k-1", STEP, STEP + "-b-x", STEP + "-a-"]:
            self.assertIsNone(read_key(other))


if __name__ == "__main__":
    unittest.main()
