package sctp

import "bytes"

// Parameters of INIT and INIT ACK.
const (
	paramCookie       = 7
	paramZeroChecksum = 0x8001 // RFC 9653
	paramExtensions   = 0x8008 // RFC 5061, section 4.2.7

	errorDetectionDTLS = 1 // RFC 9653, section 8.2

	maxCookie = 1024 // those in use have 32 to 500 bytes
)

func (a *Assoc) appendInit(b []byte, kind byte, cookie []byte) []byte {
	v := be.AppendUint32(nil, a.cfg.Tag)
	v = be.AppendUint32(v, uint32(a.cfg.Window))
	v = be.AppendUint16(v, 65535)
	v = be.AppendUint16(v, 65535)
	v = be.AppendUint32(v, a.cfg.TSN)
	if cookie != nil {
		v = appendParam(v, paramCookie, cookie)
	}
	v = appendParam(v, paramZeroChecksum, []byte{0, 0, 0, errorDetectionDTLS})
	v = appendParam(v, paramExtensions, []byte{ctReconfig})
	return appendChunk(b, kind, 0, v)
}

// ourCookie is what the other side has to return. DTLS has shown who it is and that
// its address is its own, which is what cookies are for; the state stays here.
func (a *Assoc) ourCookie() []byte {
	return be.AppendUint32(be.AppendUint32(nil, a.cfg.Tag), a.cfg.TSN)
}

// handleInit takes the other side's parameters from INIT or INIT ACK. Both sides send
// INIT (RFC 9260, section 5.2.1), with the same parameters as the INIT ACK they answer.
func (a *Assoc) handleInit(v []byte, kind byte) (cookie []byte, ok bool) {
	if len(v) < 16 {
		return nil, false
	}
	tag, window, tsn := be.Uint32(v), be.Uint32(v[4:]), be.Uint32(v[12:])
	if tag == 0 || a.state == established || a.peerKnown && (tag != a.peerTag || tsn != a.in.cum+1) {
		return nil, false
	}
	zero := false
	for rest := v[16:]; ; {
		k, value, after, more := nextParam(rest)
		if !more {
			break
		}
		switch {
		case k == paramCookie && len(value) <= maxCookie:
			cookie = value
		case k == paramZeroChecksum && len(value) == 4:
			zero = be.Uint32(value) == errorDetectionDTLS
		}
		rest = after
	}
	a.peerKnown, a.peerTag, a.noChecksum = true, tag, zero
	a.in.cum = tsn - 1
	a.reset.peerNext = tsn
	a.out.window = int(window)
	if kind == ctInit && len(a.control) < maxControl {
		a.control = append(a.control, a.appendInit(nil, ctInitAck, a.ourCookie()))
	}
	return cookie, true
}

func (a *Assoc) handleInitAck(v []byte) {
	if a.state != cookieWait {
		return
	}
	cookie, ok := a.handleInit(v, ctInitAck)
	if !ok || cookie == nil {
		return
	}
	a.cookie = bytes.Clone(cookie)
	a.state = cookieEchoed
	a.initSend, a.initAt, a.initWait = true, 0, firstInitWait
}

func (a *Assoc) handleCookieEcho(v []byte) {
	if !a.peerKnown || !bytes.Equal(v, a.ourCookie()) {
		return
	}
	a.reply(ctCookieAck, nil)
	a.establish()
}

func (a *Assoc) establish() {
	if a.state == established {
		return
	}
	a.state = established
	a.initSend, a.initAt, a.cookie = false, 0, nil
}
