package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

type trackerCmd struct {
	Serve  trackerServeCmd  `cmd:"" default:"withargs" help:"Run the tracker. This is what 'shoal tracker' does."`
	Token  trackerTokenCmd  `cmd:"" help:"Print a token that lets its holder in, where --token-secret-file is in use."`
	Health trackerHealthCmd `cmd:"" help:"Exit with 0 if a tracker is well, else with 1."`
}

// trackerServeCmd is the schema of a tracker's settings: a flag, a variable in the
// environment and a key in the file for each, all with one name. Their texts are
// read from there by loadSettings, whatever their source.
type trackerServeCmd struct {
	Config string `placeholder:"FILE" help:"YAML file of settings; its keys are the names of these flags."`

	Listen      []string `group:"Doors:" default:":8000" placeholder:"ADDR" help:"TCP address for WebSocket and HTTP, and UDP on the same port, or unix:PATH (${default}; repeatable)."`
	PlainListen []string `group:"Doors:" placeholder:"ADDR" help:"Further TCP address, without TLS where --listen has it (repeatable)."`
	UnixMode    string   `group:"Doors:" default:"660" placeholder:"MODE" help:"Permissions of sockets that --listen and --plain-listen name as unix:PATH, in octal (${default})."`
	UDP         string   `name:"udp" group:"Doors:" default:"same" placeholder:"ADDR" help:"UDP address: 'same' as --listen, 'off', or another (${default})."`

	TLSCert    []string `name:"tls-cert" group:"TLS:" placeholder:"FILE" help:"Certificate chain in PEM: --listen speaks TLS (repeatable)."`
	TLSKey     []string `name:"tls-key" group:"TLS:" placeholder:"FILE" help:"Its private key in PEM (repeatable, in the order of --tls-cert)."`
	ACMEDomain []string `name:"acme-domain" group:"TLS:" placeholder:"NAME" help:"Get a certificate for this name from an ACME authority: --listen speaks TLS (repeatable)."`
	ACMEDir    string   `name:"acme-dir" group:"TLS:" placeholder:"DIR" help:"Folder for what the authority issued (shoal/acme in the user's cache folder)."`
	ACMEEmail  string   `name:"acme-email" group:"TLS:" placeholder:"ADDRESS" help:"Where the authority may write to."`
	ACMEURL    string   `name:"acme-url" group:"TLS:" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"The authority (${default})."`

	TLSCurves []string `name:"tls-curves" group:"TLS:" default:"x25519,p256,p384" placeholder:"NAME" help:"Key exchanges: x25519, x25519mlkem768 (secret from later quantum computers, more work), p256, p384, p521 (${default})."`

	TLSTicketSecretFile string `name:"tls-ticket-secret-file" group:"TLS:" placeholder:"FILE" help:"Secret that makes the keys of session tickets, the same on all nodes; without it they are forgotten at each start."`

	Interval     string `group:"Announces:" default:"15m" placeholder:"TIME" help:"How often HTTP and UDP clients shall announce (${default})."`
	MinInterval  string `group:"Announces:" default:"1m" placeholder:"TIME" help:"Least time between two announces of an HTTP client (${default})."`
	WSInterval   string `name:"ws-interval" group:"Announces:" default:"2m" placeholder:"TIME" help:"How often WebSocket clients shall announce (${default})."`
	PingInterval string `group:"Announces:" default:"50s" placeholder:"TIME" help:"When a silent WebSocket is pinged (${default})."`
	FullScrape   bool   `group:"Announces:" help:"Answer a scrape without info hash with all swarms, up to 10,000."`
	Compression  string `group:"Announces:" default:"in" placeholder:"WHICH" help:"WebSocket messages that may be deflated: in, both or off (${default})."`

	OriginAllow     []string `group:"Who may use it:" placeholder:"ORIGIN" help:"Serve pages of this origin only: https://example.org, example.org or *.example.org (repeatable)."`
	OriginDeny      []string `group:"Who may use it:" placeholder:"ORIGIN" help:"Do not serve pages of this origin (repeatable)."`
	OriginRequired  bool     `group:"Who may use it:" help:"Refuse WebSocket clients without an origin, which are no browsers."`
	HashAllow       string   `group:"Who may use it:" placeholder:"FILE" help:"Serve the info hashes in this file only, one a line."`
	HashDeny        string   `group:"Who may use it:" placeholder:"FILE" help:"Do not serve the info hashes in this file."`
	AddressAllow    []string `group:"Who may use it:" placeholder:"FILE" help:"Serve the addresses in this file only: networks or ranges, one a line, gzip too (repeatable)."`
	AddressDeny     []string `group:"Who may use it:" placeholder:"FILE" help:"Do not serve the addresses in this file (repeatable)."`
	ClientAllow     string   `group:"Who may use it:" placeholder:"FILE" help:"Serve programs only whose peer ids begin as a line of this file says, such as -qB."`
	ClientDeny      string   `group:"Who may use it:" placeholder:"FILE" help:"Do not serve those in this file."`
	TokenSecretFile string   `group:"Who may use it:" placeholder:"FILE" help:"Serve holders of a token only that a secret in this file has signed."`
	Introduce       string   `group:"Who may use it:" default:"all" placeholder:"WHOM" help:"Peers that are introduced: all, or trusted: one of two at least is trusted by its token (${default})."`
	Hook            string   `group:"Who may use it:" placeholder:"URL" help:"Ask this web service about each peer that is not known: POST with JSON; 200 lets it in, 403 does not."`
	HookSecretFile  string   `group:"Who may use it:" placeholder:"FILE" help:"Secret that it gets, as Authorization: Bearer."`
	HookTimeout     string   `group:"Who may use it:" default:"2s" placeholder:"TIME" help:"How long it may take over an answer (${default})."`
	HookAllowFor    string   `group:"Who may use it:" default:"10m" placeholder:"TIME" help:"How long its yes holds, unless it says so itself (${default})."`
	HookDenyFor     string   `group:"Who may use it:" default:"1m" placeholder:"TIME" help:"How long its no holds (${default})."`
	HookAway        string   `group:"Who may use it:" default:"deny" placeholder:"WHICH" help:"What happens to unknown peers while it is away: deny or allow (${default})."`
	HookMaxRequests string   `group:"Who may use it:" default:"64" placeholder:"N" help:"Questions to it at once (${default})."`
	TrustedProxy    []string `group:"Who may use it:" placeholder:"NET" help:"Believe what proxies at these addresses say of their clients (repeatable)."`
	ProxyHeader     string   `group:"Who may use it:" default:"any" placeholder:"NAME" help:"The header in which they say it: x-forwarded-for, x-real-ip, forwarded, or the first of these (${default})."`
	ProxyProtocol   bool     `group:"Who may use it:" help:"They begin each connection with a PROXY header, version 1 or 2, as HAProxy and load balancers do."`

	MaxConns            string   `group:"Limits:" default:"0" placeholder:"N" help:"Open connections; 0 means as many as files may be open."`
	MaxConnsPerAddr     string   `group:"Limits:" default:"2000" placeholder:"N" help:"Those of one IPv4 address or IPv6 /64; 0 means no limit (${default})."`
	MaxConnsPerPrefix   string   `group:"Limits:" default:"10000" placeholder:"N" help:"Those of one IPv4 /24 or IPv6 /48; 0 means no limit (${default})."`
	ConnectRatePerAddr  string   `group:"Limits:" default:"200/s:4000" placeholder:"RATE" help:"How fast one address may connect: 10/s, 600/m, with :BURST, or off (${default})."`
	AnnounceRatePerConn string   `group:"Limits:" default:"100/s:2000" placeholder:"RATE" help:"Announces of one WebSocket (${default})."`
	OfferRatePerConn    string   `group:"Limits:" default:"1000/s:10000" placeholder:"RATE" help:"Offers of one WebSocket (${default})."`
	AnnounceRatePerAddr string   `group:"Limits:" default:"500/s:10000" placeholder:"RATE" help:"Announces of one address (${default})."`
	AnnounceRatePerNet  string   `name:"announce-rate-per-prefix" group:"Limits:" default:"2000/s:40000" placeholder:"RATE" help:"Announces of one prefix (${default})."`
	LimitsExempt        []string `group:"Limits:" default:"127.0.0.0/8,::1" placeholder:"NET" help:"Addresses without limits per address and prefix; 'none' for none (${default}; repeatable)."`
	MaxPeersPerConn     string   `group:"Limits:" default:"1000" placeholder:"N" help:"Torrents that one WebSocket takes part in (${default})."`
	MaxPeersPerAddr     string   `group:"Limits:" default:"65536" placeholder:"N" help:"Torrents that the clients of one address take part in, together (${default}); 0 for no limit."`
	MaxUnanswered       string   `group:"Limits:" default:"16" placeholder:"N" help:"Offers that may wait for one peer's answer (${default}; at most 63)."`
	MaxOffersPerPeer    string   `group:"Limits:" default:"40" placeholder:"N" help:"Offers that one peer is given in 30 s (${default}; at most 63); 0 for no limit."`
	MaxOffers           string   `group:"Limits:" default:"10" placeholder:"N" help:"Offers of one announce that are relayed (${default})."`
	MaxNumwant          string   `group:"Limits:" default:"200" placeholder:"N" help:"Addresses in one reply (${default})."`
	MaxScrape           string   `group:"Limits:" default:"70" placeholder:"N" help:"Info hashes in one scrape (${default})."`
	MaxMessage          string   `group:"Limits:" default:"64KiB" placeholder:"SIZE" help:"Size of a WebSocket message (${default})."`
	MaxSDP              string   `name:"max-sdp" group:"Limits:" default:"16KiB" placeholder:"SIZE" help:"Size of an offer or answer (${default})."`
	MaxSwarms           string   `group:"Limits:" default:"1048576" placeholder:"N" help:"Swarms in memory (${default})."`
	MaxPeers            string   `group:"Limits:" default:"4194304" placeholder:"N" help:"Peers in memory, all swarms together (${default})."`
	MaxBuffers          string   `group:"Limits:" default:"256MiB" placeholder:"SIZE" help:"Memory for messages under way (${default})."`

	Locality string   `group:"Nearness:" default:"off" placeholder:"WHICH" help:"Peers to prefer: off, prefix (same address or prefix), full (then same ISP, then same country) (${default})."`
	MMDB     []string `name:"mmdb" group:"Nearness:" placeholder:"FILE" help:".mmdb file that tells ISPs or countries, as of MaxMind, DB-IP or IPinfo (repeatable)."`

	Cluster           []string `group:"Cluster:" placeholder:"URL" help:"Be one tracker with others over these NATS servers: nats://host:4222, tls://…, or 'embedded' to run one in each process (repeatable)."`
	ClusterName       string   `group:"Cluster:" default:"shoal-tracker" placeholder:"NAME" help:"Keeps apart clusters that share a NATS (${default})."`
	ClusterCreds      string   `group:"Cluster:" placeholder:"FILE" help:"NATS credentials (.creds)."`
	ClusterListen     string   `group:"Cluster:" default:":6222" placeholder:"ADDR" help:"Where an embedded NATS takes routes of other nodes (${default})."`
	ClusterRoute      []string `group:"Cluster:" placeholder:"ADDR" help:"--cluster-listen of another node, host:port; one that answers is enough (repeatable)."`
	ClusterSecretFile string   `group:"Cluster:" placeholder:"FILE" help:"Secret that embedded NATS servers ask of each other."`
	ClusterCert       string   `group:"Cluster:" placeholder:"FILE" help:"Certificate in PEM for NATS, the embedded one's routes too."`
	ClusterKey        string   `group:"Cluster:" placeholder:"FILE" help:"Its private key in PEM."`
	ClusterCA         string   `name:"cluster-ca" group:"Cluster:" placeholder:"FILE" help:"Authorities in PEM whose certificates are taken instead of the system's."`

	Admin         string `group:"Watching:" default:"off" placeholder:"ADDR" help:"Address for the operator alone: dashboard, /stats.json, /metrics, /health (${default})."`
	AdminAuthFile string `group:"Watching:" placeholder:"FILE" help:"File with USER:PASSWORD that it asks for."`
	History       string `group:"Watching:" placeholder:"FILE" help:"Keep downloads, hours, days and top swarms over restarts in this file; --admin shows them."`

	Turn                   string   `group:"STUN and TURN:" default:"off" placeholder:"ADDR" help:"UDP and TCP address of a STUN and TURN server, usually :3478 (${default})."`
	TurnTLS                string   `name:"turn-tls" group:"STUN and TURN:" default:"off" placeholder:"ADDR" help:"The same over TLS, with the tracker's certificate, usually :5349 (${default})."`
	TurnSTUNOnly           bool     `name:"turn-stun-only" group:"STUN and TURN:" help:"Tell addresses, relay nothing."`
	TurnPublicIP           []string `name:"turn-public-ip" group:"STUN and TURN:" placeholder:"IP" help:"Address by which peers reach this machine, if it has another itself (repeatable)."`
	TurnHost               string   `group:"STUN and TURN:" placeholder:"NAME" help:"Name of this machine that clients are told."`
	TurnPorts              string   `group:"STUN and TURN:" default:"49152-65535" placeholder:"A-B" help:"UDP ports of relayed addresses (${default})."`
	TurnRealm              string   `group:"STUN and TURN:" default:"shoal" placeholder:"NAME" help:"Realm of the credentials (${default})."`
	TurnSecretFile         string   `group:"STUN and TURN:" placeholder:"FILE" help:"Secret that makes credentials, the same on all nodes; a new one at each start if not set."`
	TurnTTL                string   `name:"turn-ttl" group:"STUN and TURN:" default:"1h" placeholder:"TIME" help:"How long credentials open sessions (${default})."`
	TurnMaxSessions        string   `group:"STUN and TURN:" default:"4000" placeholder:"N" help:"Relay sessions at once (${default})."`
	TurnMaxSessionsPerAddr string   `group:"STUN and TURN:" default:"100" placeholder:"N" help:"Those of one address (${default})."`
	TurnSessionRate        string   `group:"STUN and TURN:" default:"1MiB" placeholder:"SIZE" help:"Bytes a second that one session relays, or off (${default})."`
	TurnAddrRate           string   `group:"STUN and TURN:" default:"3MiB" placeholder:"SIZE" help:"Those of all sessions of one address, or off (${default})."`
	TurnTotalRate          string   `group:"STUN and TURN:" default:"12MiB" placeholder:"SIZE" help:"Those of all sessions together, or off (${default})."`
	TurnDenyPeer           []string `group:"STUN and TURN:" placeholder:"NET" help:"Relay nothing to these addresses, besides private ones and this machine's networks (repeatable)."`
	TurnAllowPeer          []string `group:"STUN and TURN:" placeholder:"NET" help:"Relay to these addresses all the same (repeatable)."`

	DrainDelay   string `group:"Running:" default:"0s" placeholder:"TIME" help:"How long after SIGTERM /health says 503 while clients are served as before, so that a load balancer sends no more (${default})."`
	Drain        string `group:"Running:" default:"10s" placeholder:"TIME" help:"How long clients are sent away little by little after that (${default})."`
	LogLevel     string `group:"Running:" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (${default})."`
	LogFormat    string `group:"Running:" default:"text" placeholder:"FORMAT" help:"text or json (${default})."`
	LogAddresses bool   `group:"Running:" help:"Write addresses of clients to the log."`
}

// Help is shown below the flags' usage line.
func (trackerServeCmd) Help() string {
	return `Each setting can also stand in the environment, as SHOAL_TRACKER_ with the flag's name in capitals (SHOAL_TRACKER_MAX_CONNS), and in the file that --config names. A flag is stronger than the environment, and that stronger than the file. Lists have commas between them.

SIGHUP reads certificates, lists and secrets again. See also: shoal tracker token, shoal tracker health.`
}

func (c *trackerServeCmd) Run(ctx context.Context, k *kong.Context) error {
	s, err := loadSettings(k, os.Getenv)
	if err != nil {
		return errUsage{err}
	}
	p, err := s.plan(stdout, os.Stderr)
	if err != nil {
		return errUsage{err}
	}
	return p.run(ctx)
}

type trackerHealthCmd struct {
	URL         string `arg:"" name:"url" help:"Where the tracker serves HTTP: http://127.0.0.1:8000, just 127.0.0.1:8000, or unix:PATH."`
	TLSInsecure bool   `name:"tls-insecure" help:"Take any certificate, as one for the public name is at 127.0.0.1."`
}

func (c *trackerHealthCmd) Run(ctx context.Context) error {
	url := c.URL
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: c.TLSInsecure}}
	if path, ok := strings.CutPrefix(url, unixPrefix); ok {
		url = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if strings.Count(strings.TrimRight(url, "/"), "/") == 2 {
		url = strings.TrimRight(url, "/") + "/health"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usagef("%s is not a URL", c.URL)
	}
	client := http.Client{Transport: transport}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.URL, cause(err))
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", c.URL, res.Status)
	}
	return nil
}
