// A WebRTC that makes offers and answers and goes no further, for programs in Node.
//
// Its SDPs are of a browser's size, hold what a careless relay spoils (line ends, quotes, backslashes, letters beyond
// ASCII), and end with their own checksum: a session that gets an altered one fails. A connection counts as open
// when both sides have the other's SDP.
import { createHash, randomBytes } from 'node:crypto';

const sum = (text) => createHash('sha256').update(text).digest('hex');

function sdp(answers = '') {
  const text = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's="\\\\ größe 日本 \u{1F30A}"', 't=0 0',
    `a=ice-ufrag:${randomBytes(4).toString('hex')}`, `a=answers:${answers}`,
    ...Array.from({ length: 16 }, () => `a=candidate:${randomBytes(32).toString('hex')}`), ''].join('\r\n');
  return `${text}a=sum:${sum(text)}\r\n`;
}

function check(description) {
  const cut = description.sdp.lastIndexOf('a=sum:');
  if (cut < 0 || description.sdp.slice(cut + 6).trim() !== sum(description.sdp.slice(0, cut))) {
    throw new Error(`the ${description.type} was altered on its way`);
  }
}

export class RTCSessionDescription {
  constructor({ type, sdp: text }) { this.type = type; this.sdp = text; }
}

export class RTCIceCandidate {}

export class RTCPeerConnection {
  iceConnectionState = 'new';
  iceGatheringState = 'new';
  connectionState = 'new';
  signalingState = 'stable';
  localDescription = null;
  remoteDescription = null;

  createDataChannel(label) {
    return (this.channel = { label, readyState: 'connecting', bufferedAmount: 0, close() {}, send() {} });
  }

  async createOffer() { return { type: 'offer', sdp: sdp() }; }

  async createAnswer() { return { type: 'answer', sdp: sdp(sum(this.remoteDescription.sdp)) }; }

  async setLocalDescription(description) {
    this.localDescription = new RTCSessionDescription(description);
    setTimeout(() => {
      this.iceGatheringState = 'complete';
      this.onicecandidate?.({ candidate: null });
      if (description.type === 'answer') this.open();
    });
  }

  async setRemoteDescription(description) {
    check(description);
    this.remoteDescription = description;
    if (description.type !== 'answer') return;
    if (!description.sdp.includes(`a=answers:${sum(this.localDescription.sdp)}\r\n`)) throw new Error('this answer is to another offer');
    setTimeout(() => this.open());
  }

  open() {
    if (!this.channel) {
      this.createDataChannel('');
      this.ondatachannel?.({ channel: this.channel });
    }
    this.iceConnectionState = this.connectionState = 'connected';
    this.oniceconnectionstatechange?.();
    this.channel.readyState = 'open';
    this.channel.onopen?.();
  }

  async getStats() {
    return [{ type: 'transport', selectedCandidatePairId: 'pair' }, { type: 'candidate-pair', id: 'pair' }];
  }

  close() {}
}
