package node

import (
	"context"
	"io"
	"net/http"
)

// contextClose interrupts a read that waits for a piece when the client goes
// away.
func contextClose(r *http.Request, c io.Closer) (stop func() bool) {
	return context.AfterFunc(r.Context(), func() { c.Close() })
}
