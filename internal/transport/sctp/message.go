package sctp

import "sync"

// A message is bytes that were written, until all of them are acknowledged.
type message struct {
	data   []byte
	class  int
	refs   int // the queue, and chunks not acknowledged
	sent   int // bytes
	stream uint16
	ssn    uint16
	ppid   uint32
}

// classes are the sizes of the memory that messages are kept in: requests and haves,
// a block, a run of blocks.
var classes = [...]int{1 << 10, 17 << 10, 64 << 10}

var messages [len(classes)]sync.Pool

func newMessage(stream uint16, ppid uint32, bufs [][]byte) *message {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	class := 0
	for class < len(classes) && classes[class] < size {
		class++
	}
	var m *message
	if class < len(classes) {
		m, _ = messages[class].Get().(*message)
		size = classes[class]
	}
	if m == nil {
		m = &message{data: make([]byte, 0, size), class: class}
	}
	m.refs, m.sent, m.stream, m.ppid = 1, 0, stream, ppid
	m.data = m.data[:0]
	for _, b := range bufs {
		m.data = append(m.data, b...)
	}
	return m
}

func (m *message) release() {
	if m.refs--; m.refs == 0 && m.class < len(classes) {
		messages[m.class].Put(m)
	}
}
