// A page written against the API of webtorrent.js 3. The tests run it as it is, and with
// the import below changed to Shoal's.
import WebTorrent from '/webtorrent.min.js';

const client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } }, loopback: true });
const seen = [];
client.on('error', (err) => seen.push('client error ' + (err?.message ?? err)));
client.on('torrent', () => seen.push('client torrent'));

const until = async (ready) => {
  while (!ready()) await new Promise((resolve) => setTimeout(resolve, 20));
};
const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Shares files that it takes from this site.
window.seed = async (names, announce) => {
  const files = await Promise.all(names.map(async (name) => new File([await (await fetch('/files/' + name)).blob()], name)));
  return new Promise((resolve) => {
    const torrent = client.seed(files, { name: 'album', announce, comment: 'for all' }, (ready) => {
      resolve({ same: torrent === ready, magnet: ready.magnetURI, infoHash: ready.infoHash, file: ready.torrentFile.length > 0, progress: ready.progress });
    });
  });
};

// Downloads what was shared, in every way that the documentation shows.
window.download = async (magnet) => {
  const count = {};
  client.throttleDownload(400_000);
  const torrent = client.add(magnet, (ready) => seen.push('callback ' + ready.name));
  for (const name of ['infoHash', 'metadata', 'ready', 'wire', 'download', 'verified', 'done']) {
    torrent.on(name, () => { count[name] = (count[name] ?? 0) + 1; });
  }
  torrent.once('wire', (wire) => seen.push('wire ' + wire.type + ' ' + (wire.peerId.length === 40)));
  await new Promise((resolve) => torrent.on('ready', resolve));
  torrent.deselect(0, torrent.pieces.length - 1, false);
  torrent.files.forEach((file) => file.select());
  torrent.critical(0, 0);
  await until(() => torrent.received > 0);

  torrent.pause();
  const paused = torrent.paused;
  await rest(1500);
  const before = torrent.received;
  await rest(1500);
  const still = torrent.received === before && torrent.numPeers === 0;
  torrent.resume();
  client.throttleDownload(-1);
  await until(() => torrent.done);

  const text = torrent.files.find((file) => file.name === 'note.txt');
  let streamed = '';
  for await (const chunk of text) streamed += new TextDecoder().decode(chunk);
  const got = await client.get(torrent.infoHash);
  const result = {
    paused, still, streamed,
    blob: await (await text.blob()).text(),
    buffer: (await text.arrayBuffer()).byteLength,
    got: got === torrent,
    torrents: client.torrents.length,
    facts: [torrent.name, torrent.files.map((file) => file.path).sort(), torrent.length, torrent.progress, torrent.downloaded, torrent.timeRemaining, text.progress, text.type],
    rates: [client.progress, client.ratio, typeof client.downloadSpeed, typeof torrent.uploadSpeed],
  };
  if (text.renderTo) result.shown = await window.show(torrent); // webtorrent.js had these before its version 2

  const { infoHash } = torrent;
  await client.remove(infoHash, { destroyStore: true });
  result.removed = !(await client.get(infoHash));
  result.counted = Object.keys(count).sort().join(' ');
  result.seen = seen;
  return result;
};

window.show = async (torrent) => {
  const film = torrent.files.find((file) => file.name.endsWith('.mp4'));
  const text = torrent.files.find((file) => file.name === 'note.txt');
  const video = document.querySelector('video');
  await film.streamTo(video);
  await until(() => video.duration > 0);
  const streamed = video.src === film.streamURL;
  video.removeAttribute('src');
  const rendered = await new Promise((resolve) => film.renderTo('video', (err, element) => resolve(!err && element === video && element.controls)));
  const added = await new Promise((resolve) => text.appendTo('#root', (err, element) => resolve(!err && element.localName)));
  const bytes = await new Promise((resolve) => text.getBlobURL(async (err, url) => resolve((await (await fetch(url)).text()).length)));
  await until(() => video.duration > 0);
  return [streamed, rendered, added, bytes];
};

window.end = () => new Promise((resolve) => client.destroy(() => resolve(true)));
window.loaded = true;
