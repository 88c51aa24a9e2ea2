// Package natmap keeps ports of this computer reachable through a home router.
//
// It asks the router with NAT-PMP (RFC 6886) and with UPnP IGD at once, uses
// whichever grants the mapping first, renews it, and removes it on Close. On a
// network whose router does neither it stays silent and looks again at times.
package natmap

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Config configures a [Mapper].
type Config struct {
	// TCP and UDP are ports of this computer; 0 = none.
	TCP, UDP uint16
	// Name is what the router shows for the mapping; empty = "Shoal".
	Name string
	// Changed is called when a port becomes reachable, when its external address
	// changes and when the mapping is lost. It is called from one goroutine, must
	// not block and must not call Close.
	Changed func(Mapping)
}

// Mapping is a port's address on the Internet.
type Mapping struct {
	Protocol string // "tcp" or "udp"
	Internal uint16
	// External is invalid when the mapping was lost. Its address may be one that
	// is not reachable from everywhere, when routers stand one behind another,
	// and is unspecified (0.0.0.0) when the router does not tell.
	External netip.AddrPort
	// Method is "nat-pmp" or "upnp".
	Method string
}

const (
	// lease is how long a mapping is asked for.
	lease = time.Hour
	// findTimeout bounds a search for a router, and removeTimeout what Close
	// waits for one.
	findTimeout   = 12 * time.Second
	removeTimeout = 3 * time.Second
)

// pace is when things are done again.
type pace struct {
	renew    time.Duration // mappings at the latest
	renewMin time.Duration // and at the earliest, whatever is granted
	lost     time.Duration // the search, after a router has vanished
	retry    time.Duration // the search, after none was found; doubled each time
	retryMax time.Duration
}

var usualPace = pace{
	renew: lease / 2, renewMin: time.Minute,
	lost: 30 * time.Second, retry: 5 * time.Minute, retryMax: time.Hour,
}

// router is a gateway that can be asked for mappings.
type router interface {
	method() string
	// externalIP is the router's own address on the other side.
	externalIP(ctx context.Context) (netip.Addr, error)
	// add maps an external port, wanted if possible, for a while. It returns the
	// port and how long it is granted, 0 = until removed.
	add(ctx context.Context, m port, wanted uint16) (external uint16, granted time.Duration, err error)
	remove(ctx context.Context, m port, external uint16) error
}

// port is a port of this computer.
type port struct {
	protocol string
	internal uint16
}

// Mapper keeps ports mapped until it is closed.
type Mapper struct {
	cfg  Config
	net  network
	pace pace
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	// Owned by the loop goroutine.
	ports  []port
	mapped []Mapping
}

// Start begins to look for a router in the background.
func Start(cfg Config) *Mapper { return start(cfg, localNetwork(), usualPace) }

func start(cfg Config, n network, p pace) *Mapper {
	if cfg.Name == "" {
		cfg.Name = "Shoal"
	}
	m := &Mapper{cfg: cfg, net: n, pace: p}
	m.ctx, m.stop = context.WithCancel(context.Background())
	for _, p := range []port{{"tcp", cfg.TCP}, {"udp", cfg.UDP}} {
		if p.internal != 0 {
			m.ports = append(m.ports, p)
		}
	}
	if len(m.ports) > 0 {
		m.wg.Go(m.loop)
	}
	return m
}

// Close removes the mappings and returns after 3 seconds at most.
func (m *Mapper) Close() error {
	m.stop()
	m.wg.Wait()
	return nil
}

// loop looks for a router and renews what it grants.
func (m *Mapper) loop() {
	retry := m.pace.retry
	for {
		wait := retry
		retry = min(2*retry, m.pace.retryMax)
		if r, renew := m.find(); r != nil {
			m.keep(r, renew)
			wait, retry = m.pace.lost, m.pace.retry
		}
		if !sleep(m.ctx, wait) {
			return
		}
	}
}

// keep renews the mappings until the router refuses or Close, and then removes
// them.
func (m *Mapper) keep(r router, renew time.Duration) {
	defer m.drop(r)
	for sleep(m.ctx, renew) {
		ctx, cancel := context.WithTimeout(m.ctx, findTimeout)
		var err error
		renew, err = m.mapAll(ctx, r)
		cancel()
		if err != nil {
			return
		}
	}
}

// find asks all routers that show up and returns the first that grants what is
// wanted, with the time until the renewal. It returns nil when there is none.
func (m *Mapper) find() (r router, renew time.Duration) {
	ctx, cancel := context.WithTimeout(m.ctx, findTimeout)
	found := make(chan router)
	go func() {
		defer close(found)
		m.net.search(ctx, m.cfg.Name, func(r router) {
			select {
			case found <- r:
			case <-ctx.Done():
			}
		})
	}()
	for f := range found {
		if r != nil {
			continue
		}
		if wait, err := m.mapAll(ctx, f); err == nil {
			r, renew = f, wait
			cancel() // and wait for the search to end
		} else if m.ctx.Err() != nil {
			m.drop(f)
		}
	}
	cancel()
	return r, renew
}

// mapAll maps or renews every port. It fails when none could be mapped.
func (m *Mapper) mapAll(ctx context.Context, r router) (renew time.Duration, err error) {
	ip, err := r.externalIP(ctx)
	if err != nil {
		ip = netip.IPv4Unspecified()
	}
	renew, good := m.pace.renew, 0
	for _, p := range m.ports {
		wanted := p.internal
		if old := m.current(p); old != nil {
			wanted = old.External.Port()
		}
		external, granted, e := r.add(ctx, p, wanted)
		if e != nil && m.ctx.Err() != nil {
			// Closed in between: the router may have granted it all the same.
			m.set(Mapping{p.protocol, p.internal, netip.AddrPortFrom(ip, wanted), r.method()})
			return 0, e
		}
		if e != nil {
			err = e
			m.forget(p)
			continue
		}
		good++
		if granted > 0 {
			renew = min(renew, max(granted/2, m.pace.renewMin))
		}
		m.set(Mapping{p.protocol, p.internal, netip.AddrPortFrom(ip, external), r.method()})
	}
	if good > 0 {
		return renew, nil
	}
	return 0, err
}

func (m *Mapper) current(p port) *Mapping {
	for i := range m.mapped {
		if o := &m.mapped[i]; o.Protocol == p.protocol && o.Internal == p.internal {
			return o
		}
	}
	return nil
}

// set remembers a mapping and tells of it if it is new.
func (m *Mapper) set(now Mapping) {
	old := m.current(port{now.Protocol, now.Internal})
	if old == nil {
		m.mapped = append(m.mapped, now)
	} else if *old != now {
		*old = now
	} else {
		return
	}
	m.tell(now)
}

// forget drops a mapping that exists no more.
func (m *Mapper) forget(p port) {
	if old := m.current(p); old != nil {
		gone := *old
		m.mapped = slices.DeleteFunc(m.mapped, func(o Mapping) bool { return o == gone })
		gone.External = netip.AddrPort{}
		m.tell(gone)
	}
}

// tell reports a change, except after Close.
func (m *Mapper) tell(now Mapping) {
	if m.cfg.Changed != nil && m.ctx.Err() == nil {
		m.cfg.Changed(now)
	}
}

// drop removes the mappings. The router may be gone: nothing is waited for long.
func (m *Mapper) drop(r router) {
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	for _, o := range slices.Clone(m.mapped) {
		p := port{o.Protocol, o.Internal}
		r.remove(ctx, p, o.External.Port())
		m.forget(p)
	}
}

// sleep waits and reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
