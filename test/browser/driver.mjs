// Drives one Chromium for the Go tests: a JSON command a line on stdin, a JSON
// reply a line on stdout. It ends, and the browser with it, when stdin closes.
import { chromium } from 'playwright-core';
import { createInterface } from 'node:readline';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const pages = new Map();
const dead = new Map(); // page -> why its engine stopped; no use to wait for it
let context, profile, nextPage = 1;

function send(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

function page(id) {
  const p = pages.get(id);
  if (!p) throw new Error(`no page ${id}`);
  return p;
}

const methods = {
  // executable: the system's browser; mdns: leave host names in ICE candidates hidden.
  async launch({ executable, mdns, args }) {
    profile = await mkdtemp(join(tmpdir(), 'shoal-chromium-'));
    const flags = [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required', ...(args ?? []),
    ];
    // Playwright disables features of its own with this flag; two of the same
    // name would not add up, so ours replaces it.
    flags.push(mdns
      ? '--disable-features=Translate,MediaRouter,OptimizationHints'
      : '--disable-features=Translate,MediaRouter,OptimizationHints,WebRtcHideLocalIpsWithMdns');
    context = await chromium.launchPersistentContext(profile, {
      executablePath: executable, headless: true, args: flags, viewport: { width: 1280, height: 800 },
      acceptDownloads: true,
    });
    return { version: context.browser()?.version() ?? '' };
  },
  async open({ url, timeout = 30000, init }) {
    const id = nextPage++;
    const p = await context.newPage();
    pages.set(id, p);
    p.on('console', (m) => {
      send({ log: { page: id, type: m.type(), text: m.text() } });
      if (/^(panic|fatal error): /.test(m.text())) dead.set(id, m.text());
    });
    p.on('pageerror', (e) => send({ log: { page: id, type: 'pageerror', text: String(e.stack ?? e) } }));
    p.on('crash', () => send({ log: { page: id, type: 'crash', text: 'the page crashed' } }));
    p.on('requestfailed', (r) => send({ log: { page: id, type: 'requestfailed', text: `${r.url()} ${r.failure()?.errorText}` } }));
    if (init) await p.addInitScript(init);
    await p.goto(url, { timeout, waitUntil: 'commit' });
    return { page: id };
  },
  async goto({ page: id, url, timeout = 30000 }) {
    await page(id).goto(url, { timeout, waitUntil: 'commit' });
  },
  async eval({ page: id, expr }) {
    return { value: await page(id).evaluate(expr) };
  },
  async wait({ page: id, expr, timeout }) {
    // Polled from here: a page's content security policy has no say in it, and
    // a hidden page's timers do not either.
    const end = Date.now() + timeout;
    for (let last = ''; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      try {
        if (await page(id).evaluate(expr)) return;
        last = '';
      } catch (e) {
        last = `: ${e.message}`;
      }
      if (dead.has(id)) throw new Error(`the engine stopped: ${dead.get(id)}`);
      if (Date.now() > end) throw new Error(`not true in time${last}`);
    }
  },
  async files({ page: id, selector, files }) {
    await page(id).setInputFiles(selector, files);
  },
  async click({ page: id, selector, timeout = 10000 }) {
    await page(id).click(selector, { timeout });
  },
  async fill({ page: id, selector, value }) {
    await page(id).fill(selector, value);
  },
  async press({ page: id, key }) {
    await page(id).keyboard.press(key);
  },
  // Clicks and saves the download that follows.
  async download({ page: id, selector, path, timeout = 30000 }) {
    const [d] = await Promise.all([page(id).waitForEvent('download', { timeout }), page(id).click(selector)]);
    await d.saveAs(path);
    return { name: d.suggestedFilename() };
  },
  async viewport({ page: id, width, height }) {
    await page(id).setViewportSize({ width, height });
  },
  async emulate({ page: id, media }) {
    await page(id).emulateMedia(media);
  },
  // Slows peer connections and requests of the page down; bytes a second.
  async throttle({ page: id, rate }) {
    const cdp = await context.newCDPSession(page(id));
    await cdp.send('Network.enable');
    await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: rate, uploadThroughput: rate });
  },
  // What the page's origin may store, in bytes.
  async quota({ page: id, bytes }) {
    const cdp = await context.newCDPSession(page(id));
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: new URL(page(id).url()).origin, quotaSize: bytes });
  },
  async screenshot({ page: id, path }) {
    await page(id).screenshot({ path });
  },
  async close({ page: id }) {
    await page(id).close();
    pages.delete(id);
  },
};

async function end() {
  try { await context?.close(); } catch { /* it is gone already */ }
  if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  process.exit(0);
}

const input = createInterface({ input: process.stdin });
input.on('line', async (line) => {
  const { id, method, params } = JSON.parse(line);
  try {
    send({ id, result: (await methods[method](params ?? {})) ?? {} });
  } catch (e) {
    send({ id, error: String(e?.message ?? e) });
  }
});
input.on('close', end);
