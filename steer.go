//go:build !js

package shoal

import (
	"context"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/native"
)

// Errors of [Torrent.Recheck].
var (
	// ErrChecking says that the content is being verified already.
	ErrChecking = driver.ErrChecking
	// ErrNoCheck says that there is nothing yet that could be verified, or that the
	// Storage is the program's own.
	ErrNoCheck = driver.ErrNoCheck
)

// Goals end the seeding of a complete torrent; the first that is reached counts. The
// zero value has none: a torrent is seeded until it is paused or closed. With
// Config.StateDir they count on from one run of the program to the next.
type Goals struct {
	// Ratio is bytes of content sent by bytes received since the torrent was added,
	// or by its size where it was complete then. 0 is no such goal.
	Ratio float64
	// Time is how long the torrent is seeded, since it was added; looked at every
	// five seconds. 0 is no such goal.
	Time time.Duration
}

// Pause ends all connections and announces. A torrent that is paused takes no place
// in the queue.
func (t *Torrent) Pause() { t.n.Pause(true) }

// Resume ends a pause, and starts again what had failed, for example after room
// was made on the disk. The torrent may have to wait in the queue.
func (t *Torrent) Resume() { t.n.Pause(false) }

// Paused reports whether [Torrent.Pause] or AddOptions.Paused holds.
func (t *Torrent) Paused() bool { return t.n.Paused() }

// SetForced has the torrent run whatever Config.MaxActiveDownloads, MaxActiveSeeds
// and its goals say, or ends that. A pause holds all the same.
func (t *Torrent) SetForced(on bool) { t.n.Force(on) }

// Forced reports whether [Torrent.SetForced] or AddOptions.Forced holds.
func (t *Torrent) Forced() bool { return t.n.Forced() }

// Queued reports whether the torrent waits for others to end, because of
// Config.MaxActiveDownloads or MaxActiveSeeds.
func (t *Torrent) Queued() bool { return t.n.Queued() }

// SetGoals changes when the torrent is no longer seeded. One that had reached a goal
// is seeded again, unless it has reached one of the new ones.
func (t *Torrent) SetGoals(g Goals) { t.n.SetGoals(native.Goals(g)) }

// Goals are those of [Torrent.SetGoals], AddOptions.Goals or Config.Goals.
func (t *Torrent) Goals() Goals { return Goals(t.n.Goals()) }

// GoalReached reports whether the torrent is no longer seeded because a goal is
// reached. [Torrent.SetGoals] or [Torrent.SetForced] start it again.
func (t *Torrent) GoalReached() bool { return t.n.Rested() }

// Recheck verifies everything that is stored, and has fetched again what is not
// genuine. Meanwhile there are no connections. progress may be nil. When the context
// ends all stays as it was. Errors: [ErrChecking], [ErrNoCheck], [ErrNotRunning], the
// context's, *storage.Error for files that cannot be read.
func (t *Torrent) Recheck(ctx context.Context, progress Progress) error {
	return t.n.Recheck(ctx, progress)
}
