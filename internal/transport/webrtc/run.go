//go:build !js

package webrtc

const (
	maxRun       = 60 << 10 // bytes in one run of records to send; below UDP's limit
	maxRunPieces = 60       // records in it; the kernel takes 64
)

// A run is records to be sent at once. The memory is kept between uses.
type run struct {
	buf   []byte
	sizes []int // of the records in buf
}

func (r *run) reset() {
	if r.buf == nil {
		r.buf = make([]byte, 0, maxRun+maxDatagram)
	}
	r.buf, r.sizes = r.buf[:0], r.sizes[:0]
}

// fill adds packets that next appends, until there are none or the run is full.
func (r *run) fill(next func([]byte) []byte) {
	if r.buf == nil {
		r.reset()
	}
	for len(r.buf) < maxRun-localMTU && len(r.sizes) < maxRunPieces {
		at := len(r.buf)
		b := next(r.buf[:at+recordRoom])
		if len(b) == at+recordRoom {
			return
		}
		r.buf = b[:len(b)+recordTag]
		r.sizes = append(r.sizes, len(r.buf)-at)
	}
}

// seal encrypts the packets.
func (r *run) seal(s *sealer, kind byte) {
	at := 0
	for _, n := range r.sizes {
		s.seal(r.buf[at:at+n-recordTag:at+n], kind)
		at += n
	}
}

// write sends the records: those of one size in a row, and a shorter one at their end,
// with one call where the path goes by our own socket, which takes such runs; one by one
// through a relay.
func (r *run) write(together bool, write func([]byte) (int, error)) {
	at := 0
	for i := 0; i < len(r.sizes); {
		size := r.sizes[i]
		end := at + size
		for i++; together && i < len(r.sizes) && r.sizes[i-1] == size && r.sizes[i] <= size; i++ {
			end += r.sizes[i]
		}
		_, _ = write(r.buf[at:end])
		at = end
	}
}
