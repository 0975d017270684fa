#!/usr/bin/env python3
"""The barrier of docs/barrier.md in Python, over sqlite3 (standard library only).

    barrier = Barrier(connection)             # isolation_level=None: transactions are ours
    status, headers, body = barrier.run(request.headers["Idempotency-Key"], charge_the_card)

The effect is called inside the transaction, at most once for a key as far as it lasts. It returns
(status, body); a status from 400 to 499 refuses. An exception rolls everything back: answer 503 then.
"""

import json
import re
import time

TABLE = """
CREATE TABLE IF NOT EXISTS saga_barrier (
  step TEXT NOT NULL, op TEXT NOT NULL, state TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (step, op)
) WITHOUT ROWID"""

KEY = re.compile(r"(sg1-[0-9A-HJKMNP-TV-Z]{26}-[0-9a-z.]+)-([acq])-[^-]+")

NULL_UNDO = (200, {"Saga-Outcome": "null-undo"}, None)
TOO_LATE = (409, {"Saga-Outcome": "refused"}, {"error": "this step was undone before it came"})


def read_key(idempotency_key):
    """(step, op) of a saga's key, quoted or bare; None for any other key."""
    match = KEY.fullmatch(idempotency_key.strip('"'))
    return match and match.groups()


class Barrier:
    def __init__(self, connection):
        self.connection = connection
        connection.execute(TABLE)

    def run(self, idempotency_key, effect):
        """What to answer: (status, headers, body)."""
        step, op = read_key(idempotency_key)
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            answer = self._action(step, effect) if op == "a" else self._undo(step, effect)
            if answer is None:  # an undo that was refused: it can be tried again
                raise UndoRefused
            self.connection.execute("COMMIT")
            return answer
        except UndoRefused:
            self.connection.execute("ROLLBACK")
            return (409, {"Saga-Outcome": "refused"}, None)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise

    def _action(self, step, effect):
        if self._insert(step, "a", "done"):
            return self._act(step, "a", effect)
        state, answer = self._find(step, "a")
        return TOO_LATE if state == "blocked" else self._replay(answer)

    def _undo(self, step, effect):
        if self._insert(step, "a", "blocked"):
            return NULL_UNDO
        state, _ = self._find(step, "a")
        if state != "done":
            return NULL_UNDO
        if self._insert(step, "c", "done"):
            return self._act(step, "c", effect)
        return self._replay(self._find(step, "c")[1])

    def _act(self, step, op, effect):
        status, body = effect()
        refused = 400 <= status < 500
        if refused and op == "c":
            return None
        answer = (status, {"Saga-Outcome": "refused" if refused else "ok"}, body)
        self.connection.execute(
            "UPDATE saga_barrier SET state = ?, answer = ? WHERE step = ? AND op = ?",
            ("refused" if refused else "done", json.dumps(answer), step, op),
        )
        return answer

    @staticmethod
    def _replay(answer):
        return tuple(json.loads(answer))

    def _insert(self, step, op, state):
        done = self.connection.execute(
            "INSERT INTO saga_barrier VALUES (?, ?, ?, '', ?) ON CONFLICT DO NOTHING",
            (step, op, state, int(time.time() * 1000)),
        )
        return done.rowcount == 1

    def _find(self, step, op):
        return self.connection.execute(
            "SELECT state, answer FROM saga_barrier WHERE step = ? AND op = ?", (step, op)
        ).fetchone()


class UndoRefused(Exception):
    """Inside run() only."""
