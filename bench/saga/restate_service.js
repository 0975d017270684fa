// The saga of the benchmark as a Restate service: three steps over HTTP, each with its undo, registered before
// the step runs. Environment: PORT, STEPS_PORT, STEPS (how many).
import http from "node:http";

// The SDK wants Node 22; this is all it uses of it.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((yes, no) => ((resolve = yes), (reject = no)));
  return { promise, resolve, reject };
};
const restate = await import("@restatedev/restate-sdk");

const agent = new http.Agent({ keepAlive: true });
const names = ["reserve", "charge", "ship"];
const steps = Array.from({ length: Number(process.env.STEPS ?? 3) }, (_, i, n = Number(process.env.STEPS ?? 3)) =>
  i === n - 1 ? "ship" : (names[i] ?? `step${i}`));

function post(path, key, body) {
  const data = JSON.stringify(body);
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(data),
    "idempotency-key": `"${key}"`,
  };
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: process.env.STEPS_PORT, method: "POST", path, agent, headers };
    const request = http.request(options, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece));
      answer.on("end", () => {
        if (answer.statusCode < 300) resolve(JSON.parse(text));
        else if (answer.statusCode < 500) reject(new restate.TerminalError("refused"));
        else reject(new Error(`status ${answer.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end(data);
  });
}

async function place(context, input) {
  const id = context.rand.uuidv4();
  const undos = [];
  try {
    for (const step of steps) {
      undos.push(step);
      await context.run(step, () => post(`/${step}`, `${id}-${step}-a`, input));
    }
    return { state: "completed" };
  } catch (error) {
    if (!(error instanceof restate.TerminalError)) throw error;
    undos.pop(); // refused: it had no effect
    for (const step of undos.reverse()) {
      await context.run(`undo-${step}`, () => post(`/undo-${step}`, `${id}-${step}-c`, input));
    }
    return { state: "compensated" };
  }
}

restate.serve({ services: [restate.service({ name: "order", handlers: { place } })], port: Number(process.env.PORT) });
