package natmap

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// searchTargets are the devices that map ports.
var searchTargets = [...]string{
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
}

// discover searches from each of our addresses for as long as wait, and passes
// on where the devices that answer describe themselves, each once.
func discover(ctx context.Context, locals []netip.Addr, group netip.AddrPort, wait time.Duration, found func(*url.URL)) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var mu sync.Mutex
	var seen []string
	var wg sync.WaitGroup
	for _, local := range locals {
		wg.Go(func() {
			searchFrom(ctx, local, group, func(u *url.URL) {
				mu.Lock()
				defer mu.Unlock()
				if s := u.String(); len(seen) < maxDevices && !slices.Contains(seen, s) {
					seen = append(seen, s)
					found(u)
				}
			})
		})
	}
	wg.Wait()
}

func searchFrom(ctx context.Context, local netip.Addr, group netip.AddrPort, found func(*url.URL)) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })()
	if i := interfaceOf(local); i != nil { // or some systems send on the default route
		ipv4.NewPacketConn(conn).SetMulticastInterface(i)
	}
	for range 2 { // datagrams get lost
		for _, target := range searchTargets {
			conn.WriteToUDPAddrPort([]byte("M-SEARCH * HTTP/1.1\r\nHOST: "+ssdpGroup.String()+
				"\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: "+target+"\r\n\r\n"), group)
		}
	}
	buf := make([]byte, 4096)
	for ctx.Err() == nil {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() == nil && !sleep(ctx, 10*time.Millisecond) {
				return
			}
			continue
		}
		if u, ok := location(buf[:n], from.Addr().Unmap()); ok {
			found(u)
		}
	}
}

// location reads an answer to a search. The description must lie on the device
// that answered: otherwise anybody on the network could make us ask any server.
func location(answer []byte, from netip.Addr) (*url.URL, bool) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return nil, false
	}
	resp.Body.Close()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusOK || u.Scheme != "http" || u.User != nil {
		return nil, false
	}
	host, err := netip.ParseAddr(u.Hostname())
	return u, err == nil && host.Unmap() == from && (from.IsPrivate() || from.IsLoopback() || from.IsLinkLocalUnicast())
}
