// What the drivers of browsers have in common: a JSON command a line on stdin, a JSON reply a
// line on stdout. They end, and the browser with them, when stdin closes.
import { createInterface } from 'node:readline';

const pages = new Map();
const dead = new Map(); // page -> why its engine stopped; no use to wait for it
let nextPage = 1;

function send(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

export function page(id) {
  const p = pages.get(id);
  if (!p) throw new Error(`no page ${id}`);
  return p;
}

// add takes a page in and tells what it logs.
export function add(p) {
  const id = nextPage++;
  pages.set(id, p);
  p.on('console', (m) => {
    send({ log: { page: id, type: m.type(), text: m.text() } });
    if (/^(panic|fatal error): /.test(m.text())) dead.set(id, m.text());
  });
  p.on('pageerror', (e) => send({ log: { page: id, type: 'pageerror', text: String(e.stack ?? e) } }));
  p.on('requestfailed', (r) => send({ log: { page: id, type: 'requestfailed', text: `${r.url()} ${r.failure()?.errorText}` } }));
  return id;
}

export function crashed(id) {
  send({ log: { page: id, type: 'crash', text: 'the page crashed' } });
}

// What every driver does alike.
export const methods = {
  async eval({ page: id, expr }) {
    return { value: await page(id).evaluate(expr) };
  },
  async wait({ page: id, expr, timeout }) {
    // Polled from here: a page's content security policy has no say in it, and
    // a hidden page's timers do not either.
    const end = Date.now() + timeout;
    for (let last = ''; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      try {
        // What is true may be an element, and those do not travel.
        if (await page(id).evaluate(`(async () => Boolean(await (${expr})))()`)) return;
        last = '';
      } catch (e) {
        last = `: ${e.message}`;
      }
      if (dead.has(id)) throw new Error(`the engine stopped: ${dead.get(id)}`);
      if (Date.now() > end) throw new Error(`not true in time${last}`);
    }
  },
  async press({ page: id, key }) {
    await page(id).keyboard.press(key);
  },
  async front({ page: id }) {
    await page(id).bringToFront();
  },
  async screenshot({ page: id, path }) {
    await page(id).screenshot({ path });
  },
  async close({ page: id }) {
    await page(id).close();
    pages.delete(id);
  },
};

// serve answers commands until there are no more, then calls end.
export function serve(methods, end) {
  const input = createInterface({ input: process.stdin });
  input.on('line', async (line) => {
    const { id, method, params } = JSON.parse(line);
    try {
      send({ id, result: (await methods[method](params ?? {})) ?? {} });
    } catch (e) {
      send({ id, error: String(e?.message ?? e) });
    }
  });
  input.on('close', async () => {
    await end();
    process.exit(0);
  });
}
