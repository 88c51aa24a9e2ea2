// The parts of the operator's page below the plots: days and months, torrents, limits, certificates and
// files. It stands behind dashboard.js, whose helpers it uses.
'use strict';

// What is turned away, by reason, in words.
const REASONS = {
  connect_rate: 'connections opened too fast', connections: 'more connections than there may be', connections_address: 'too many connections of an address',
  connections_prefix: 'too many connections of a prefix', connections_pending: 'connections that say nothing', request_size: 'requests that are too large',
  request_time: 'requests that take too long', slow_reader: 'replies that nobody reads', buffers: 'memory for messages used up',
  buffers_address: 'an address’s share of that memory', request_body: 'requests with a body', message_size: 'messages that are too large',
  message_time: 'messages that take too long', bad_messages: 'too many bad messages', candidates: 'too many ICE candidates',
  announces_connection: 'announces of a connection', announces_address: 'announces of an address', announces_prefix: 'announces of a prefix',
  offers_connection: 'offers of a connection', peers_connection: 'torrents of a connection', peers_address: 'torrents of an address',
  peer_ids: 'peer ids of a connection in a swarm', full: 'swarms or peers in all', udp_errors: 'error replies by UDP',
  no_route: 'answers to peers that have left', receiver_gone: 'receivers that are leaving', receiver_slow: 'receivers that do not read',
  receiver_buffer: 'receivers, with memory used up', malformed: 'requests that cannot be read', client_denied: 'clients that are not let in',
  announce_denied: 'torrents that are not served', peer_id_taken: 'peer ids of others', full_scrape: 'scrapes of everything',
  hook_denied: 'peers that the service denies', hook_away: 'peers about whom the service cannot be asked',
  address_unknown: 'clients without an address', connection_id: 'UDP without a connection id', shutting_down: 'clients that came while it drains', token_ended: 'connections whose token has expired',
  relay_sessions: 'TURN sessions', relay_unproven: 'TURN packets without a session', relay_auth: 'wrong TURN credentials',
  relay_peer: 'addresses that TURN does not reach', relay_rate: 'bytes above TURN’s rates', cluster_gone: 'relays for peers that have left',
  cluster_overload: 'messages that the cluster could not take', cluster_malformed: 'messages of the cluster that cannot be read',
};

// How the buckets of a range are made of what past.json has, and what a time is called there.
const day = 86400e3;
const utc = (o) => new Intl.DateTimeFormat('en-GB', { ...o, timeZone: 'UTC' });
const hourName = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit', hour12: false });
const dayName = utc({ day: 'numeric', month: 'short' });
const monthName = utc({ month: 'short', year: 'numeric' });
const RANGES = {
  hours: { from: 'hours', step: 3600e3, length: 48, name: hourName, each: 'an hour', over: 'in 2 days' },
  days: { from: 'days', step: day, length: 31, name: dayName, each: 'a day', over: 'in a month' },
  weeks: { from: 'days', step: 7 * day, length: 53, name: dayName, each: 'a week', over: 'in a year' },
  months: { from: 'days', step: 30 * day, length: 36, name: monthName, each: 'in 30 days', over: 'in 3 years' },
};

// Charts of the past. most: a bucket has the largest value of its points, otherwise their sum. stack: the
// series stand on each other, otherwise the second stands before the first.
const CHARTS = [
  { title: 'Peers at most', most: true, stack: true, series: [['WebSocket', 'webrtc_peers'], ['HTTP and UDP', 'tcp_peers']] },
  { title: 'Swarms at most', most: true, series: [['swarms', 'swarms']] },
  { title: 'Downloads', series: [['complete', 'downloads']] },
  { title: 'Announces', series: [['announces', 'announces']] },
  { title: 'Offers and answers', series: [['offers', 'offers'], ['answers', 'answers']], head: 'offers' },
  { title: 'WebSocket traffic', stack: true, bytes: true, series: [['in', 'bytes_in'], ['out', 'bytes_out']] },
];

let past, largest, range = 'hours', order = 'peers', all = false;
const FEW = 10; // torrents that are shown at first

// many is a count that may be of years.
const compact = new Intl.NumberFormat('en', { notation: 'compact', compactDisplay: 'long', maximumSignificantDigits: 3 });
const many = (v) => (v < 1e7 ? count(v) : compact.format(v));

const html1 = (name, text, attributes = {}) => html(name, attributes, text);

// buckets are the parts of a range up to now, oldest first; one of which nothing is known has no values.
function buckets() {
  const { from, step, length } = RANGES[range];
  const last = Math.floor(Date.now() / step), out = [];
  for (let i = last - length + 1; i <= last; i++) out.push({ t: i * step });
  for (const p of past[from]) {
    const b = out[Math.floor(Date.parse(p.start) / step) - (last - length + 1)];
    if (!b) continue;
    for (const { most, series } of CHARTS) for (const [, key] of series) b[key] = most ? Math.max(b[key] ?? 0, p[key]) : (b[key] ?? 0) + p[key];
  }
  return out;
}

let charts = [];
let pointed = -1; // the bucket pointed at

function makeCharts() {
  charts = CHARTS.map((chart) => {
    const value = html('span', { class: 'now' }), legend = html('ul', { class: 'legend' }), canvas = html('div', { class: 'canvas' });
    el('charts').append(html('figure', { class: 'card plot chart' }, html('div', { class: 'head' }, html1('h3', chart.title), value), legend, canvas));
    const at = (e) => {
      const box = canvas.getBoundingClientRect(), n = RANGES[range].length;
      const i = Math.floor(((e.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * n);
      pointed = i >= 0 && i < n ? i : -1;
      drawCharts();
    };
    canvas.addEventListener('pointermove', at);
    canvas.addEventListener('pointerdown', at);
    for (const end of ['pointerleave', 'pointercancel']) canvas.addEventListener(end, () => { pointed = -1; drawCharts(); });
    return { chart, value, legend, canvas };
  });
}

function drawCharts() {
  if (!past) return;
  if (!charts.length) makeCharts();
  const all = buckets();
  for (const c of charts) drawChart(c, all);
}

function drawChart({ chart, value, legend, canvas }, all) {
  const { name, each, over } = RANGES[range];
  const format = chart.bytes ? bytes : many;
  const whole = (b) => chart.series.reduce((n, [, key]) => n + (b[key] ?? 0), 0);
  const main = chart.stack ? whole : (b) => b[chart.series[0][1]] ?? 0;
  const shown = pointed < 0 ? all : [all[pointed]];
  const join = (of) => (chart.most ? Math.max(0, ...shown.map(of)) : shown.reduce((n, b) => n + of(b), 0));
  const known = shown.some((b) => b[chart.series[0][1]] !== undefined);
  value.replaceChildren(known ? format(join(main)) : '–', html1('small', pointed < 0 ? over : `${each.startsWith('in') ? 'from' : 'of'} ${name.format(all[pointed].t)}`));
  legend.replaceChildren(...(chart.series.length < 2 ? [] : chart.series.map(([title, key], i) =>
    html('li', {}, html('span', { class: `key c${i}` }), title, html1('b', known ? format(join((b) => b[key] ?? 0)) : '–')))), html1('li', `by ${each.replace(/^an? |^in /, '')}`));

  const width = canvas.clientWidth, height = canvas.clientHeight;
  const top = nice(Math.max(0, ...all.map((b) => (chart.stack ? whole(b) : Math.max(...chart.series.map(([, key]) => b[key] ?? 0))))), chart.bytes ? 1024 : 10);
  const y = (v) => TOP + (1 - Math.min(v / top, 1)) * (height - TOP - BOTTOM);
  const step = (width - LEFT - RIGHT) / all.length, wide = Math.max(step - (step > 6 ? 2 : 0.6), 1);
  const picture = svg('svg', { role: 'img', width, height });
  picture.setAttribute('aria-label', `${chart.title}, ${each}: ${chart.most ? `at most ${format(Math.max(0, ...all.map(main)))}` : `${format(all.reduce((n, b) => n + main(b), 0))} together`}, ${over}`);
  for (const part of [0, 0.5, 1]) {
    const h = Math.round(y(top * part)) + 0.5;
    picture.append(svg('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: h, y2: h }));
    picture.append(svg('text', { x: LEFT - 6, y: h + 4, 'text-anchor': 'end' }, part ? (chart.bytes ? bytes : short)(top * part, top) : '0'));
  }
  if (pointed >= 0) picture.append(svg('rect', { class: 'here', x: LEFT + pointed * step, y: TOP, width: step, height: height - TOP - BOTTOM }));
  all.forEach((b, i) => {
    let base = 0;
    chart.series.forEach(([, key], k) => {
      const v = b[key] ?? 0;
      if (!v) return;
      const up = y(base + v);
      picture.append(svg('rect', { class: `bar c${k}${!chart.stack && k === 0 && chart.series.length > 1 ? ' behind' : ''}`, x: (LEFT + i * step + (step - wide) / 2).toFixed(1), y: Math.min(up, y(base) - 1).toFixed(1), width: wide.toFixed(1), height: Math.max(y(base) - up, 1).toFixed(1) }));
      if (chart.stack) base += v;
    });
  });
  const marks = [[0, 'start'], [Math.floor(all.length / 2), 'middle'], [all.length - 1, 'end']];
  for (const [i, anchor] of marks) {
    const x = anchor === 'start' ? LEFT : anchor === 'end' ? width - RIGHT : LEFT + (i + 0.5) * step;
    picture.append(svg('text', { x, y: height - 4, 'text-anchor': anchor }, name.format(all[i].t)));
  }
  canvas.replaceChildren(picture);
}

// The columns of the table of torrents. Those that are much are left out on a narrow screen.
const NOW = [['Peers', (s) => count(s.webrtc_peers + s.tcp_peers)], ['WebSocket', (s) => count(s.webrtc_peers), 'much'], ['HTTP, UDP', (s) => count(s.tcp_peers), 'much'], ['Seeders', (s) => count(s.seeders)], ['Downloads', (s) => count(s.downloads), 'much']];
const EVER = [['Downloads', (s) => count(s.downloads)], ['Peers at most', (s) => (s.peak ? count(s.peak) : '–'), 'much'], ['Last seen', (s) => ago(Date.parse(s.seen))]];

function drawTorrents() {
  const box = el('swarms'), byDownloads = order === 'downloads' && past;
  box.hidden = !largest;
  el('order').hidden = !past;
  if (!largest) return;
  const rows = byDownloads ? past.top : largest.swarms, columns = byDownloads ? EVER : NOW;
  box.querySelector('table').hidden = !rows.length;
  box.querySelector('.none').hidden = rows.length > 0;
  const cell = (kind, text, more) => html1(kind, text, { class: `n ${more ?? ''}` });
  box.querySelector('thead').replaceChildren(html('tr', {}, html1('th', 'Torrent'), ...columns.map(([name, , more]) => cell('th', name, more))));
  box.querySelector('tbody').replaceChildren(...rows.slice(0, all ? rows.length : FEW).map((s) =>
    html('tr', {}, html('td', { title: s.info_hash }, s.name ?? html1('code', s.info_hash)), ...columns.map(([, value, more]) => cell('td', value(s), more)))));
  const button = box.querySelector('button');
  button.hidden = rows.length <= FEW;
  button.textContent = all ? `Show the first ${FEW}` : `Show all ${count(rows.length)}`;
}

const UNITS = {
  '': (l, v) => count(v), bytes: (l, v) => bytes(v), bytes_per_second: (l, v) => `${bytes(v)}/s`,
  per_second: (l, v) => `${count(v)}/s${l.burst ? `, ${count(l.burst)} at once` : ''}`,
};

function drawLimits(list) {
  el('limits').hidden = !list.length;
  el('limits').querySelector('tbody').replaceChildren(...list.map((l) => {
    const say = UNITS[l.unit], use = html('td', {});
    if (l.used === null) use.append(html1('span', l.unit === 'bytes_per_second' ? 'all together' : l.unit === 'bytes' ? 'for each message' : 'for each client', { class: 'each' }));
    else {
      const bar = html('progress', { max: l.limit, value: Math.min(l.used, l.limit), 'aria-hidden': 'true' });
      bar.toggleAttribute('data-full', l.used > 0.9 * l.limit);
      use.append(bar, `${say(l, l.used)} (${percent(l.used / l.limit)})`);
    }
    const reached = html1('td', l.hits ? `${count(l.hits)} times` : 'never', { title: l.reason });
    reached.toggleAttribute('data-bad', l.hits > 0);
    return html('tr', {}, html('td', {}, html1('code', l.setting)), use, html1('td', say(l, l.limit)), reached);
  }));
}

function drawReasons(reasons) {
  const rows = Object.entries(reasons).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  el('reasons').querySelector('.none').hidden = rows.length > 0;
  el('reasons').querySelector('ul').replaceChildren(...rows.map(([name, n]) =>
    html('li', {}, html('span', {}, REASONS[name] ?? name, html1('small', name)), html('progress', { max: rows[0][1], value: n, 'aria-hidden': 'true' }), html1('b', count(n)))));
}

const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false });

function ago(t) {
  const s = Math.max(0, Math.round((Date.now() - t) / 1000));
  return s < 60 ? 'now' : `${duration(s).split(' ').slice(0, 2).join(' ')} ago`;
}

const SOON = 14; // days before the end of a certificate, that somebody should know

function drawFiles(certificates, reload) {
  el('files').hidden = !certificates && !reload;
  const row = (name, bad, value, more) => {
    const dd = html('dd', {}, html1('span', value), ' ', html1('small', more));
    dd.querySelector('span').toggleAttribute('data-bad', bad);
    return html('div', {}, html1('dt', name), dd);
  };
  const rows = (certificates ?? []).map(({ name, end }) => {
    const left = Math.floor((Date.parse(end) - Date.now()) / day);
    return row(`Certificate for ${name}`, left < SOON, left < 0 ? 'has ended' : `ends in ${count(left)} ${left === 1 ? 'day' : 'days'}`, date.format(Date.parse(end)));
  });
  if (certificates && !certificates.length) rows.push(row('Certificates', false, 'none yet', 'one is asked for when the first client comes'));
  if (reload) rows.push(row('Files of settings, read', reload.failed.length > 0, reload.failed.length ? 'not all could be read' : 'all well', `${date.format(Date.parse(reload.at))}${reload.failed.length ? `: ${reload.failed.join('; ')}` : ''}`));
  el('files').querySelector('dl').replaceChildren(...rows);
}

// drawSections draws what stats.json has, and asks for more, once in a while.
let askedAt = 0;
async function drawSections(s) {
  drawLimits(s.limits);
  drawReasons(s.reasons);
  drawFiles(s.certificates, s.reload);
  el('pages').replaceChildren(...s.pages.flatMap((page) => [', ', html1('a', page.replace('.json', ''), { href: page })]));
  if (Date.now() - askedAt < 30e3) return;
  askedAt = Date.now();
  try {
    if (s.pages.includes('past.json')) past = await get('past.json');
    if (s.pages.includes('swarms.json')) largest = await get('swarms.json');
  } catch { // said by what asks for stats.json
    askedAt = 0;
  }
  el('past').hidden = !past;
  drawCharts();
  drawTorrents();
}

el('ranges').addEventListener('change', (e) => { range = e.target.value; pointed = -1; drawCharts(); });
el('order').addEventListener('change', (e) => { order = e.target.value; drawTorrents(); });
el('swarms').querySelector('button').addEventListener('click', () => { all = !all; drawTorrents(); });
