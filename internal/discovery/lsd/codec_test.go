package lsd

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

const (
	hexA = "0123456789abcdef0123456789abcdef01234567"
	hexB = "ffffffffffffffffffffffffffffffffffffffff"
)

var (
	hashA = [20]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67}
	hashB = [20]byte(bytes.Repeat([]byte{0xff}, 20))
)

// The format of BEP 14, byte for byte.
func TestAnnounceBytes(t *testing.T) {
	a := Announce{Host: "239.192.152.143:6771", Port: 6881, InfoHashes: [][20]byte{hashA, hashB}, Cookie: "c00c1e"}
	want := "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + hexA +
		"\r\nInfohash: " + hexB + "\r\ncookie: c00c1e\r\n\r\n\r\n"
	if got := a.Append(nil); string(got) != want {
		t.Errorf("Append:\n%q\n%q", got, want)
	}
	got, err := Parse([]byte(want))
	if err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("Parse: %+v, %v", got, err)
	}
}

func TestParse(t *testing.T) {
	const head = "BT-SEARCH * HTTP/1.1\r\n"
	for packet, want := range map[string]error{
		head + "Port: 1\r\nInfohash: " + hexA + "\r\n\r\n\r\n":                nil,
		head + "PORT:65535\r\ninfohash:" + strings.ToUpper(hexA) + "\r\n\r\n": nil, // any case, no space, one empty line
		"bt-search * http/1.1\nPort: 1\nInfohash: " + hexA + "\n\n":           nil,
		head + "Port: 1\r\nX-Later: yes\r\nInfohash: " + hexA + "\r\n\r\n":    nil, // "should be ignored"
		head + "Port: 1\r\nInfohash: abc\r\nInfohash: " + hexA + "\r\n\r\n":   nil,
		"":                             ErrMethod,
		"BT-SEARCH":                    ErrMethod,
		"M-SEARCH * HTTP/1.1\r\n\r\n":  ErrMethod,
		"BT-SEARCH / HTTP/1.1\r\n\r\n": ErrMethod,
		head:                           ErrEnd,
		head + "Port: 1\r\nInfohash: " + hexA + "\r\n":                 ErrEnd,
		head + "Port: 1\r\nInfohash: " + hexA:                          ErrEnd,
		head + "\r\n":                                                  ErrPort,
		head + "Infohash: " + hexA + "\r\n\r\n":                        ErrPort,
		head + "Port: 0\r\nInfohash: " + hexA + "\r\n\r\n":             ErrPort,
		head + "Port: 65536\r\nInfohash: " + hexA + "\r\n\r\n":         ErrPort,
		head + "Port: -1\r\nInfohash: " + hexA + "\r\n\r\n":            ErrPort,
		head + "Port: +80\r\nInfohash: " + hexA + "\r\n\r\n":           ErrPort,
		head + "Port: 1x\r\nInfohash: " + hexA + "\r\n\r\n":            ErrPort,
		head + "Port: 1\r\n\r\n":                                       ErrInfoHash,
		head + "Port: 1\r\nInfohash: " + hexA[1:] + "\r\n\r\n":         ErrInfoHash,
		head + "Port: 1\r\nInfohash: " + hexA + "00\r\n\r\n":           ErrInfoHash,
		head + "Port: 1\r\nInfohash: x" + hexA[1:] + "\r\n\r\n":        ErrInfoHash,
		head + "Port: 1\r\nnonsense\r\nInfohash: " + hexA + "\r\n\r\n": ErrHeader,
		head + ": 1\r\n\r\n":                                           ErrHeader,
		head + strings.Repeat("x: y\r\n", 1000) + "\r\n":               ErrSize,
	} {
		a, err := Parse([]byte(packet))
		if !errors.Is(err, want) || err == nil && (len(a.InfoHashes) != 1 || a.InfoHashes[0] != hashA || a.Port == 0) {
			t.Errorf("%.90q: %+v, %v; want %v", packet, a, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + hexA + "\r\ncookie: x\r\n\r\n\r\n"))
	f.Add([]byte("BT-SEARCH * HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b)
		if err != nil {
			return
		}
		once := a.Append(nil)
		again, err := Parse(once)
		if len(once) > maxRead {
			return
		}
		if err != nil || !reflect.DeepEqual(a, again) {
			t.Fatalf("%q -> %q: %+v, %v", b, once, again, err)
		}
	})
}
