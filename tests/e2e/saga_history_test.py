"""Each rule of saga_history finds what was planted for it, and nothing in histories that are right."""
import unittest

import saga_history
from saga_history import History, Saga, Step, Submit, coverage, tell, violations

ORDER = [Step("reserve", undo=True), Step("charge", after=["reserve"], undo=True),
         Step("ship", after=["charge"], kind="pivot"), Step("notify", after=["ship"], kind="retriable")]
DEFINITIONS = {"honest-order": Saga("honest", ORDER), "barrier-order": Saga("barrier", ORDER),
               "transfer": Saga("honest", ORDER[:1], locks=True),
               "naive-order": Saga("naive", [*ORDER[:1], Step("charge", after=["reserve"], undo=True, unique=True), *ORDER[2:]])}
LETTER = {"action": "a", "undo": "c", "status": "q"}

COMPLETED = """
    request action reserve; effect action reserve; answer action reserve ok
    request action charge; effect action charge; answer action charge ok
    request action ship; effect action ship; answer action ship ok
    request action notify; effect action notify; answer action notify ok"""
COMPENSATED = """
    request action reserve; effect action reserve; answer action reserve ok
    request action charge; effect action charge; answer action charge ok
    request action ship; answer action ship refused
    request undo charge; effect undo charge; answer undo charge ok
    request undo reserve; effect undo reserve; answer undo reserve ok"""
DONE = {"reserve": "done", "charge": "done", "ship": "done", "notify": "done"}
UNDONE = {"reserve": "undone", "charge": "undone", "ship": "refused", "notify": "never"}


class Told:
    """A history of one saga, told line by line: `what op step [detail] [@epoch]`; `wait` lets seconds pass."""

    def __init__(self, text, state, steps, saga="honest-order", expected=("completed", "compensated", "suspended"), **view):
        self.view = {"id": "S1", "state": state, "steps": [{"name": name, "state": shown} for name, shown in steps.items()], **view}
        self.submit = Submit("k1", saga, {}, expected)
        self.submit.ids.add("S1")
        self.submits, self.views = [self.submit], {"S1": self.view}
        self.ledger = {"entries": {}, "events": [], "faults": []}
        self.now = 0
        for line in text.replace("\n", ";").split(";"):
            if line.strip():
                self.happened(line.split())

    def happened(self, words):
        if words == ["wait"]:
            self.now += 5000
            return
        epoch = int(words.pop()[1:]) if words[-1].startswith("@") else 1
        what, op, step, *detail = words
        key = f"{step}-{LETTER[op]}"
        entry = self.ledger["entries"].setdefault(key, {"grade": "", "saga": "S1", "step": step, "op": op, "order": "o1",
                                                        "requests": 0, "effects": 0, "digests": ["d"],
                                                        "seq": 7 if DEFINITIONS[self.submit.saga].locks else None})
        entry["requests"] += what == "request"
        entry["effects"] += what == "effect"
        self.ledger["events"].append([what, key, epoch, *(detail or [""]), self.now])

    def history(self):
        return History(DEFINITIONS, self.submits, self.views, self.ledger)


def completed(more="", steps=(), **kwargs):
    return Told(COMPLETED + "\n" + more, "completed", {**DONE, **dict(steps)}, **kwargs)


def compensated(text=COMPENSATED, more="", steps=(), **kwargs):
    kwargs.setdefault("cause", {"reason": "step"})
    return Told(text + "\n" + more, "compensated", {**UNDONE, **dict(steps)}, **kwargs)


def without(text, *parts):
    for part in parts:
        assert part in text, part
        text = text.replace(part, "", 1)
    return text


def two_transfers(first=7, second=9):
    """Two sagas of one lock, one after the other, with these numbers as Saga-Seq."""
    told = Told("request action reserve; effect action reserve; answer action reserve ok", "completed", {"reserve": "done"},
                saga="transfer")
    told.submit.body = {"account": "a1"}
    other = Submit("k2", "transfer", {"account": "a1"}, ["completed"])
    other.ids.add("S2")
    told.submits.append(other)
    told.views["S2"] = {**told.view, "id": "S2"}
    entries = told.ledger["entries"]
    entries["reserve-a"]["seq"] = first
    entries["S2-a"] = {**entries["reserve-a"], "saga": "S2", "seq": second}
    told.ledger["events"] += [[event[0], "S2-a", *event[2:]] for event in told.ledger["events"]]
    return told


class Rules(unittest.TestCase):
    found = set()  # rules that were shown to fail

    def holds(self, told):
        self.assertEqual(violations(told.history()), [])

    def breaks(self, told, *rules):
        """Exactly these rules find something."""
        self.assertEqual({rule for rule, _, _ in violations(told.history())}, {rule.__name__ for rule in rules})
        Rules.found |= {rule.__name__ for rule in rules}

    @classmethod
    def tearDownClass(cls):
        rules = {rule.__name__ for rule in saga_history.OF_THE_WHOLE + saga_history.OF_EACH}
        assert cls.found == rules, f"no violation was planted for {rules - cls.found}"

    def test_histories_that_are_right(self):
        for saga in ("honest-order", "barrier-order", "naive-order"):
            self.holds(completed(saga=saga))
            self.holds(compensated(saga=saga))
        self.holds(Told("request action reserve; answer action reserve refused", "compensated",
                        {"reserve": "refused", "charge": "never", "ship": "never", "notify": "never"}))
        self.holds(Told("request action reserve; answer action reserve config", "suspended",
                        {"reserve": "exposed", "charge": "idle", "ship": "idle", "notify": "idle"}, suspension={"reason": "config"}))

    def test_right_though_an_owner_died(self):
        # Its action is heard of after the next owner's undo; no effect, for a barrier was there.
        self.holds(compensated("""
            request action reserve; request undo reserve @2; answer undo reserve ok @2; answer action reserve refused""",
            steps={"charge": "never", "ship": "never"}, saga="barrier-order"))
        # The refusal died with the first owner, which had lost the status as well.
        self.holds(compensated(COMPENSATED.replace("answer action ship refused", """
            answer action ship refused; request action ship @2; answer action ship refused @2""")))
        # The status query told what the answer did not.
        self.holds(completed_by_status := Told(COMPLETED.replace("answer action charge ok", """
            answer action charge lost; request status charge; answer status charge ok"""), "completed", DONE))
        self.assertIn("request action reserve", tell(completed_by_status.history().stories["S1"]))

    def test_naive_services_promise_less(self):
        twice = COMPENSATED.replace("answer action reserve ok", """
            answer action reserve lost; request action reserve @2; effect action reserve @2; answer action reserve ok @2""")
        self.holds(compensated(twice, saga="naive-order"))
        self.breaks(compensated(twice), saga_history.at_most_one_effect, saga_history.compensated_leaves_nothing)
        self.breaks(compensated(without(twice, "effect undo reserve;"), saga="naive-order"), saga_history.compensated_leaves_nothing)
        # Nor that what was asked twice is not done after its undo.
        self.holds(compensated(twice, "effect action reserve", saga="naive-order"))
        late = without(COMPENSATED, "effect action reserve;") + "; effect action reserve"
        self.breaks(compensated(late, saga="naive-order"), saga_history.no_effect_after_its_undo)
        # But not of the step whose service refuses a second: it may not count as refused if it took effect.
        self.breaks(compensated("""
            request action reserve; effect action reserve; answer action reserve ok; request action charge; effect action charge
            request action charge @2; answer action charge refused @2; request undo reserve; effect undo reserve
            answer undo reserve ok""", steps={"charge": "refused", "ship": "never"}, saga="naive-order"),
            saga_history.no_undo_of_what_did_nothing, saga_history.compensated_leaves_nothing)

    def test_requests_no_saga_sends(self):
        told = completed()
        told.ledger["faults"].append("Idempotency-Key is not quoted")
        self.breaks(told, saga_history.every_request_is_well_formed)

    def test_lost_and_found_sagas(self):
        rule = saga_history.nothing_acknowledged_is_missing
        told = completed()
        told.submits.append(Submit("k2", "honest-order", {}, ["completed"]))
        self.breaks(told, rule)  # never acknowledged
        told.submits[1].ids.add("S2")
        self.breaks(told, rule)  # acknowledged, missing
        told.submits[1].ids = {"S1"}
        self.breaks(told, rule)  # two keys, one saga
        told = completed()
        told.submit.ids.add("S2")
        told.views["S2"] = {**told.view, "id": "S2", "state": "compensated", "cause": {"reason": "step"},
                            "steps": [{"name": name, "state": "never"} for name in DONE]}
        self.breaks(told, rule)  # one key, two sagas
        told = completed()
        told.views["S3"] = {**told.view, "id": "S3"}
        self.breaks(told, rule)  # nobody's
        told = completed()
        told.ledger["entries"]["other-a"] = {**told.ledger["entries"]["ship-a"], "saga": "S4"}
        self.breaks(told, rule)  # calls for a saga that does not exist

    def test_other_bytes_under_one_key(self):
        told = completed()
        told.ledger["entries"]["ship-a"]["digests"].append("e")
        self.breaks(told, saga_history.same_key_same_bytes)

    def test_another_key_for_one_operation(self):
        told = completed()
        told.ledger["entries"]["ship-a2"] = {**told.ledger["entries"]["ship-a"], "effects": 0}
        self.breaks(told, saga_history.one_key_for_each_operation)

    def test_two_holders_of_a_lock(self):
        told = two_transfers()
        self.holds(told)
        events = told.ledger["events"]
        events[2], events[3] = events[3], events[2]  # the second begins before the first is answered
        self.breaks(told, saga_history.one_holder_of_a_lock)

    def test_a_lock_whose_seq_does_not_rise(self):
        rule = saga_history.lock_seq_rises
        self.breaks(two_transfers(7, 7), rule)
        self.breaks(two_transfers(9, 7), rule)
        self.breaks(two_transfers(7, None), rule)
        unlocked = completed()
        unlocked.ledger["entries"]["ship-a"]["seq"] = 7
        self.breaks(unlocked, rule)
        several = two_transfers()
        several.ledger["entries"]["reserve-q"] = {**several.ledger["entries"]["reserve-a"], "op": "status", "seq": 8}
        self.breaks(several, rule)

    def test_no_end_and_no_reason(self):
        steps = {"reserve": "exposed", "charge": "idle", "ship": "idle", "notify": "idle"}
        self.breaks(Told("request action reserve", "running", steps), saga_history.it_ends_or_says_why_not)
        self.breaks(Told("request action reserve", "suspended", steps), saga_history.it_ends_or_says_why_not)

    def test_another_end_than_the_input_demands(self):
        self.breaks(completed(expected=["compensated"]), saga_history.it_ends_as_its_input_demands)
        self.breaks(compensated(expected=["completed"]), saga_history.it_ends_as_its_input_demands)

    def test_compensated_with_something_left(self):
        rule = saga_history.compensated_leaves_nothing
        self.breaks(compensated(without(COMPENSATED, "effect undo reserve;")), rule)
        self.breaks(compensated(steps={"charge": "unknown"}), rule)
        self.breaks(compensated(steps={"ship": "done"}), rule)
        self.breaks(compensated(steps={"ship": "unknown"}), rule)
        self.holds(compensated(steps={"ship": "unknown"}, cause={"reason": "operator"}))  # who knew that it did not act
        told = compensated(without(COMPENSATED, "effect action reserve;"))
        self.breaks(told, rule)  # undone, and had not been done

    def test_completed_with_something_missing_or_undone(self):
        rule = saga_history.completed_did_everything_once
        self.breaks(Told(without(COMPLETED, "effect action ship;"), "completed", DONE), rule)
        self.breaks(completed(steps={"notify": "exposed"}), rule)
        self.breaks(completed("effect action notify"), rule, saga_history.at_most_one_effect)

    def test_a_late_action(self):
        late = without(COMPENSATED, "effect action charge;") + "; effect action charge"
        self.breaks(compensated(without(late, "effect undo charge;"), saga="barrier-order"),
                    saga_history.no_effect_after_its_undo, saga_history.compensated_leaves_nothing)
        self.breaks(compensated(late), saga_history.no_effect_after_its_undo)

    def test_an_action_after_an_undo(self):
        parallel = "request action reserve; request undo reserve; answer undo reserve ok; request action reserve"
        self.breaks(compensated(parallel, steps={"charge": "never", "ship": "never"}), saga_history.no_action_after_an_undo)

    def test_an_undo_of_a_saga_that_completes(self):
        self.breaks(Told("request action reserve; answer action reserve ok; request undo reserve", "completed",
                         {"reserve": "done", "charge": "done", "ship": "done", "notify": "done"}),
                    saga_history.no_undo_without_an_abort, saga_history.completed_did_everything_once)

    def test_an_undo_of_what_did_nothing(self):
        rule = saga_history.no_undo_of_what_did_nothing
        first = "request action reserve; answer action reserve refused"
        steps = {"reserve": "refused", "charge": "never", "ship": "never"}
        self.breaks(compensated(first + "; request undo reserve; answer undo reserve ok", steps=steps), rule)
        self.breaks(compensated(COMPENSATED, "request action notify"), rule, saga_history.sent_in_order,
                    saga_history.no_action_after_an_undo, saga_history.no_way_back_after_the_pivot)
        self.breaks(compensated("request undo charge; answer undo charge ok",
                                steps={"reserve": "never", "charge": "undone", "ship": "never"}), rule)

    def test_undone_in_the_order_of_doing(self):
        both = ("request undo charge; effect undo charge; answer undo charge ok",
                "request undo reserve; effect undo reserve; answer undo reserve ok")
        self.breaks(compensated(without(COMPENSATED, *both) + ";".join(reversed(both))), saga_history.undone_in_reverse)
        early = without(COMPENSATED, "answer undo charge ok") + "; answer undo charge ok"
        self.breaks(compensated(early), saga_history.undone_in_reverse)

    def test_sent_before_its_turn(self):
        early = without(COMPLETED, "answer action charge ok") + "; answer action charge ok"
        self.breaks(Told(early, "completed", DONE), saga_history.sent_in_order)
        self.breaks(Told(COMPLETED.replace("answer action charge ok", "answer action charge lost"), "completed", DONE),
                    saga_history.sent_in_order)

    def test_a_way_back_after_the_pivot(self):
        shipped = COMPENSATED.replace("answer action ship refused", "effect action ship; answer action ship lost")
        self.breaks(compensated(shipped), saga_history.no_way_back_after_the_pivot, saga_history.compensated_leaves_nothing,
                    saga_history.no_undo_of_what_did_nothing)

    def test_asking_again_after_no(self):
        again = COMPENSATED.replace("answer action ship refused", "answer action ship refused; request action ship")
        self.breaks(compensated(again), saga_history.refused_is_not_asked_again)
        told = compensated(again)
        told.submit.repaired = True  # an operator may
        self.holds(told)
        self.holds(compensated(again.replace("refused;", "refused; wait;")))  # and who had been stopped
        for outages, found in (([(0, 10)], []), ([(1, 10)], ["refused_is_not_asked_again"])):
            told = compensated(again)
            history = History(DEFINITIONS, told.submits, told.views, told.ledger, outages)
            self.assertEqual([rule for rule, _, _ in violations(history)], found)

    def test_a_loser_that_sends(self):
        taken_over = COMPLETED.replace("answer action ship ok", "answer action ship ok @2").replace(
            "request action notify", "request action notify @2")
        self.assertEqual(list(saga_history.a_loser_sends_nothing(Told(taken_over, "completed", DONE).history())), [])
        late = taken_over + "; request action ship @1"
        self.assertEqual(list(saga_history.a_loser_sends_nothing(Told(late, "completed", DONE).history())),
                         ["S1: action of ship came from owner 1, after requests of owner 2"])

    def test_a_loser_that_writes(self):
        def found(*records):
            return list(saga_history.a_loser_writes_nothing([{"seq": seq, "epoch": epoch} for seq, epoch in records]))
        self.assertEqual(found((1, 1), (2, 1), (3, 2)), [])
        self.assertEqual(found((1, 1), (2, 2), (3, 1)), ["its records are of owners [1, 2, 1]"])
        self.assertEqual(found((1, 1), (3, 1)), ["its records have a gap"])

    def test_counts_what_happened(self):
        seen = coverage(compensated("""
            request action reserve; effect action reserve; request action reserve @2
            request undo reserve @3; answer undo reserve ok @3""").history())
        self.assertEqual(seen["operations sent by several owners"], 1)
        self.assertEqual(seen["undone by another owner than the one that acted"], 1)
        self.assertEqual(seen["honest-order compensated"], 1)
        seen = coverage(compensated("request undo reserve; answer undo reserve ok").history())  # its action never arrived
        self.assertEqual(seen["undos of what took no effect"], 1)


if __name__ == "__main__":
    unittest.main()
