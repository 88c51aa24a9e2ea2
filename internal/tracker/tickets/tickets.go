// Package tickets derives the keys of TLS session tickets from a secret.
//
// A client that comes back with a ticket needs no new key exchange, which is most of what
// a TLS connection costs. A tracker that makes its keys by chance forgets all tickets when it
// starts again, and one node cannot read those of another. Here the keys follow from a secret that
// all share, and from the time, so that each node has the same ones without asking.
//
// Who has the secret can read what was sent under these tickets in TLS 1.2, so it is kept as
// a private key is. Keys change each Period, and those of three periods before are still
// read: a ticket is good for 18 to 24 hours.
package tickets

import (
	"crypto/hkdf"
	"crypto/sha256"
	"strconv"
	"time"
)

const (
	// Period is how long a key makes tickets.
	Period = 6 * time.Hour
	// past is how many periods a key reads tickets afterwards.
	past = 3
)

// label keeps these keys apart from others of the same secret.
const label = "shoal tracker TLS session ticket key of period "

// Keys returns what tls.Config.SetSessionTicketKeys wants at a time: the first key makes tickets, all
// of them read. The first secret is the one in use; those after it only read, for when a secret is
// replaced. Among them is the key of the next period, so that a node whose clock is late
// reads tickets of one whose clock is early. Without a secret there are no keys.
func Keys(now time.Time, secrets ...[]byte) [][32]byte {
	period := now.UTC().Truncate(Period).Unix() / int64(Period/time.Second)
	var keys [][32]byte
	for _, secret := range secrets {
		for _, back := range [...]int64{0, 1, 2, past, -1} {
			keys = append(keys, derive(secret, period-back))
		}
	}
	return keys
}

func derive(secret []byte, period int64) (key [32]byte) {
	b, err := hkdf.Key(sha256.New, secret, nil, label+strconv.FormatInt(period, 10), len(key))
	if err != nil { // the length is one that it has
		panic("tickets: " + err.Error())
	}
	return [32]byte(b)
}

// Next is when Keys changes after a time.
func Next(now time.Time) time.Time { return now.UTC().Truncate(Period).Add(Period) }
