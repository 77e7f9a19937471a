package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"github.com/lucas-clemente/quic-go/logging"
)

// relay stands for a NAT: the client sees one address, the node another, which
// changes in the middle of the connection.
type relay struct {
	front  *net.UDPConn
	back   atomic.Value // *net.UDPConn
	client atomic.Value // net.Addr
	node   *net.UDPAddr
}

func (r *relay) start(to string) string {
	var err error
	r.node, err = net.ResolveUDPAddr("udp", to)
	must(err)
	r.front, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(err)
	r.rebind()
	go func() {
		var space [65536]byte
		for {
			n, from, err := r.front.ReadFrom(space[:])
			must(err)
			r.client.Store(from)
			r.back.Load().(*net.UDPConn).Write(space[:n]) // one that is lost is sent again
		}
	}()
	return r.front.LocalAddr().String()
}

// The old port is gone for good, and with it whatever was on its way there.
func (r *relay) rebind() {
	back, err := net.DialUDP("udp", nil, r.node)
	must(err)
	if old := r.back.Swap(back); old != nil {
		old.(*net.UDPConn).Close()
	}
	go func() {
		var space [65536]byte
		for {
			n, err := back.Read(space[:])
			if err != nil {
				return
			}
			r.front.WriteTo(space[:n], r.client.Load().(net.Addr))
		}
	}()
}

// tracer prints what the application can't see, or not in time: a listener
// never hears of a handshake that failed.
type tracer struct{ logging.NullTracer }

func (tracer) TracerForConnection(context.Context, logging.Perspective, logging.ConnectionID) logging.ConnectionTracer {
	return connTracer{}
}

func (tracer) SentPacket(_ net.Addr, head *logging.Header, _ logging.ByteCount, _ []logging.Frame) {
	if logging.PacketTypeFromHeader(head) == logging.PacketTypeRetry {
		fmt.Println("retry")
	}
}

type connTracer struct{ logging.NullConnectionTracer }

func (connTracer) ClosedConnection(err error) {
	fmt.Println("closed", describe(err))
	os.Exit(0)
}

func (connTracer) ReceivedRetry(*logging.Header) { fmt.Println("retry") }

func (connTracer) UpdatedKey(_ logging.KeyPhase, remote bool) {
	if !remote {
		fmt.Println("key-update")
	}
}
