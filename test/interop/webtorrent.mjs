// One webtorrent.js peer in Node on loopback for the Go tests, over TCP alone: its WebRTC
// for Node is a native module, which is not installed and not needed here.
//
//	node webtorrent.mjs seed x.torrent DIR [options]
//	node webtorrent.mjs get x.torrent DIR HOST:PORT [options]
//
// options is what its constructor gets besides, as JSON. It prints {"event":"listening","port":1},
// {"event":"peer","encryption":"rc4"} of each peer and {"event":"done"}, and ends when stdin closes.
import { register } from 'node:module'
import { readFileSync } from 'node:fs'

register('data:text/javascript,' + encodeURIComponent(`
export const resolve = (name, context, next) => name === 'webrtc-polyfill' || name === 'node-datachannel/polyfill'
  ? { url: 'data:text/javascript,export const RTCPeerConnection = undefined, RTCSessionDescription = undefined, RTCIceCandidate = undefined; export default {}', shortCircuit: true }
  : next(name, context)
`))
const { default: WebTorrent } = await import('webtorrent')

const say = (fields) => console.log(JSON.stringify(fields))
const [what, torrent, path, ...rest] = process.argv.slice(2)
const peer = what === 'get' ? rest.shift() : undefined
const options = JSON.parse(rest[0] ?? '{}')

process.stdin.on('end', () => process.exit(0)).resume()
const client = new WebTorrent({
  dht: false, lsd: false, utp: false, tracker: false, natUpnp: false, natPmp: false, utPex: false, ...options,
})
client.on('error', (err) => { say({ event: 'error', message: err.message }); process.exit(1) })
const t = client.add(readFileSync(torrent), { path, announce: [], skipVerify: false })
t.on('wire', (wire) => {
  const encrypted = wire._cryptoHandshakeDone || wire._setGenerators
  say({ event: 'peer', encryption: wire._encryptionMethod === 2 ? 'rc4' : encrypted ? 'plain' : 'none' })
})
t.on('error', (err) => say({ event: 'error', message: err.message }))
t.on('ready', () => {
  say({ event: 'listening', port: client.torrentPort })
  if (peer) t.addPeer(peer)
})
t.on('done', () => say({ event: 'done' }))
