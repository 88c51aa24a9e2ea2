package signal

import (
	"slices"
	"strings"
	"testing"
)

func TestParseICEServers(t *testing.T) {
	long := strings.Repeat("x", 257)
	for _, c := range []struct {
		name, raw string
		want      []string
	}{
		{"none", `[]`, nil},
		{"one URL", `[{"urls":"stun:192.0.2.1:3478"}]`, []string{"stun:192.0.2.1:3478"}},
		{"several", `[{"urls":["stun:a:1","turn:a:1?transport=udp"],"username":"99:u","credential":"p+/="},{"urls":"turns:b"},{"urls":"stun:c"}]`,
			[]string{"stun:a:1", "turn:99:u:p+/=@a:1?transport=udp", "stun:c"}},
		{"names first", `[{"username":"u","credential":"p","urls":"turns:[2001:db8::1]:5349"}]`, []string{"turns:u:p@[2001:db8::1]:5349"}},
		{"four at most", `[{"urls":["stun:a","stun:b","stun:c"]},{"urls":["stun:d","stun:e"]}]`,
			[]string{"stun:a", "stun:b", "stun:c", "stun:d"}},
		{"an at sign in a user name or a password", `[{"urls":"turn:a","username":"u@v","credential":"p@q"}]`, []string{"turn:u@v:p@q@a"}},
		{"an at sign in a URL", `[{"urls":["stun:x@a","turn:x@a"],"username":"u","credential":"p"}]`, nil},
		{"a colon in a password", `[{"urls":"turn:a","username":"u","credential":"p:q"}]`, nil},
		{"other schemes", `[{"urls":["http://a","stuns:a","STUN:a","stun:","stun","",7,null]},"stun:a",3,null]`, nil},
		{"relay without a user", `[{"urls":"turn:a","credential":"p"},{"urls":"turn:a","username":"u"}]`, nil},
		{"credentials of other types", `[{"urls":"turn:a","username":{"x":1},"credential":["p"]}]`, nil},
		{"control characters", `[{"urls":"stun:a\nstun:b"},{"urls":"turn:a","username":"u\r","credential":"p"},{"urls":"stun:\u00e9"}]`, nil},
		{"long", `[{"urls":"stun:` + long + `"},{"urls":"turn:a","username":"` + long + `","credential":"p"}]`, nil},
		{"more keys", `[{"urls":"stun:a","credentialType":"password","x":[{}]}]`, []string{"stun:a"}},
		{"no list", `{"urls":"stun:a"}`, nil},
		{"cut off", `[{"urls":"stun:a"}`, nil},
		{"empty", ``, nil},
	} {
		if got := ParseICEServers([]byte(c.raw)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestServersAreOnlyForThoseWhoAsk(t *testing.T) {
	a := Announce{InfoHash: hashA, PeerID: peerP, NumWant: 1, Left: 0}
	if msg := a.Append(nil); strings.Contains(string(msg), "ice") {
		t.Errorf("an ordinary announce says %s", msg)
	}
	a.WantsICE = true
	var m Request
	if err := m.Parse(a.Append(nil), Limits{}); err != nil || !m.Announce.WantsICE {
		t.Errorf("%+v %v", m.Announce, err)
	}
	for _, not := range []string{"", `,"ice":0`, `,"ice":null`, `,"ice":"1"`, `,"ice":{"x":1}`, `,"ice":-1`} {
		if err := m.Parse([]byte(base+not+"}"), Limits{}); err != nil || m.Announce.WantsICE {
			t.Errorf("%s: %v, %v", not, m.Announce.WantsICE, err)
		}
	}
}

func TestTooManyServersAreNotSent(t *testing.T) {
	r := Reply{InfoHash: hashA, ICEServers: []byte(`["` + strings.Repeat("x", MaxICEServers) + `"]`)}
	if out := r.Append(nil); strings.Contains(string(out), "ice_servers") {
		t.Errorf("%d bytes", len(out))
	}
}

func FuzzICEServers(f *testing.F) {
	f.Add([]byte(`[{"urls":["stun:a:1","turn:a:1"],"username":"99:u","credential":"p+/="},{"urls":"turns:b"}]`))
	f.Add([]byte(`[[],{"urls":{}},{"username":"\ud800","urls":"turn:\u0061"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		servers := ParseICEServers(raw)
		if len(servers) > maxICEServers {
			t.Fatalf("%d servers", len(servers))
		}
		for _, s := range servers {
			if relay := strings.HasPrefix(s, "turn"); len(s) > 3*maxICEText+2 || relay != strings.Contains(s, "@") {
				t.Fatalf("%q", s)
			}
			for _, c := range s {
				if c <= ' ' || c > '~' {
					t.Fatalf("%q", s)
				}
			}
		}
	})
}
