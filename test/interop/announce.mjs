// Announces with bittorrent-tracker's client, as webtorrent.js and p2p-media-loader do, for the Go tests.
//
// It takes a JSON object a line on stdin:
//
//     {"new": "a", "infoHash": "40 hex digits", "peerId": "40 hex digits", "announce": "ws://...", "port": 6881}
//     {"on": "a", "call": "start", "with": {"left": 0}}     also update, complete, stop, scrape, destroy
//
// and prints what the client emits: {"event": "update", "client": "a", "complete": 1, ...}, "peer", "scrape", "warning".
// Clients of one process share a WebSocket to the same address. It ends when stdin closes.
import { register } from 'node:module';
import { createInterface } from 'node:readline';

// Node has no WebRTC of its own, so offers and answers come from webrtc.mjs.
register('data:text/javascript,' + encodeURIComponent(`
  export const resolve = (name, context, next) => name === 'webrtc-polyfill'
    ? { url: ${JSON.stringify(new URL('webrtc.mjs', import.meta.url).href)}, shortCircuit: true } : next(name, context);
`));
const { default: Client } = await import('bittorrent-tracker/client');

const clients = new Map();
const say = (event, client, fields) => console.log(JSON.stringify({ event, client, ...fields }));

function create({ new: name, ...options }) {
  const c = new Client(options);
  clients.set(name, c);
  c.on('update', ({ complete, incomplete, interval }) => say('update', name, { complete, incomplete, interval }));
  c.on('scrape', ({ infoHash, complete, incomplete, downloaded }) => say('scrape', name, { infoHash, complete, incomplete, downloaded }));
  c.on('warning', (e) => say('warning', name, { message: e.message }));
  c.on('error', (e) => say('warning', name, { message: e.message }));
  // An address from HTTP and UDP, a connection from WebSocket.
  c.on('peer', (peer) => {
    if (typeof peer === 'string') return say('peer', name, { address: peer });
    peer.on('error', (e) => say('warning', name, { message: e.message }));
    peer.once('connect', () => say('connected', name, { peer: peer.id, offered: peer.initiator }));
  });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.new) create(order);
  else clients.get(order.on)[order.call](order.with);
}).on('close', () => process.exit(0));
console.log(JSON.stringify({ event: 'ready' }));
