// One webtorrent.js peer in Node for the Go tests, over TCP alone: its WebRTC for Node is a
// native module, which is not installed and not needed here.
//
//	node webtorrent.mjs x.torrent DIR OPTIONS
//
// OPTIONS is what its constructor gets besides, as JSON; it is as it is by itself otherwise.
// It verifies what is in DIR, fetches the rest from peers that the torrent's trackers name,
// prints {"event":"done"}, seeds, and ends when stdin closes.
import { register } from 'node:module'
import { readFileSync } from 'node:fs'

register('data:text/javascript,' + encodeURIComponent(`
export const resolve = (name, context, next) => name === 'webrtc-polyfill' || name === 'node-datachannel/polyfill'
  ? { url: 'data:text/javascript,export const RTCPeerConnection = undefined, RTCSessionDescription = undefined, RTCIceCandidate = undefined; export default {}', shortCircuit: true }
  : next(name, context)
`))
const { default: WebTorrent } = await import('webtorrent')

const say = (fields) => console.log(JSON.stringify(fields))
const [torrent, path, options] = process.argv.slice(2)

process.stdin.on('end', () => process.exit(0)).resume()
const client = new WebTorrent({ dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false, utPex: false, ...JSON.parse(options) })
client.on('error', (err) => { say({ event: 'error', message: err.message }); process.exit(1) })
const t = client.add(readFileSync(torrent), { path })
t.on('warning', (err) => console.error(String(err)))
t.on('done', () => say({ event: 'done' }))
