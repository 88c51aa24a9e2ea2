package natmap

import (
	"context"
	"errors"
	"net/netip"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

// pmpTimeout bounds one request, with its repetitions.
const pmpTimeout = 2 * time.Second

// pmp is a router that speaks NAT-PMP.
type pmp struct{ client *natpmp.Client }

func newPMP(gateway netip.Addr) *pmp {
	return &pmp{natpmp.NewClientWithTimeout(gateway.AsSlice(), pmpTimeout)}
}

func (*pmp) method() string { return "nat-pmp" }

func (p *pmp) externalIP(ctx context.Context) (netip.Addr, error) {
	r, err := bounded(ctx, p.client.GetExternalAddress)
	if err != nil {
		return netip.Addr{}, err
	}
	return netip.AddrFrom4(r.ExternalIPAddress), nil
}

func (p *pmp) add(ctx context.Context, m port, wanted uint16) (uint16, time.Duration, error) {
	return p.request(ctx, m, wanted, lease)
}

// remove asks for a lifetime of 0, which ends a mapping (RFC 6886, section 3.4).
func (p *pmp) remove(ctx context.Context, m port, _ uint16) error {
	_, _, err := p.request(ctx, m, 0, 0)
	return err
}

func (p *pmp) request(ctx context.Context, m port, external uint16, life time.Duration) (uint16, time.Duration, error) {
	r, err := bounded(ctx, func() (*natpmp.AddPortMappingResult, error) {
		return p.client.AddPortMapping(m.protocol, int(m.internal), int(external), int(life/time.Second))
	})
	switch {
	case err != nil:
		return 0, 0, err
	case r.InternalPort != m.internal:
		return 0, 0, errors.New("natmap: the gateway answers for another port")
	case life == 0:
		return 0, 0, nil
	case r.MappedExternalPort == 0 || r.PortMappingLifetimeInSeconds == 0:
		return 0, 0, errors.New("natmap: the gateway grants nothing")
	}
	return r.MappedExternalPort, time.Duration(r.PortMappingLifetimeInSeconds) * time.Second, nil
}

// bounded lets a call that knows no context end with one. The call itself goes
// on for pmpTimeout at most.
func bounded[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	c := make(chan result, 1)
	go func() {
		v, err := call()
		c <- result{v, err}
	}()
	select {
	case r := <-c:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
