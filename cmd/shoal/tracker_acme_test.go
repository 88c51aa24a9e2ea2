package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// An authority issues certificates by ACME (RFC 8555) as far as one name and one order need it. It
// does not verify the client's signatures.
type authority struct {
	t         *testing.T
	name      string
	challenge string // the only type that it offers
	// check proves that the tracker answers a challenge's token.
	check func(token string) bool

	root *x509.Certificate
	key  *ecdsa.PrivateKey
	srv  *httptest.Server

	mu     sync.Mutex
	valid  bool
	cert   []byte
	issued int
}

func newAuthority(t *testing.T, name, challenge string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, name: name, challenge: challenge, key: key}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.srv = httptest.NewServer(a)
	t.Cleanup(a.srv.Close)
	return a
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := func(path string) string { return a.srv.URL + path }
	w.Header().Set("Replay-Nonce", base64.RawURLEncoding.EncodeToString([]byte(time.Now().String())))
	var request struct{ Payload string }
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			a.t.Errorf("ACME request to %s: %v", r.URL.Path, err)
		}
	}
	status, answer := http.StatusOK, map[string]any{}
	challenge := map[string]any{"type": a.challenge, "url": at("/challenge"), "token": "the-token", "status": "pending"}
	order := map[string]any{
		"status": "pending", "authorizations": []string{at("/authorization")}, "finalize": at("/finalize"),
		"identifiers": []any{map[string]string{"type": "dns", "value": a.name}},
	}
	if a.valid {
		challenge["status"], order["status"] = "valid", "ready"
	}
	if a.cert != nil {
		order["status"], order["certificate"] = "valid", at("/certificate")
	}
	switch r.URL.Path {
	case "/directory":
		answer = map[string]any{"newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order")}
	case "/nonce":
	case "/account":
		status, answer["status"] = http.StatusCreated, "valid"
		w.Header().Set("Location", at("/account"))
	case "/order":
		answer = order
		w.Header().Set("Location", at("/order"))
		if request.Payload != "" {
			status = http.StatusCreated
		}
	case "/authorization":
		answer = map[string]any{"status": challenge["status"], "identifier": map[string]string{"type": "dns", "value": a.name}, "challenges": []any{challenge}}
	case "/challenge":
		if a.valid = a.check("the-token"); !a.valid {
			a.t.Error("the tracker does not answer the challenge")
		}
		answer = challenge
	case "/finalize":
		a.cert = a.issue(request.Payload)
		order["status"], order["certificate"] = "valid", at("/certificate")
		answer = order
		w.Header().Set("Location", at("/order"))
	case "/certificate":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		w.Write(a.cert)
		return
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

func (a *authority) issue(payload string) []byte {
	var request struct{ CSR string }
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(text, &request)
	}
	der, bad := base64.RawURLEncoding.DecodeString(request.CSR)
	if err != nil || bad != nil {
		a.t.Errorf("the order's end cannot be read: %v, %v", err, bad)
		return nil
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		a.t.Error(err)
		return nil
	}
	a.issued++
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: csr.DNSNames, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(80 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.root, csr.PublicKey, a.key)
	if err != nil {
		a.t.Error(err)
		return nil
	}
	var chain bytes.Buffer
	for _, der := range [][]byte{der, a.root.Raw} {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return chain.Bytes()
}

// The tracker gets a certificate by either way to prove that a name is its own, keeps it in its folder,
// and serves announces with it.
func TestCertificateByACME(t *testing.T) {
	const name = "tracker.example.org"
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			ca := newAuthority(t, name, challenge)
			dir := t.TempDir()
			args := []string{
				"--listen", "127.0.0.1:0", "--plain-listen", "127.0.0.1:0",
				"--acme-domain", name, "--acme-dir", dir, "--acme-url", ca.srv.URL + "/directory", "--acme-email", "me@example.org",
			}
			var secure, plain string
			ca.check = func(token string) bool {
				if challenge == "http-01" {
					req, err := http.NewRequest(http.MethodGet, "http://"+plain+"/.well-known/acme-challenge/"+token, nil)
					if err != nil {
						t.Error(err)
						return false
					}
					req.Host = name
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Error(err)
						return false
					}
					defer res.Body.Close()
					body, _ := io.ReadAll(res.Body)
					return strings.HasPrefix(string(body), token+".")
				}
				c, err := tls.Dial("tcp", secure, &tls.Config{ServerName: name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
				if err != nil {
					t.Error(err)
					return false
				}
				defer c.Close()
				state := c.ConnectionState()
				return state.NegotiatedProtocol == "acme-tls/1" && len(state.PeerCertificates[0].DNSNames) == 1
			}
			pool := x509.NewCertPool()
			pool.AddCert(ca.root)
			handshake := func(server string) error {
				c, err := tls.Dial("tcp", secure, &tls.Config{ServerName: server, RootCAs: pool})
				if err == nil {
					c.Close()
				}
				return err
			}
			for range 2 { // the second time, the certificate comes from the folder
				r := startTracker(t, args...)
				secure, plain = r.addr(t, "wss, https, udp"), r.addr(t, "ws, http")
				if err := handshake(name); err != nil {
					t.Fatal(err)
				}
				if err := handshake("other.example.org"); err == nil {
					t.Error("a name that is not in --acme-domain has a certificate")
				}
				root := filepath.Join(t.TempDir(), "root.pem")
				os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.Raw}), 0o600)
				if reason := announceWS(t, dialTLS(t, secure, root, name), film); reason != "" {
					t.Error(reason)
				}
				if reason := announceHTTP(t, plain, film, ""); reason != "" {
					t.Error(reason)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			}
			if ca.issued != 1 {
				t.Errorf("%d certificates were issued, one is enough", ca.issued)
			}
		})
	}
}
