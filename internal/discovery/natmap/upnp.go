package natmap

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/soap"
)

const (
	upnpTimeout = 4 * time.Second // for one request
	// maxAnswer bounds descriptions and replies; real ones have a few kilobytes.
	maxAnswer = 256 << 10
)

// Error codes of the service WANIPConnection.
const (
	upnpConflict      = 718 // the external port is taken
	upnpOnlyPermanent = 725 // leases do not end by themselves
)

// connectionTypes are the services that map ports, the best first.
var connectionTypes = [...]string{
	"urn:schemas-upnp-org:service:WANIPConnection:2",
	"urn:schemas-upnp-org:service:WANIPConnection:1",
	"urn:schemas-upnp-org:service:WANPPPConnection:1",
}

// upnp is a router that speaks UPnP IGD.
type upnp struct {
	soap    *soap.SOAPClient
	service string // its type, which names its actions
	client  string // our address on its network
	name    string
}

// newUPnP reads a device's description and looks for a usable service in it.
func newUPnP(ctx context.Context, where *url.URL, name string) (*upnp, error) {
	ctx, cancel := context.WithTimeout(ctx, upnpTimeout)
	defer cancel()
	web := webClient()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("natmap: the router's description: " + resp.Status)
	}
	root := new(goupnp.RootDevice)
	dec := xml.NewDecoder(resp.Body)
	dec.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := dec.Decode(root); err != nil {
		return nil, err
	}
	// A base of the device's own choice would let it send us anywhere.
	root.SetURLBase(where)
	for _, kind := range connectionTypes {
		for _, s := range root.Device.FindService(kind) {
			if !s.ControlURL.Ok || s.ControlURL.URL.Scheme != "http" || s.ControlURL.URL.Hostname() != where.Hostname() {
				continue
			}
			local, err := localTo(where.Host)
			if err != nil {
				return nil, err
			}
			c := s.NewSOAPClient()
			c.HTTPClient = *web
			return &upnp{soap: c, service: kind, client: local, name: name}, nil
		}
	}
	return nil, errors.New("natmap: the router maps no ports")
}

// localTo is our address on the way to a host. Nothing is sent.
func localTo(host string) (string, error) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, "80")
	}
	c, err := net.Dial("udp4", host)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

func (*upnp) method() string { return "upnp" }

func (u *upnp) do(ctx context.Context, action string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, upnpTimeout)
	defer cancel()
	return u.soap.PerformActionCtx(ctx, u.service, action, in, out)
}

func (u *upnp) externalIP(ctx context.Context) (netip.Addr, error) {
	var out struct{ NewExternalIPAddress string }
	if err := u.do(ctx, "GetExternalIPAddress", nil, &out); err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(out.NewExternalIPAddress)
	return a.Unmap().WithZone(""), err
}

func (u *upnp) add(ctx context.Context, m port, wanted uint16) (uint16, time.Duration, error) {
	granted := lease
	var err error
	for range 4 {
		err = u.addOnce(ctx, m, wanted, granted)
		var fault *soap.SOAPFaultError
		switch {
		case err == nil:
			return wanted, granted, nil
		case !errors.As(err, &fault):
			return 0, 0, err
		case fault.Detail.UPnPError.Errorcode == upnpOnlyPermanent && granted != 0:
			granted = 0
		case fault.Detail.UPnPError.Errorcode == upnpConflict:
			wanted = uint16(20000 + rand.IntN(40000))
		default:
			return 0, 0, err
		}
	}
	return 0, 0, err
}

// addOnce sends AddPortMapping. Routers care for the order of arguments.
func (u *upnp) addOnce(ctx context.Context, m port, external uint16, life time.Duration) error {
	return u.do(ctx, "AddPortMapping", &struct {
		NewRemoteHost             string
		NewExternalPort           string
		NewProtocol               string
		NewInternalPort           string
		NewInternalClient         string
		NewEnabled                string
		NewPortMappingDescription string
		NewLeaseDuration          string
	}{
		"", strconv.Itoa(int(external)), upper(m.protocol), strconv.Itoa(int(m.internal)), u.client,
		"1", u.name, strconv.Itoa(int(life / time.Second)),
	}, nil)
}

func (u *upnp) remove(ctx context.Context, m port, external uint16) error {
	return u.do(ctx, "DeletePortMapping", &struct {
		NewRemoteHost   string
		NewExternalPort string
		NewProtocol     string
	}{"", strconv.Itoa(int(external)), upper(m.protocol)}, nil)
}

func upper(protocol string) string {
	if protocol == "tcp" {
		return "TCP"
	}
	return "UDP"
}

// webClient talks to a device on the own network: no proxy, no redirects, no
// endless answers.
func webClient() *http.Client {
	return &http.Client{
		Transport: limited{&http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10}},
		Timeout:   upnpTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// limited cuts off what is longer than maxAnswer.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}
