#!/usr/bin/env python3
"""Deliveries once, again, and killed before their commit, through inbox.py."""

import sqlite3
import unittest

from inbox import Inbox


def delivery(subscription="mail", source="/orders", event="e-1"):
    return {"Event-Subscription": subscription, "ce-source": source, "ce-id": event}


class InboxTest(unittest.TestCase):
    def setUp(self):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("CREATE TABLE effects (n INTEGER)")
        self.inbox = Inbox(self.connection)

    def tearDown(self):
        self.connection.close()

    def effect(self):
        self.connection.execute("INSERT INTO effects VALUES (1)")
        return {"effects": self.effects()}

    def effects(self):
        return self.connection.execute("SELECT count(*) FROM effects").fetchone()[0]

    def test_takes_effect_once_and_answers_the_same(self):
        self.assertEqual(self.inbox.run(delivery(), self.effect), {"effects": 1})
        self.assertEqual(self.inbox.run(delivery(), self.effect), {"effects": 1})
        self.assertEqual(self.effects(), 1)

    def test_knows_events_by_subscription_source_and_id(self):
        for headers in (delivery(), delivery(subscription="bills"), delivery(source="/stock"), delivery(event="e-2")):
            self.inbox.run(headers, self.effect)
        self.assertEqual(self.effects(), 4)

    def test_leaves_nothing_of_what_was_killed(self):
        def dies():
            self.effect()
            raise OSError("killed")

        with self.assertRaises(OSError):
            self.inbox.run(delivery(), dies)
        self.assertEqual(self.effects(), 0)
        self.inbox.run(delivery(), self.effect)
        self.assertEqual(self.effects(), 1)

    def test_forgets(self):
        self.inbox.run(delivery(), self.effect)
        self.assertEqual(self.inbox.forget(), 0)
        self.assertEqual(self.inbox.forget(older_than=-1), 1)


if __name__ == "__main__":
    unittest.main()
