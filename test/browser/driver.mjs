// Drives one Chromium for the Go tests, by playwright-core.
import { chromium } from 'playwright-core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { add, crashed, methods, page, serve } from './lines.mjs';

let context, profile;

serve({
  ...methods,
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
    const p = await context.newPage();
    const id = add(p);
    p.on('crash', () => crashed(id));
    if (init) await p.addInitScript(init);
    await p.goto(url, { timeout, waitUntil: 'commit' });
    return { page: id };
  },
  async goto({ page: id, url, timeout = 30000 }) {
    await page(id).goto(url, { timeout, waitUntil: 'commit' });
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
}, async () => {
  try { await context?.close(); } catch { /* it is gone already */ }
  if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});
