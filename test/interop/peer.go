// A replica made of quic-go and docs/wire-format.md, with nothing of hs2net in
// it: the other end of test_quic_go.c.  Each flag asks for one deviation.
//
// It sends requests and wants each echoed and acknowledged; it acknowledges and
// echoes the requests of the node.  Events go to stdout, a line each; the node
// ends the connection.
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/lucas-clemente/quic-go"
)

var (
	port      = flag.Int("port", 0, "dial this port of 127.0.0.1; 0: listen and print \"port N\"")
	alpn      = flag.String("alpn", "hs2net/1", "application protocol")
	chain     = flag.String("chain", "interop-1", "chain id that the server name is made of")
	seed      = flag.Int("seed", 2, "byte that the own key's seed is made of")
	requests  = flag.Int("requests", 1, "how many requests to send, one after the other")
	size      = flag.Int("size", 100, "bytes of the body of each")
	serve     = flag.Int("serve", 1, "requests of the node to echo")
	retry     = flag.Bool("retry", false, "listening: answer with a Retry")
	rebind    = flag.Bool("rebind", false, "dial through a relay that changes its port half way")
	datagrams = flag.Int("datagrams", 0, "requests to send in DATAGRAM frames in front of each but the first")
	keyUpdate = flag.Uint64("key-update", 0, "initiate a key update after so many packets")
)

// What quic-go's own interop client sets for its test "keyupdate"; the package
// is internal, hence the linkname.
//
//go:linkname keyUpdateInterval github.com/lucas-clemente/quic-go/internal/handshake.KeyUpdateInterval
var keyUpdateInterval uint64

func must(err error) {
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
}

func want(ok bool, what string, got ...interface{}) {
	if !ok {
		must(errors.New(fmt.Sprint("want "+what+", got ", got)))
	}
}

func key(seed int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(seed)}, ed25519.SeedSize))
}

func certificate(key ed25519.PrivateKey) tls.Certificate {
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The node's certificate, held against the table "TLS" of the wire format.
func checkCertificate(raw [][]byte, _ [][]*x509.Certificate) error {
	want(len(raw) == 1, "one certificate", len(raw))
	c, err := x509.ParseCertificate(raw[0])
	must(err)
	must(c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature))
	want(bytes.Equal(c.PublicKey.(ed25519.PublicKey), key(1).Public().(ed25519.PublicKey)), "the node's key")
	want(c.Version == 3 && len(raw[0]) <= 4096, "X.509 v3", c.Version, len(raw[0]))
	want(c.KeyUsage&x509.KeyUsageDigitalSignature != 0, "digitalSignature", c.KeyUsage)
	want(len(c.ExtKeyUsage) == 2, "serverAuth and clientAuth", c.ExtKeyUsage)
	want(time.Now().After(c.NotBefore) && time.Now().Before(c.NotAfter), "a valid date", c.NotBefore, c.NotAfter)
	return nil
}

func tlsConfig() *tls.Config {
	hash := sha256.Sum256([]byte(*chain))
	name := hex.EncodeToString(hash[:16]) + ".hs2net"
	return &tls.Config{
		Certificates:           []tls.Certificate{certificate(key(*seed))},
		ServerName:             name,
		NextProtos:             []string{*alpn},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // the key is pinned instead
		VerifyPeerCertificate:  checkCertificate,
		SessionTicketsDisabled: true,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			want(hello.ServerName == name, "server name "+name, hello.ServerName)
			return nil, nil
		},
	}
}

func connect(relay *relay) (quic.Connection, error) {
	if *keyUpdate != 0 {
		keyUpdateInterval = *keyUpdate
	}
	config := &quic.Config{
		EnableDatagrams:          true,
		RequireAddressValidation: func(net.Addr) bool { return *retry },
		Tracer:                   tracer{},
	}
	if *port == 0 {
		l, err := quic.ListenAddr("127.0.0.1:0", tlsConfig(), config)
		must(err)
		fmt.Println("port", l.Addr().(*net.UDPAddr).Port)
		return l.Accept(context.Background())
	}
	to := fmt.Sprint("127.0.0.1:", *port)
	if *rebind {
		to = relay.start(to)
	}
	return quic.DialAddr(to, tlsConfig(), config)
}

func main() {
	flag.Parse()
	time.AfterFunc(30*time.Second, func() { must(errors.New("took too long")) })
	var relay relay
	conn, err := connect(&relay)
	if err == nil {
		state := conn.ConnectionState()
		want(state.TLS.NegotiatedProtocol == "hs2net/1", "ALPN hs2net/1", state.TLS.NegotiatedProtocol)
		fmt.Println("datagrams", state.SupportsDatagrams)
		e := newEnd(conn)
		go converse(e, &relay)
		go e.receiveDatagrams()
		e.receive()
	}
	select {} // the tracer sees the end of the connection, also in a handshake
}

func converse(e *end, relay *relay) {
	for i := 0; i < *requests; i++ {
		if i == *requests/2 && *rebind {
			relay.rebind()
		}
		// Not before the first echo: a datagram that overtakes the hello is lost.
		for n := 0; n < *datagrams && i > 0; n++ {
			body := bytes.Repeat([]byte{byte(100 + n)}, *size)
			e.sendTwice(request, body)
			want(bytes.Equal(<-e.echoes, body), "the body echoed")
		}
		body := bytes.Repeat([]byte{byte(i + 1)}, *size)
		e.send(request, body)
		want(bytes.Equal(<-e.echoes, body), "the body echoed")
	}
	for i := 0; i < *serve; i++ {
		<-e.served
	}
	e.awaitAcks()
	<-e.hello
	fmt.Println("done")
}

func describe(err error) string {
	var app *quic.ApplicationError
	var transport *quic.TransportError
	switch {
	case errors.As(err, &app):
		return fmt.Sprintf("application 0x%x remote=%v", uint64(app.ErrorCode), app.Remote)
	case errors.As(err, &transport):
		return fmt.Sprintf("transport 0x%x remote=%v", uint64(transport.ErrorCode), transport.Remote)
	}
	return fmt.Sprint("otherwise: ", err)
}
