#!/usr/bin/env python3
"""The inbox of docs/outbox.md in Python, over sqlite3 (standard library only).

    inbox = Inbox(connection)                 # isolation_level=None: transactions are ours
    body = inbox.run(request.headers, charge_the_card)

The effect is called inside the transaction, at most once for an event and a subscription as far as it lasts. It returns
the body to answer with 200, which is kept and answered again. An exception rolls everything back, also where the business
refuses: answer 422 (a dead letter), or 503 (it comes again).
"""

import json
import time

TABLE = """
CREATE TABLE IF NOT EXISTS event_inbox (
  subscription TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (subscription, source, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_inbox_at ON event_inbox (at);
"""
WEEK = 7 * 86_400


class Inbox:
    def __init__(self, connection):
        self.connection = connection
        connection.executescript(TABLE)

    def run(self, headers, effect):
        """The body to answer. `headers` of the delivery: a mapping that finds names in any case, or has them as here."""
        key = (headers["Event-Subscription"], headers["ce-source"], headers["ce-id"])
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            answer = self._run(key, effect)
            self.connection.execute("COMMIT")
            return answer
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise

    def _run(self, key, effect):
        first = self.connection.execute("INSERT INTO event_inbox VALUES (?, ?, ?, '', ?) ON CONFLICT DO NOTHING",
                                        (*key, int(time.time() * 1000))).rowcount == 1
        if not first:
            return json.loads(self.connection.execute(
                "SELECT answer FROM event_inbox WHERE subscription = ? AND source = ? AND id = ?", key).fetchone()[0])
        answer = effect()
        self.connection.execute("UPDATE event_inbox SET answer = ? WHERE subscription = ? AND source = ? AND id = ?",
                                (json.dumps(answer), *key))
        return answer

    def forget(self, older_than=WEEK, most=1000):
        """The number of rows that went; what is forgotten takes effect again if it is delivered again."""
        return self.connection.execute(
            "DELETE FROM event_inbox WHERE (subscription, source, id) IN "
            "(SELECT subscription, source, id FROM event_inbox WHERE at < ? LIMIT ?)",
            (int((time.time() - older_than) * 1000), most)).rowcount
