// Runs the tracker of the JavaScript world, bittorrent-tracker, on a free
// loopback port: WebSocket and HTTP. It ends when stdin closes.
import Server from 'bittorrent-tracker/server';

const server = new Server({ udp: false, http: true, ws: true, stats: false, interval: 2000 });
server.on('error', (e) => { console.error(e.message); process.exit(1); });
server.on('warning', (e) => console.error(e.message));
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ event: 'ready', port: server.http.address().port }));
});
process.stdin.on('end', () => process.exit(0)).resume();
