"""What must hold of sagas, judged from outside: what clients were told, what the API shows, what services saw.

The invariants are those of "Invariants a test must check" (I1..I22, L1), as far as no look inside is needed. Each is
a small function over a History that names what it finds wrong; saga_history_test.py shows that each can fail.
"""
import collections

TERMINAL = {"completed", "compensated", "failed", "rejected"}
# States of a step that never acted, or surely had no effect.
UNTOUCHED = {"idle", "never", "skipped"}


class Step:
    def __init__(self, name, after=(), kind="compensatable", undo=False, unique=False):
        self.name, self.after, self.kind, self.undo = name, tuple(after), kind, undo
        self.unique = unique  # the service itself refuses a second one of an order


class Saga:
    """As it was defined: steps in order, and the grade of the services they call."""

    def __init__(self, grade, steps, locks=False, timeout=1.0):
        self.grade = grade
        self.timeout = timeout  # of one attempt, in seconds
        self.locks = locks  # it locks `account` of its input
        self.steps = {step.name: step for step in steps}


class Submit:
    """What a client asked for, and what it was told."""

    def __init__(self, key, saga, body, expected):
        self.key, self.saga, self.body = key, saga, body
        self.expected = set(expected)  # states it may end in
        self.ids = set()               # every id this key was answered with
        self.repaired = False          # an operator had to help


class Event:
    def __init__(self, at, what, entry, key, epoch, detail, when):
        self.at, self.what, self.key, self.epoch, self.detail = at, what, key, epoch, detail
        self.when = when  # milliseconds
        self.step, self.op = entry["step"], entry["op"]

    def is_(self, what, op, step=None):
        return self.what == what and self.op == op and step in (None, self.step)


class Story:
    """One saga: its definition, what the API shows at the end, and what happened to it at the services."""

    def __init__(self, definition, submit, view, outages=()):
        self.definition, self.submit, self.view = definition, submit, view
        self.outages = outages
        self.id, self.state = view["id"], view["state"]
        self.keys = collections.defaultdict(list)  # (step, op) -> entries
        self.events = []

    def step_state(self, step):
        return next(shown["state"] for shown in self.view["steps"] if shown["name"] == step)

    def effects(self, step, op):
        return sum(entry["effects"] for entry in self.keys.get((step, op), ()))

    def find(self, what, op, step=None, details=None):
        """Events in their order."""
        return [event for event in self.events if event.is_(what, op, step) and (details is None or event.detail in details)]

    def first(self, *wanted):
        return next(iter(self.find(*wanted)), None)

    def knows_keys(self, step):
        """An effect happens once however often it is asked for: by its key, or because the service refuses a second."""
        return self.definition.grade != "naive" or self.definition.steps[step].unique

    def is_doubled(self, step):
        """A service that knows no keys was asked twice: the one request may take effect long after the other."""
        return self.definition.grade == "naive" and len(self.find("request", "action", step)) > 1

    def undone_details(self):
        # A naive service answers 404 to an undo of what is not there, and its sagas say undo_404_ok.
        return ("ok", "refused") if self.definition.grade == "naive" else ("ok",)


class History:
    """`outages`: [(from, to)] in the ledger's milliseconds, when the journal took nothing."""

    def __init__(self, definitions, submits, views, ledger, outages=()):
        self.definitions, self.submits, self.views, self.ledger = definitions, submits, views, ledger
        self.stories = {}
        for submit in submits:
            for id_ in submit.ids & views.keys():
                self.stories[id_] = Story(definitions[submit.saga], submit, views[id_], outages)
        entries = ledger["entries"]
        for entry in entries.values():
            if entry["saga"] in self.stories:
                self.stories[entry["saga"]].keys[entry["step"], entry["op"]].append(entry)
        for at, (what, key, epoch, detail, when) in enumerate(ledger["events"]):
            story = self.stories.get(entries[key]["saga"])
            if story is not None:
                story.events.append(Event(at, what, entries[key], key, epoch, detail, when))


# --- of the whole ---------------------------------------------------------------------------------------

def every_request_is_well_formed(history):
    yield from history.ledger["faults"]


def nothing_acknowledged_is_missing(history):
    """I13, and no saga that nobody asked for."""
    owners = collections.defaultdict(list)
    for submit in history.submits:
        if not submit.ids:
            yield f"{submit.key} was never acknowledged"
        if len(submit.ids) > 1:
            yield f"{submit.key} became several sagas: {sorted(submit.ids)}"
        for id_ in submit.ids:
            owners[id_].append(submit.key)
            if id_ not in history.views:
                yield f"saga {id_} of {submit.key} was acknowledged and is missing"
    for id_, keys in owners.items():
        if len(keys) > 1:
            yield f"saga {id_} was the answer to several keys: {keys}"
    for id_ in history.views:
        if id_ not in owners:
            yield f"saga {id_} exists, and nobody's submit was answered with it"
    for entry in history.ledger["entries"].values():
        if entry["saga"] not in history.views:
            yield f"services were called for saga {entry['saga']}, which does not exist"


def same_key_same_bytes(history):
    """I10."""
    for key, entry in history.ledger["entries"].items():
        if len(entry["digests"]) > 1:
            yield f"key {key} was sent with {len(entry['digests'])} different requests"


def one_holder_of_a_lock(history):
    """I21: who holds it ends, at the services, before the next begins."""
    held = collections.defaultdict(list)
    for story in history.stories.values():
        if story.definition.locks and story.events:
            held[story.submit.body["account"]].append((story.events[0].at, story.events[-1].at, story.id))
    for account, spans in held.items():
        spans.sort()
        for (_, end, first), (begin, _, second) in zip(spans, spans[1:]):
            if begin < end:
                yield f"sagas {first} and {second} both worked on {account}"


def lock_seq_rises(history):
    """Saga-Seq: one number a saga that holds a lock, larger than that of the holder before; none of the others."""
    held = collections.defaultdict(list)
    for story in history.stories.values():
        seqs = {entry["seq"] for entries in story.keys.values() for entry in entries}
        if seqs and story.definition.locks != (None not in seqs):
            yield f"{story.id} sends Saga-Seq {seqs}"
        elif len(seqs) > 1:
            yield f"{story.id} sends several numbers as Saga-Seq: {seqs}"
        elif story.definition.locks and story.events:
            held[story.submit.body["account"]].append((story.events[0].at, *seqs, story.id))
    for account, holders in held.items():
        holders.sort()
        for (_, before, first), (_, after, second) in zip(holders, holders[1:]):
            if before >= after:
                yield f"{second} holds {account} after {first}, and its Saga-Seq {after} is not above {before}"


# --- of several owners at once --------------------------------------------------------------------------

def a_loser_sends_nothing(history):
    """After an owner's first request for a saga none of an owner before arrives: leases see to it that nothing is on
    its way any more. A single owner that starts again at once has no such pause, so this is not one of OF_THE_WHOLE."""
    for story in history.stories.values():
        newest = 0
        for event in story.events:
            if event.what != "request":
                continue
            if event.epoch < newest:
                yield f"{story.id}: {event.op} of {event.step} came from owner {event.epoch}, after requests of owner {newest}"
            newest = max(newest, event.epoch)


def a_loser_writes_nothing(timeline):
    """I14, of the records of one saga."""
    if [record["seq"] for record in timeline] != list(range(1, len(timeline) + 1)):
        yield "its records have a gap"
    epochs = [record["epoch"] for record in timeline]
    if epochs != sorted(epochs):
        yield f"its records are of owners {epochs}"


# --- of each saga ---------------------------------------------------------------------------------------

def it_ends_or_says_why_not(story):
    """L1, I22."""
    if story.state == "suspended":
        if not story.view.get("suspension", {}).get("reason"):
            yield "is suspended without a reason"
    elif story.state not in TERMINAL:
        yield "did not end"


def it_ends_as_its_input_demands(story):
    if story.state in TERMINAL | {"suspended"} and story.state not in story.submit.expected:
        yield f"must end {' or '.join(sorted(story.submit.expected))}"


def one_key_for_each_operation(story):
    """I11."""
    for (step, op), entries in story.keys.items():
        if len(entries) > 1:
            yield f"{op} of {step} was sent under {len(entries)} keys"


def compensated_leaves_nothing(story):
    """I4."""
    if story.state != "compensated":
        return
    for step in story.definition.steps.values():
        shown, acted, undone = story.step_state(step.name), story.effects(step.name, "action"), story.effects(step.name, "undo")
        # What an operator aborts though nobody knows whether the pivot acted stays unknown.
        decided = step.kind == "pivot" and shown == "unknown" and story.view["cause"]["reason"] == "operator"
        if shown not in UNTOUCHED | {"refused", "undone", "forgiven"} and not decided:
            yield f"is compensated and leaves {step.name} {shown}"
        elif shown not in ("undone", "forgiven"):
            if acted or undone:
                yield f"{step.name} is {shown}, with {acted} effects and {undone} undos"
        elif story.knows_keys(step.name) and not story.is_doubled(step.name):
            if acted != undone:
                yield f"{step.name} is {shown}, with {acted} effects and {undone} undos"
        elif acted and not undone:
            yield f"{step.name} is {shown}, with {acted} effects and no undo"


def completed_did_everything_once(story):
    """I5."""
    if story.state != "completed":
        return
    for step in story.definition.steps.values():
        acted, undone = story.effects(step.name, "action"), story.effects(step.name, "undo")
        if story.step_state(step.name) != "done":
            yield f"is completed, and {step.name} is {story.step_state(step.name)}"
        if (acted != 1 if story.knows_keys(step.name) else acted < 1) or undone:
            yield f"is completed, and {step.name} has {acted} effects and {undone} undos"


def at_most_one_effect(story):
    """I6."""
    for (step, op), entries in story.keys.items():
        effects = sum(entry["effects"] for entry in entries)
        if effects > 1 and story.definition.grade != "naive":
            yield f"{op} of {step} took effect {effects} times"


def no_effect_after_its_undo(story):
    """I6 of a service with a barrier, and for every other the reason why an undo waits for its action."""
    for step in story.definition.steps:
        undone = story.first("answer", "undo", step, story.undone_details())
        for effect in story.find("effect", "action", step) if undone and not story.is_doubled(step) else ():
            if effect.at > undone.at:
                yield f"{step} took effect after its undo was answered"


def no_action_after_an_undo(story):
    """I1: the first undo tells that the saga aborts. What an owner sent that died before does not count."""
    undo = story.first("request", "undo")
    for action in story.find("request", "action") if undo else ():
        if action.at > undo.at and action.epoch >= undo.epoch:
            yield f"{action.step} was sent after the undo of {undo.step}"


def no_undo_without_an_abort(story):
    """I2."""
    if story.state == "completed" and (undo := story.first("request", "undo")):
        yield f"is completed, and an undo of {undo.step} was sent"


def no_undo_of_what_did_nothing(story):
    """I3."""
    for step in story.definition.steps:
        shown = story.step_state(step)
        if shown in UNTOUCHED and (story.keys.get((step, "action")) or story.keys.get((step, "undo"))):
            yield f"{step} is {shown}, and requests of it were sent"
        if shown == "refused":
            if story.keys.get((step, "undo")):
                yield f"{step} was refused, and its undo was sent"
            if story.effects(step, "action"):
                yield f"{step} is refused, and took effect"
    for undo in story.find("request", "undo"):
        if missing := [name for name in story.definition.steps[undo.step].after if not _answered_ok(story, name, undo.at)]:
            yield f"{undo.step} was undone before it could have begun: {missing[0]} was not done"


def undone_in_reverse(story):
    """I7."""
    for step in story.definition.steps.values():
        for before in step.after:
            undo, later = story.first("request", "undo", before), story.first("request", "undo", step.name)
            if undo is None or later is None:
                continue
            done = story.first("answer", "undo", step.name, story.undone_details())
            if done is None or done.at > undo.at:
                yield f"the undo of {before} was sent before {step.name} was undone"


def _answered_ok(story, step, before):
    return any(event.at < before for op in ("action", "status") for event in story.find("answer", op, step, ("ok",)))


def sent_in_order(story):
    """I8."""
    for step in story.definition.steps.values():
        begun = story.first("request", "action", step.name)
        for before in step.after if begun else ():
            if not _answered_ok(story, before, begun.at):
                yield f"{step.name} was sent before {before} was done"


def no_way_back_after_the_pivot(story):
    """I9."""
    for step in story.definition.steps.values():
        if step.kind == "pivot" and story.effects(step.name, "action"):
            if undo := story.first("request", "undo"):
                yield f"{step.name} took effect, and an undo of {undo.step} was sent"
            if story.state in ("compensated", "rejected"):
                yield f"{step.name} took effect, and the saga is {story.state}"
        if step.kind == "retriable" and story.find("request", "action", step.name):
            if undo := story.first("request", "undo"):
                yield f"{step.name}, which comes after the pivot, and an undo of {undo.step} were both sent"


def refused_is_not_asked_again(story):
    """I17, as far as one owner goes: the next cannot know an answer that died with the last, nor can an owner whose
    journal did not take it, and one that was stopped for longer than its patience need not look at an answer that
    came meanwhile."""
    if story.submit.repaired:  # an operator may ask again
        return
    asked, refused = {}, {}
    for event in story.events:
        if event.op != "action":
            continue
        if event.what == "request":
            epoch, when = refused.get(event.step, (None, 0))
            if epoch == event.epoch and event.when - when < 1000 * story.definition.timeout:
                yield f"{event.step} was refused, and sent again"
            asked[event.step] = event.when
        kept = not any(begin <= event.when <= end for begin, end in story.outages)
        if event.what == "answer" and event.detail == "refused" and kept:
            refused[event.step] = event.epoch, asked[event.step]


OF_THE_WHOLE = (every_request_is_well_formed, nothing_acknowledged_is_missing, same_key_same_bytes, one_holder_of_a_lock,
                lock_seq_rises)
OF_EACH = (it_ends_or_says_why_not, it_ends_as_its_input_demands, one_key_for_each_operation, compensated_leaves_nothing,
           completed_did_everything_once, at_most_one_effect, no_effect_after_its_undo, no_action_after_an_undo,
           no_undo_without_an_abort, no_undo_of_what_did_nothing, undone_in_reverse, sent_in_order,
           no_way_back_after_the_pivot, refused_is_not_asked_again)


def violations(history):
    """[(rule, saga id or "", what is wrong)]"""
    found = [(rule.__name__, "", text) for rule in OF_THE_WHOLE for text in rule(history)]
    for story in history.stories.values():
        found += [(rule.__name__, story.id, text) for rule in OF_EACH for text in rule(story)]
    return found


def tell(story):
    """The story of one saga, for people."""
    lines = [f"saga {story.id} of {story.submit.key} ({story.submit.saga}): {story.state} {story.view.get('suspension', '')} "
             f"{story.view.get('cause', '')}", f"  input {story.submit.body}",
             "  steps " + ", ".join(f"{step['name']} {step['state']}" for step in story.view["steps"])]
    lines += [f"  {event.at:7} {event.when} ms, epoch {event.epoch}: {event.what} {event.op} {event.step} {event.detail}" for event in story.events]
    return "\n".join(lines)


def coverage(history):
    """How often what the test is for has happened."""
    seen = collections.Counter()
    for story in history.stories.values():
        seen[f"{story.submit.saga} {story.state}"] += 1
        if story.state == "suspended":
            seen[f"suspended: {story.view['suspension']['reason']}"] += 1
        if story.state == "compensated":
            seen[f"undone because: {story.view['cause']['reason']}"] += 1
        by_key = collections.defaultdict(set)
        for event in story.events:
            if event.what == "request":
                by_key[event.key].add(event.epoch)
            if event.what == "answer" and event.op == "status":
                seen["asked for the status"] += 1
        for event in story.find("request", "action"):
            seen["requests of actions"] += 1
        resent = [key for key, epochs in by_key.items() if len(epochs) > 1]
        seen["operations sent by several owners"] += len(resent)
        undos = story.find("answer", "undo")
        seen["undos"] += len(undos)
        seen["undos of what took no effect"] += sum(
            1 for (step, op), _ in story.keys.items() if op == "undo" and not story.effects(step, "action"))
        acted = story.first("effect", "action")
        if undos and acted and acted.epoch < undos[-1].epoch:
            seen["undone by another owner than the one that acted"] += 1
    return seen
