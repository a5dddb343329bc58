// What the programs of this suite share: a case is a line of JSON, {"case": NAME, "error": null or what it said}.
import * as k8s from '@kubernetes/client-node';

// Longest wait for a condition, and the pause between two looks.
const PATIENCE_MS = 60_000;
const POLL_MS = 50;

/** The configuration that `KUBECONFIG` names. */
export function kubeconfig() {
  const config = new k8s.KubeConfig();
  config.loadFromFile(process.env.KUBECONFIG);
  return config;
}

/** One line of JSON for who started this program. */
export function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Runs the cases one after another, and ends the program. */
export async function run(suite, cases) {
  for (const [name, body] of Object.entries(cases)) {
    try {
      await body();
      tell({ case: `${suite}::${name}`, error: null });
    } catch (error) {
      tell({ case: `${suite}::${name}`, error: String(error.stack ?? error) });
    }
  }
  // The client keeps its sockets open.
  process.exit(0);
}

/** Looks until there is an answer. */
export async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The status that the server refuses a call with. */
export async function refusal(call) {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof k8s.ApiException)) throw error;
    const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    return { ...status, http: error.code };
  }
  throw new Error('the call was not refused');
}
