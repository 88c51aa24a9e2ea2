package wsconn

import "testing"

// When Go renames these fields, idle TLS connections take 17 kB more: this is where to look.
func TestTLSBuffersAreFound(t *testing.T) {
	if len(tlsBuffers) != 2 {
		t.Errorf("%d of 2 buffers of tls.Conn found", len(tlsBuffers))
	}
}
