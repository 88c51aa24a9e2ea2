// Drives one Firefox for the Go tests, by puppeteer-core and WebDriver BiDi; or a Chromium
// whose tabs in the background are as they are for people. Playwright has a Firefox of its
// own making alone, and tells every tab that it is in front.
import puppeteer from 'puppeteer-core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { add, methods, page, serve } from './lines.mjs';

let browser, profile;

// Nothing goes out but what the test does, and films start without a click.
const prefs = {
  'app.update.disabledForTesting': true,
  'browser.region.network.url': '',
  'browser.safebrowsing.downloads.remote.enabled': false,
  'browser.topsites.contile.enabled': false,
  'devtools.jsonview.enabled': false, // as any other page
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'messaging-system.rsexperimentloader.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.enabled': false,
};

// What Puppeteer gives Chromium so that no tab sleeps.
const wakeful = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'];

serve({
  ...methods,
  // executable: the system's browser; mdns: leave host names in ICE candidates hidden.
  async launch({ executable, firefox, mdns, args }) {
    profile = await mkdtemp(join(tmpdir(), 'shoal-browser-'));
    const common = { executablePath: executable, headless: true, userDataDir: profile, defaultViewport: null };
    browser = await puppeteer.launch(firefox ? {
      ...common, browser: 'firefox', args: args ?? [],
      extraPrefsFirefox: {
        ...prefs,
        'media.peerconnection.ice.obfuscate_host_addresses': mdns ?? false,
        'media.peerconnection.ice.loopback': true,
      },
    } : {
      ...common, browser: 'chrome', ignoreDefaultArgs: wakeful,
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update',
        '--disable-features=Translate,MediaRouter,OptimizationHints,WebRtcHideLocalIpsWithMdns', ...(args ?? []),
      ],
    });
    return { version: await browser.version() };
  },
  async open({ url, timeout = 30000, init }) {
    const p = await browser.newPage();
    const id = add(p);
    if (init) await p.evaluateOnNewDocument(init);
    await p.goto(url, { timeout, waitUntil: 'domcontentloaded' });
    return { page: id };
  },
  async goto({ page: id, url, timeout = 30000 }) {
    await page(id).goto(url, { timeout, waitUntil: 'domcontentloaded' });
  },
  async files({ page: id, selector, files }) {
    const input = await page(id).waitForSelector(selector, { timeout: 10000 });
    await input.uploadFile(...files);
  },
  async click({ page: id, selector, timeout = 10000 }) {
    await page(id).waitForSelector(selector, { visible: true, timeout });
    await page(id).click(selector);
  },
  async fill({ page: id, selector, value }) {
    await page(id).locator(selector).fill(value);
  },
  async viewport({ page: id, width, height }) {
    await page(id).setViewport({ width, height });
  },
}, async () => {
  try { await browser?.close(); } catch { /* it is gone already */ }
  if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});
