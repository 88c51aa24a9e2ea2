package natmap

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestParseRoutes(t *testing.T) {
	via := func(a string) string {
		b := netip.MustParseAddr(a).As4()
		return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b[:]))
	}
	table := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t" + via("192.168.1.1") + "\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n" + // our own network
		"wlan0\t00000000\t" + via("10.0.0.138") + "\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" +
		"tun0\t00000000\t" + via("93.184.216.34") + "\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" + // no home router
		"down\t00000000\t" + via("10.9.9.9") + "\t0002\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"half\t00000000\t" + via("10.8.8.8") + "\t0003\t0\t0\t0\t00000080\t0\t0\t0\n" +
		"bad\t00000000\tXYZ\t0003\t0\t0\t0\t00000000\t0\t0\t0\nshort line\n"
	want := []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("10.0.0.138")}
	if got := parseRoutes(table); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
