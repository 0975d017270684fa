"""The sagas that the tests of their durability run: definitions, the inputs that make services fail, and clients.

The definitions are written once, as saga_history judges them, and rendered for the file. An input says for each
request how the service fails (ledger.py, `does`), and with it the states its saga may end in.
"""
import asyncio
import json
import random

from kit import SLOWDOWN, AsyncClient
from saga_history import Saga, Step, Submit

TIMEOUT = 2.0 * SLOWDOWN        # seconds, of one attempt; a slow service of a grade without barrier is faster
BARRIER_TIMEOUT = 1.0 * SLOWDOWN  # a slow one with a barrier is slower, and its action comes after its undo
LATE = int(2600 * SLOWDOWN)     # milliseconds
PIVOT_ATTEMPTS, ASKED_ATTEMPTS = 8, 4
ACCOUNTS = 4

DEFINITIONS = {
    # A diamond before the pivot, so that one branch is in flight when the other is refused.
    "order": Saga("honest", [Step("reserve", undo=True),
                             Step("charge", after=["reserve"], undo=True),
                             Step("wrap", after=["reserve"], undo=True),
                             Step("ship", after=["charge", "wrap"], kind="pivot"),
                             Step("notify", after=["ship"], kind="retriable")], timeout=TIMEOUT),
    # One at a time for each account.
    "transfer": Saga("honest", [Step("debit", undo=True), Step("credit", after=["debit"], kind="pivot")], locks=True, timeout=TIMEOUT),
    "trip": Saga("barrier", [Step("hotel", undo=True), Step("flight", undo=True),
                             Step("pay", after=["hotel", "flight"], kind="pivot"),
                             Step("mail", after=["pay"], kind="retriable")], timeout=BARRIER_TIMEOUT),
    "note": Saga("naive", [Step("book", undo=True), Step("bill", after=["book"], undo=True, unique=True),
                           Step("send", after=["bill"], kind="pivot"), Step("log", after=["send"], kind="retriable")],
                 timeout=TIMEOUT),
}


def file(api, admin, first, store):
    """The configuration: services of the three grades from the port `first` on, and a saga or more for each."""
    lines = [f"admin: {{ listen: 127.0.0.1:{admin} }}", f"api: {{ listen: 127.0.0.1:{api}, hosts: [a.example] }}",
             f'stores: {{ journal: "{store}" }}', "services:"]
    lines += [f'  {grade}: {{ url: "http://127.0.0.1:{first + index}" }}'
              for index, grade in enumerate(("honest", "barrier", "naive"))]
    lines.append("sagas:")
    for name, saga in DEFINITIONS.items():
        lines += [f"  {name}:", "    deadline: 1h"]
        lines += ['    locks: ["account:{.input.account}"]'] if saga.locks else []
        lines.append("    steps:")
        for step in saga.steps.values():
            lines += [f"      - {step.name}:"] + [f"          {line}" for line in _lines_of(saga, step)]
    return "\n".join(lines) + "\n"


def _lines_of(saga, step):
    grade, barrier = saga.grade, saga.grade == "barrier"
    lines = [f"action: POST {grade}/{step.name}", f'body: "{{order: .input.order, does: .input.does.{step.name}}}"',
             f"after: [{', '.join(step.after)}]", f"timeout: {1000 * saga.timeout:.0f}ms"]
    attempts = {"pivot": PIVOT_ATTEMPTS}.get(step.kind, ASKED_ATTEMPTS if step.name == "charge" else 50)
    if step.kind == "retriable":
        lines.append("kind: retriable")
    else:
        lines.append(f"retry: {{ attempts: {attempts}, backoff: 50ms..500ms }}")
    if step.kind == "pivot":
        lines.append("kind: pivot")
    if step.undo:
        by_name = step.name in ("reserve", "flight")  # without a body, so without faults
        lines.append(f'undo: "DELETE {grade}/{step.name}/{{.input.order}}"' if by_name else
                     f"undo: {{ call: POST {grade}/{step.name}/undo, "
                     f'body: "{{order: .input.order, does: .input.does.undo_{step.name}}}" }}')
    if step.name == "charge":
        lines.append(f'status: "GET {grade}/charge/{{.input.order}}"')
    if grade == "naive":
        return lines + (["undo_404_ok: true"] if step.undo else [])
    return lines + ["idempotent: key"] + (["barrier: true"] if barrier and step.undo else [])


# --- inputs ---------------------------------------------------------------------------------------------

def _fault(rng, grade):
    words = ["slow", "slow", "busy", "error", "drop", "lose", "failed", "slow+lose"]
    word = rng.choice(words + {"honest": ["accept", "poll"], "barrier": ["accept", "poll", "late"], "naive": []}[grade])
    if word == "late":
        return f"slow:{LATE}"
    number = f":{rng.randrange(20, 300)}"
    return word.replace("slow", "slow" + number) if "slow" in word else word + number if word in ("accept", "poll") else word


class Wanted:
    """A submit, and what its client does about it later."""

    def __init__(self, rng, key, number, stuck=0.03):
        name = rng.choice(list(DEFINITIONS))
        saga = DEFINITIONS[name]
        self.does = {}
        steps = list(saga.steps.values())
        for step in steps:
            for request in (step.name, f"undo_{step.name}"):
                if rng.random() < 0.3:
                    self.does[request] = " ".join(_fault(rng, saga.grade) for _ in range(rng.choice([1, 1, 2])))
        self.cancel = rng.random() < 0.1
        expected = {"completed"}
        if saga.grade == "naive":
            # Not knowing keys, a service that is asked again may refuse because it did it before.
            expected.add("compensated")
        draw = rng.random()
        if draw < stuck and not saga.locks:
            self.cancel = False
            expected = self._get_stuck(rng, saga)
        elif draw < 0.25:
            refused = rng.choice([step for step in steps if step.kind != "retriable"])
            self._add(refused.name, "refuse")
            expected = {"compensated"}
            if saga.grade == "naive" and refused.kind == "pivot":
                # A refusal after a lost answer may mean that it worked; of a pivot that is for a person to say.
                expected.add("suspended")
        elif draw < 0.28 and name == "order":
            self.does["charge"] = "lose " * ASKED_ATTEMPTS  # so that its status is asked for
        elif draw < 0.34 and name in ("order", "trip"):
            # One branch is refused while the other is at work: killed now, the next owner knows of no answer, and an
            # undo that it sent at once would come before the effect.
            first, other = ("charge", "wrap") if name == "order" else ("flight", "hotel")
            self.does.update({first: "refuse", other: f"slow:{LATE if name == 'trip' else int(600 * SLOWDOWN)}"})
            expected = {"compensated"}
        if self.cancel:
            expected |= {"compensated"} | ({"rejected"} if saga.locks else set())
        body = {"order": f"o{number}", "does": self.does}
        if saga.locks:
            body["account"] = f"a{rng.randrange(ACCOUNTS)}"
        self.submit = Submit(key, name, body, expected)
        self.wait = rng.random() < 0.2
        self.twice = rng.random() < 0.1

    def repair(self, view):
        """The verb that leads out of this suspension, now that the services are healed; and where it may lead."""
        self.submit.repaired = True
        refused = any("refuse" in does for does in self.does.values())
        self.submit.expected = {"compensated"} if refused else {"completed"}
        if DEFINITIONS[self.submit.saga].grade == "naive":
            self.submit.expected.add("compensated")
        return "abort" if refused and view["suspension"]["reason"] == "pivot-unknown" else "retry"

    def _add(self, request, word):
        self.does[request] = f"{self.does.get(request, '')} {word}".strip()

    def _get_stuck(self, rng, saga):
        steps = list(saga.steps.values())
        pivot = next(step for step in steps if step.kind == "pivot")
        blocked = [step.name for step in steps if step.undo and step.name not in ("reserve", "flight")]
        ways = ["blocked undo", "confused", "refused retriable"] + (["mute pivot"] if saga.grade != "naive" else [])
        way = rng.choice(ways)
        if way == "blocked undo":
            self.does[f"undo_{rng.choice(blocked)}"] = "block"
            self.does[pivot.name] = "refuse"
        elif way == "confused":
            self.does[rng.choice([step.name for step in steps if step.kind == "compensatable"])] = "confused"
        elif way == "mute pivot":
            self.does[pivot.name] = "mute"
        else:
            self.does[next(step.name for step in steps if step.kind == "retriable")] = "block"
        if saga.grade == "naive":
            # Before it comes that far a lost answer may have undone it.
            self.does.update({step.name: "" for step in steps if self.does.get(step.name) not in ("block", "confused", "refuse")})
            return {"suspended", "compensated"}
        return {"suspended"}


# --- clients --------------------------------------------------------------------------------------------

class Clients:
    """Clients that submit until told to stop, and then until everything they asked for was acknowledged.

    Of several doors each has its own, and goes to the next when its breaks."""

    def __init__(self, apis, seed, count=8, pause=0.04):
        self.apis, self.seed, self.count, self.pause = apis, seed, count, pause
        self.next_door = 0
        self.rng = random.Random(seed)
        self.wanted = []         # Wanted, in the order of their first sending
        self.ended = asyncio.Event()
        self.wrong = []          # answers that must not be
        self.final = {}          # id -> the terminal state somebody saw
        self.lost = 0            # connections that broke or were refused
        self.answers = {}        # how often which answer came
        self.acknowledged = 0

    async def run(self):
        await asyncio.gather(*(self._client() for _ in range(self.count)), self._reader())

    def _door(self):
        self.next_door += 1
        return AsyncClient(self.apis[self.next_door % len(self.apis)])

    async def _client(self):
        http = self._door()
        while not self.ended.is_set():
            number = len(self.wanted)
            wanted = Wanted(self.rng, f"kill-{self.seed}-{number}", number)
            self.wanted.append(wanted)
            await self.submit(http, wanted)
            if wanted.twice:
                await self.submit(http, wanted)
            if wanted.cancel:
                await asyncio.sleep(self.rng.random() * 0.3)
                await self._until(http, "POST", f"/v1/sagas/{min(wanted.submit.ids)}/cancel", b"", "", {200, 202, 409})
            await asyncio.sleep(self.pause * SLOWDOWN)
        http.close()

    async def submit(self, http, wanted):
        """Sends it, with the same key, until it is acknowledged."""
        path = f"/v1/sagas/{wanted.submit.saga}" + ("?wait=500ms" if wanted.wait else "")
        body = json.dumps(wanted.submit.body).encode()
        answer = await self._until(http, "POST", path, body, f'Idempotency-Key: "{wanted.submit.key}"\r\n'
                                   "Content-Type: application/json\r\n", {200, 202})
        if answer is not None:
            self.acknowledged += not wanted.submit.ids
            wanted.submit.ids.add(answer["id"])
            self._saw(answer)

    def _saw(self, view):
        before = self.final.get(view["id"])
        if before not in (None, view["state"]):
            self.wrong.append(f"saga {view['id']} was {before}, and is {view['state']}")
        if view["state"] in ("completed", "compensated", "failed", "rejected"):
            self.final[view["id"]] = view["state"]

    async def _reader(self):
        """Looks at what was acknowledged before: it is there, and what has ended does not change."""
        http = self._door()
        while not self.ended.is_set():
            known = [wanted for wanted in self.wanted[-200:] if wanted.submit.ids]
            if known:
                id_ = min(self.rng.choice(known).submit.ids)
                view = await self._until(http, "GET", f"/v1/sagas/{id_}", b"", "", {200})
                if view is not None:
                    self._saw(view)
            await asyncio.sleep(0.02 * SLOWDOWN)
        http.close()

    async def _until(self, http, method, path, body, fields, good):
        """The JSON of the first answer with a good status; None, and a note, for one that should not be."""
        while True:
            try:
                status, message, _ = await asyncio.wait_for(http.request(method, path, body, fields), 20 * SLOWDOWN)
            except (ConnectionError, asyncio.TimeoutError):
                http.close()
                http.port = self.apis[(self.apis.index(http.port) + 1) % len(self.apis)]
                self.lost += 1
                await asyncio.sleep(0.02)
                continue
            reason = message.get("Flotilla-Error", "")
            self.answers[status, reason] = self.answers.get((status, reason), 0) + 1
            if status in good:
                return message.json()
            if status == 503 or (status == 409 and reason == "conflict"):
                await asyncio.sleep(0.02)
                continue
            self.wrong.append(f"{method} {path} was answered {status}: {message.body[:300]!r}")
            return None
