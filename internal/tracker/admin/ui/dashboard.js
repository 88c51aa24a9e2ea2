// The operator's page: asks for the samples it does not have yet, and draws them.
'use strict';

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });
const three = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
const exact = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

const count = (v) => (v >= 99.5 || Number.isInteger(v) ? number.format(v) : fine.format(v));
const percent = (v) => `${count(Math.round(v * 1000) / 10)} %`;
// scaled writes v in the unit that fits like, which is v itself or the top of its axis.
function scaled(v, like, units, step) {
  let i = 0;
  for (; like >= step && i < units.length - 1; i++) { v /= step; like /= step; }
  return `${v >= 99.5 ? number.format(v) : three.format(v)}${units[i]}`;
}
const bytes = (v, like = v) => scaled(v, like, [' B', ' KiB', ' MiB', ' GiB', ' TiB'], 1024);
const short = (v, like) => scaled(v, like, ['', 'k', 'M', 'G'], 1000);

const sum = (...names) => (s) => names.reduce((n, name) => n + s[name], 0);

// What is drawn. of: from the values of one sample to the value; several lines share one
// scale, the headline is their sum, or what head says. Averaged ones are means over a minute.
const PLOTS = [
  { title: 'Peers', lines: [['WebSocket', (s) => s.webrtc_peers], ['HTTP and UDP', (s) => s.tcp_peers]] },
  { title: 'Swarms', lines: [['swarms', (s) => s.swarms]], note: (s) => `${count(s.seeders)} of the peers are seeders` },
  { title: 'WebSocket connections', lines: [['open', (s) => s.connections]], note: (s) => `${count(s.accepted)} new a second, ${count(s.http_connections)} open for HTTP` },
  { title: 'Announces', unit: 'a second', lines: [['WebSocket', (s) => s.announces_ws], ['HTTP', (s) => s.announces_http], ['UDP', (s) => s.announces_udp]] },
  { title: 'Offers and answers', unit: 'offers a second', head: (s) => s.offers, lines: [['offers', (s) => s.offers], ['answers', (s) => s.answers], ['found no peer', (s) => s.unplaced]] },
  { title: 'Offers answered', unit: 'over a minute', format: percent, top: 1, lines: [['success rate', (s) => s.success]] },
  { title: 'WebSocket traffic', unit: 'a second', format: bytes, lines: [['in', (s) => s.bytes_in], ['out', (s) => s.bytes_out]] },
  { title: 'Processor', unit: 'of a core', format: percent, lines: [['used', (s) => s.cpu_cores]] },
  { title: 'Memory', format: bytes, lines: [['held by the program', (s) => s.memory_bytes]], note: (s) => `${bytes(s.buffers_bytes)} for messages under way` },
  {
    title: 'Turned away', unit: 'a second', lines: [
      ['refused', sum('refused_ws', 'refused_http', 'refused_udp')], ['limited', (s) => s.limited],
      ['malformed', (s) => s.malformed], ['dropped', (s) => s.dropped],
    ],
  },
];

const TOTALS = [
  ['Announces', (s) => count(sum('announces_ws', 'announces_http', 'announces_udp')(s.totals))],
  ['Scrapes', (s) => count(sum('scrapes_ws', 'scrapes_http', 'scrapes_udp')(s.totals))],
  ['Connections', (s) => count(s.totals.accepted)],
  ['Offers', (s) => count(s.totals.offers)], ['Answers', (s) => count(s.totals.answers)],
  ['Success rate', (s) => (s.success_rate_total === null ? '–' : percent(s.success_rate_total))],
  ['Messages in', (s) => count(s.totals.messages_in)], ['Messages out', (s) => count(s.totals.messages_out)],
  ['Turned away', (s) => count(sum('refused_ws', 'refused_http', 'refused_udp', 'limited', 'malformed', 'dropped')(s.totals))],
];
const CLUSTER = [
  ['Message bus', (c) => (c.connected ? 'connected' : 'away')], ['Nodes', (c) => count(c.nodes)], ['Swarms known', (c) => count(c.directory)],
  ['Offers in', (c) => count(c.offers_in)], ['Offers out', (c) => count(c.offers_out)], ['Dropped', (c) => count(c.dropped)],
  ['Answers in', (c) => count(c.answers_in)], ['Answers out', (c) => count(c.answers_out)], ['Undelivered', (c) => count(c.undelivered)],
];
const RELAY = [['Sessions', (r) => count(r.sessions)], ['Opened', (r) => count(r.opened)], ['Relayed', (r) => bytes(r.bytes)], ['Refused', (r) => count(r.refused)]];

const el = (id) => document.getElementById(id);
const NS = 'http://www.w3.org/2000/svg';
function svg(name, attributes, text) {
  const e = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}
function html(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

let started = 0; // of the tracker; another one means that it has restarted
let interval = 5000;
let samples = []; // {t, <series>: value}, oldest first, an hour of them
let span = 3600e3;
let cursor = 0; // the time pointed at, 0 for now

// take appends what /history.json said. Success is answers for offers in the minute up to a
// sample: in five seconds, answers to earlier offers would make it jump.
function take(h) {
  if (h.started !== started) samples = [];
  started = h.started;
  interval = h.interval;
  h.times.forEach((t, i) => {
    const s = { t };
    for (const [name, values] of Object.entries(h.series)) s[name] = values[i];
    samples.push(s);
    const minute = samples.slice(-Math.ceil(60000 / interval));
    const offers = minute.reduce((n, m) => n + m.offers, 0);
    const answers = minute.reduce((n, m) => n + m.answers, 0);
    s.success = offers > 0 ? Math.min(answers / offers, 1) : NaN;
  });
  samples = samples.slice(-Math.ceil(3600e3 / interval));
}

// nice is a round number at or above v: the top of a scale.
function nice(v, step) {
  if (!(v > 0)) return 1;
  const base = step === 1024 ? 1024 ** Math.floor(Math.log(v) / Math.log(1024)) : 1;
  if (step === 1024 && v > 800 * base) return 1024 * base;
  const power = 10 ** Math.floor(Math.log10(v / base));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power * base).find((n) => n >= v * 0.9999);
}

const cards = PLOTS.map((plot) => {
  const value = html('span', { class: 'now' });
  const legend = html('ul', { class: 'legend' });
  const canvas = html('div', { class: 'canvas' });
  const card = html('figure', { class: 'card plot' }, html('div', { class: 'head' }, html('h3', {}, plot.title), value), legend, canvas);
  el('plots').append(card);
  canvas.addEventListener('pointermove', (e) => point(plot, canvas, e));
  canvas.addEventListener('pointerdown', (e) => point(plot, canvas, e));
  for (const end of ['pointerleave', 'pointercancel']) canvas.addEventListener(end, () => { cursor = 0; draw(); });
  return { plot, value, legend, canvas };
});

const LEFT = 48, RIGHT = 8, TOP = 8, BOTTOM = 20;

// frame is the time that all plots show: the whole span, or what there is of it.
function frame() {
  const end = samples.length ? samples[samples.length - 1].t : Date.now();
  const first = samples.length ? samples[0].t : end;
  return { from: Math.max(end - span, Math.min(first, end - 60000)), end };
}

function point(plot, canvas, e) {
  const { from, end } = frame();
  const box = canvas.getBoundingClientRect();
  const share = (e.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
  cursor = share < 0 || share > 1 ? 0 : from + share * (end - from);
  draw();
}

// step moves the cursor by some samples; beyond the last one is now.
function step(by) {
  const { from } = frame();
  const i = samples.indexOf(at()) + by;
  if (i < 0 || samples[i]?.t < from) return;
  cursor = i < samples.length - 1 ? samples[i].t : 0;
  draw();
}

// at is the sample nearest to the cursor, the last one without a cursor.
function at() {
  if (!cursor) return samples[samples.length - 1];
  return samples.reduce((best, s) => (Math.abs(s.t - cursor) < Math.abs(best.t - cursor) ? s : best), samples[0]);
}

function drawPlot({ plot, value, legend, canvas }, shown, here) {
  const { from, end } = frame();
  const format = plot.format ?? count;
  const total = plot.head ?? ((s) => plot.lines.reduce((n, [, of]) => n + of(s), 0));
  const say = (v) => (Number.isNaN(v) ? '–' : format(v));
  value.replaceChildren(say(total(here)), ...(plot.unit ? [html('small', {}, plot.unit)] : []));

  const items = plot.lines.length < 2 ? [] : plot.lines.map(([name, of], i) =>
    html('li', {}, html('span', { class: `key c${i}` }), name, html('b', {}, say(of(here)))));
  if (plot.note) items.push(html('li', {}, plot.note(here)));
  legend.replaceChildren(...items);

  const width = canvas.clientWidth, height = canvas.clientHeight;
  const values = shown.flatMap((s) => plot.lines.map(([, of]) => of(s))).filter((v) => !Number.isNaN(v));
  const top = plot.top ?? nice(Math.max(0, ...values), format === bytes ? 1024 : 10);
  const x = (t) => LEFT + ((t - from) / (end - from || 1)) * (width - LEFT - RIGHT);
  const y = (v) => TOP + (1 - Math.min(Math.max(v / top, 0), 1)) * (height - TOP - BOTTOM);
  const picture = svg('svg', { role: 'img', width, height });
  const totals = shown.map(total).filter((v) => !Number.isNaN(v));
  picture.setAttribute('aria-label', totals.length
    ? `${plot.title}: from ${clock.format(from)} to ${clock.format(end)} between ${say(Math.min(...totals))} and ${say(Math.max(...totals))}${plot.unit ? ` ${plot.unit}` : ''}`
    : `${plot.title}: nothing yet`);

  for (const part of [0, 0.5, 1]) {
    const h = Math.round(y(top * part)) + 0.5;
    picture.append(svg('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: h, y2: h }));
    const label = part ? (format === count ? short : format)(top * part, top) : '0';
    picture.append(svg('text', { x: LEFT - 6, y: h + 4, 'text-anchor': 'end' }, label));
  }
  const seconds = end - from < 240e3;
  const marks = seconds || width < 330 ? 2 : 4;
  // The cursor's time stands in this row, too.
  const middle = cursor ? Math.min(Math.max(x(here.t), LEFT + 26), width - RIGHT - 26) : NaN;
  for (let i = 0; i <= marks; i++) {
    const t = from + ((end - from) * i) / marks;
    if (Math.abs(x(t) - middle) < (i % marks ? 55 : 82)) continue;
    const anchor = i === 0 ? 'start' : i === marks ? 'end' : 'middle';
    picture.append(svg('text', { x: x(t), y: height - 4, 'text-anchor': anchor }, (seconds ? exact : clock).format(t)));
  }

  plot.lines.forEach(([, of], i) => {
    // A line breaks where samples are missing and where there is no value.
    let line = '', area = '', open = 0, last = 0;
    const finish = () => { if (open) area += `L${last.toFixed(1)} ${y(0)}L${open.toFixed(1)} ${y(0)}Z`; open = 0; };
    shown.forEach((s, k) => {
      const v = of(s);
      if (Number.isNaN(v) || (k && s.t - shown[k - 1].t > 3 * interval)) finish();
      if (Number.isNaN(v)) return;
      const step = `${open ? 'L' : 'M'}${x(s.t).toFixed(1)} ${y(v).toFixed(1)}`;
      if (!open) open = x(s.t);
      last = x(s.t);
      line += step;
      area += step;
    });
    finish();
    if (i === 0) picture.append(svg('path', { class: 'area c0', d: area }));
    picture.append(svg('path', { class: `line c${i}`, d: line }));
  });

  if (cursor) {
    picture.append(svg('line', { class: 'cursor', x1: x(here.t), x2: x(here.t), y1: TOP, y2: height - BOTTOM }));
    plot.lines.forEach(([, of], i) => {
      const v = of(here);
      if (!Number.isNaN(v)) picture.append(svg('circle', { class: `dot c${i}`, cx: x(here.t), cy: y(v), r: 3 }));
    });
    picture.append(svg('text', { class: 'time', x: middle, y: height - 4, 'text-anchor': 'middle' }, exact.format(here.t)));
  }
  canvas.replaceChildren(picture);
}

let frameAsked = 0;
function draw() {
  frameAsked ||= requestAnimationFrame(() => {
    frameAsked = 0;
    if (!samples.length) return;
    const { from } = frame();
    const shown = samples.filter((s) => s.t >= from);
    const here = at();
    for (const card of cards) drawPlot(card, shown, here);
  });
}

function facts(id, rows, of) {
  el(id).hidden = !of;
  if (!of) return;
  el(id).querySelector('dl').replaceChildren(...rows.map(([name, value]) => html('div', {}, html('dt', {}, name), html('dd', {}, value(of)))));
}

const names = typeof Intl.DisplayNames === 'function' ? new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' }) : { of: (code) => code };
const MOST = 7;
function drawCountries(byCode) {
  const all = Object.entries(byCode).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  el('countries').hidden = all.length === 0;
  const rows = all.slice(0, MOST).map(([code, n]) => [code === 'unknown' ? 'Unknown' : names.of(code), n]);
  const rest = all.slice(MOST).reduce((n, [, more]) => n + more, 0);
  if (rest) rows.push([`${all.length - MOST} more`, rest]);
  const most = rows.length && rows[0][1];
  el('countries').querySelector('ul').replaceChildren(...rows.map(([name, n]) =>
    html('li', {}, html('span', {}, name), html('progress', { max: most, value: Math.min(n, most), 'aria-hidden': 'true' }), html('b', {}, count(n)))));
}

function duration(s) {
  const parts = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min']].filter(([n]) => n > 0);
  return parts.length ? parts.slice(0, 2).map(([n, unit]) => `${n} ${unit}`).join(' ') : `${s} s`;
}

function say(state, bad) {
  if (el('state').textContent !== state) el('state').textContent = state;
  el('state').toggleAttribute('data-bad', bad);
  document.body.classList.toggle('stale', state === 'no contact');
}

function drawStats(s) {
  say(s.draining ? 'draining' : 'serving', s.draining);
  el('uptime').textContent = `for ${duration(s.uptime_seconds)}`;
  el('version').textContent = s.version && `Version ${s.version}.`;
  drawCountries(s.countries);
  facts('cluster', CLUSTER, s.cluster);
  facts('relay', RELAY, s.relay);
  facts('totals', TOTALS, s);
  drawSections(s);
}

// The page's own address may hold a password, which fetch does not take.
const base = location.origin + location.pathname;
async function get(path) {
  const answer = await fetch(new URL(path, base), { cache: 'no-store', signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function poll() {
  const since = samples.length ? samples[samples.length - 1].t : 0;
  const [stats, more] = await Promise.all([get('stats.json'), get(`history.json?since=${since}`)]);
  // After a restart, what was asked for is later than anything the new history may have.
  take(more.started === started || since === 0 ? more : await get('history.json'));
  drawStats(stats);
  draw();
}

let timer = 0;
async function loop() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    await poll();
  } catch {
    say('no contact', true);
  }
  clearTimeout(timer);
  timer = setTimeout(loop, samples.length > 1 ? interval : 1000);
}
document.addEventListener('visibilitychange', loop);
new ResizeObserver(() => { draw(); drawCharts(); }).observe(el('main'));
addEventListener('keydown', (e) => {
  if (e.target instanceof HTMLInputElement || e.target instanceof HTMLButtonElement || e.altKey || e.ctrlKey || e.metaKey || !samples.length) return;
  if (e.key === 'ArrowLeft') step(e.shiftKey ? -12 : -1);
  else if (e.key === 'ArrowRight') step(e.shiftKey ? 12 : 1);
  else if (e.key === 'Escape') { cursor = 0; draw(); }
});
el('windows').addEventListener('change', (e) => { span = e.target.value * 1000; draw(); });
document.fonts?.ready.then(draw);
loop();
