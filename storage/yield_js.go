package storage

import "time"

var lastYield time.Time

// yield lets the worker's event loop run when it has been kept waiting: Go in
// the browser is one thread, and hashing never waits by itself.
func yield() {
	if time.Since(lastYield) > 40*time.Millisecond {
		time.Sleep(time.Millisecond)
		lastYield = time.Now()
	}
}
