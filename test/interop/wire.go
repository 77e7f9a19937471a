package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/lucas-clemente/quic-go"
)

// Message types, each with a lane of its own.
const (
	request = 1
	echo    = 2
	bodyMax = 1 << 20
	large   = 65536 // bodies above this get a stream of their own

	unordered = 1 << 5 // flag
	lanes     = 6      // acks name the unordered messages of a lane by lanes + lane
)

var laneOf = map[uint64]uint64{request: 3, echo: 4}

// ---- CBOR: heads, which is all there is but for the content of strings ----

const (
	number     = 0
	byteString = 2
	textString = 3
	array      = 4
	mapping    = 5
)

func put(out []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(out, major|byte(n))
	case n < 1<<8:
		return append(out, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(out, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(out, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(out, major|27), n)
}

func list(numbers ...uint64) []byte {
	out := put(nil, array, uint64(len(numbers)))
	for _, n := range numbers {
		out = put(out, number, n)
	}
	return out
}

type reader struct{ *bufio.Reader }

// head reads one head; a stream may end in front of it only.
func (r reader) head() (major byte, n uint64, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	n = uint64(first & 31)
	want(n <= 27, "a definite length", first)
	if n >= 24 {
		rest := r.take(1 << (n - 24))
		n = 0
		for _, b := range rest {
			n = n<<8 | uint64(b)
		}
		want(len(put(nil, 0, n)) == 1+len(rest), "the shortest form", first, rest)
	}
	return first >> 5, n, nil
}

func (r reader) must(major byte) uint64 {
	got, n, err := r.head()
	must(err)
	want(got == major, fmt.Sprint("an item of major type ", major), got)
	return n
}

func (r reader) take(n uint64) []byte {
	out := make([]byte, n)
	_, err := io.ReadFull(r, out)
	must(err)
	return out
}

func (r reader) atEnd() {
	_, err := r.ReadByte()
	want(err == io.EOF, "the end of the stream", err)
}

// skip passes over the n trailing elements of a record.
func (r reader) skip(n uint64) {
	for ; n > 0; n-- {
		r.must(number)
	}
}

// ---- one end of a connection ----

type place struct{ lane, seq uint64 }

type end struct {
	conn   quic.Connection
	echoes chan []byte
	served chan struct{}
	hello  chan struct{} // closed when the node's has come

	mu     sync.Mutex
	lanes  map[uint64]quic.SendStream
	acks   quic.SendStream
	seq    map[uint64]uint64
	acked  map[uint64]uint64
	more   *sync.Cond // acked has grown
	bodies map[place]chan []byte
	taken  map[place]bool // unordered messages
}

func newEnd(conn quic.Connection) *end {
	e := &end{conn: conn, echoes: make(chan []byte, 1), served: make(chan struct{}, 1024), hello: make(chan struct{}),
		lanes: map[uint64]quic.SendStream{}, seq: map[uint64]uint64{}, acked: map[uint64]uint64{},
		bodies: map[place]chan []byte{}, taken: map[place]bool{}}
	e.more = sync.NewCond(&e.mu)
	if hello := e.open(0); hello != nil {
		write(hello, helloMap())
		hello.Close()
	}
	return e
}

// Opens a stream and writes its head; nil when the connection has ended.
func (e *end) open(head ...uint64) quic.SendStream {
	s, err := e.conn.OpenUniStreamSync(context.Background())
	if err != nil {
		return nil
	}
	write(s, list(head...))
	return s
}

// A connection that has ended is noticed by receive.
func write(s quic.SendStream, parts ...[]byte) {
	for _, p := range parts {
		if _, err := s.Write(p); err != nil {
			return
		}
	}
}

func helloMap() []byte {
	out := put(nil, mapping, 8)
	out = append(put(put(out, number, 1), textString, uint64(len(*chain))), *chain...)
	capabilities := uint64(0)
	if *datagrams > 0 {
		capabilities = 1
	}
	for key, value := range []uint64{2: 1, 3: 1, 4: 1, 5: 0, 6: capabilities} {
		if key >= 2 {
			out = put(put(out, number, uint64(key)), number, value)
		}
	}
	out = put(put(out, number, 7), array, 0)
	out = put(put(out, number, 9), array, 2)
	out = append(out, list(request, laneOf[request], bodyMax)...)
	return append(out, list(echo, laneOf[echo], bodyMax)...)
}

// lane opens the stream of a lane, when it must; nil when the connection has
// ended.
func (e *end) lane(lane uint64) quic.SendStream {
	if e.lanes[lane] == nil {
		if s := e.open(2, lane); s != nil {
			e.lanes[lane] = s
		}
	}
	return e.lanes[lane]
}

// sendTwice sends a message in a datagram, and its copy on the lane's stream.
func (e *end) sendTwice(kind uint64, body []byte) {
	e.mu.Lock()
	lane := laneOf[kind]
	s := e.lane(lane)
	e.seq[lanes+lane]++
	seq := e.seq[lanes+lane]
	e.mu.Unlock()
	if s == nil {
		return
	}
	record := append(put(nil, array, 6), list(1, seq, kind, unordered, 0)[1:]...)
	record = append(put(record, byteString, uint64(len(body))), body...)
	must(e.conn.SendMessage(append(list(4, lane, seq), record...)))
	write(s, record)
}

func (e *end) send(kind uint64, body []byte) {
	e.mu.Lock()
	lane := laneOf[kind]
	s := e.lane(lane)
	e.seq[lane]++
	seq := e.seq[lane]
	e.mu.Unlock()
	if s == nil {
		return
	}

	n := uint64(len(body))
	if n <= large {
		head := append(put(nil, array, 6), list(1, seq, kind, 0, 0)[1:]...)
		write(s, put(head, byteString, n), body)
		return
	}
	write(s, list(2, seq, kind, 0, 0, n))
	if b := e.open(3, lane, seq, n); b != nil {
		write(b, body)
		b.Close()
	}
}

// awaitAcks returns when the node has acknowledged all that was sent.
func (e *end) awaitAcks() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for lane, seq := range e.seq {
		for e.acked[lane] < seq {
			e.more.Wait()
		}
	}
}

// receive takes the node's streams until the connection ends.
func (e *end) receive() {
	for first := true; ; first = false {
		s, err := e.conn.AcceptUniStream(context.Background())
		if err != nil {
			return
		}
		go e.stream(reader{bufio.NewReader(s)}, first)
	}
}

// receiveDatagrams takes the node's datagrams.
func (e *end) receiveDatagrams() {
	for {
		datagram, err := e.conn.ReceiveMessage()
		if err != nil {
			return
		}
		r := reader{bufio.NewReader(bytes.NewReader(datagram))}
		want(r.must(array) == 3 && r.must(number) == 4, "a datagram's head", datagram)
		lane, base := r.must(number), r.must(number)
		for first := true; ; first = false {
			_, n, err := r.head()
			if err != nil {
				want(!first, "a record", datagram)
				break
			}
			want(n >= 6 && r.must(number) == 1, "a msg record", datagram)
			seq, what, flags, _ := r.must(number), r.must(number), r.must(number), r.must(number)
			r.skip(n - 6)
			want(flags == unordered && seq >= base && seq < base+1024, "an unordered message", flags, seq, base)
			fmt.Println("datagram")
			e.unordered(place{lane, seq}, what, r.take(r.must(byteString)))
		}
	}
}

// unordered takes a message that comes in any order, and perhaps twice.
func (e *end) unordered(at place, kind uint64, body []byte) {
	e.mu.Lock()
	again := e.taken[at]
	e.taken[at] = true
	e.mu.Unlock()
	if !again {
		e.message(place{lanes + at.lane, at.seq}, kind, body)
	}
}

func (e *end) stream(r reader, first bool) {
	_, n, err := r.head()
	if err != nil {
		return
	}
	kind := r.must(number)
	want(first == (kind == 0), "the hello first, and once", kind)
	switch {
	case kind == 0 && n == 1:
		readHello(r)
		close(e.hello)
	case kind == 1 && n == 1:
		for e.record(r, 0, true) {
		}
	case kind == 2 && n == 2:
		lane := r.must(number)
		for e.record(r, lane, false) {
		}
	case kind == 3 && n == 4:
		at := place{r.must(number), r.must(number)}
		body := r.take(r.must(number))
		r.atEnd()
		e.body(at) <- body
	default:
		want(false, "a known head", kind, n)
	}
}

// body is where the body and the large record of one message meet.
func (e *end) body(at place) chan []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bodies[at] == nil {
		e.bodies[at] = make(chan []byte, 1)
	}
	return e.bodies[at]
}

func readHello(r reader) {
	n := r.must(mapping)
	got := map[uint64]uint64{}
	last := uint64(0)
	for ; n > 0; n-- {
		key := r.must(number)
		want(key > last, "ascending keys", key)
		last = key
		switch key {
		case 1:
			id := string(r.take(r.must(textString)))
			want(id == *chain, "chain id "+*chain, id)
		case 2, 3, 4, 5, 6:
			got[key] = r.must(number)
		case 7, 8:
			for items := r.must(array); items > 0; items-- {
				r.take(r.must(byteString))
			}
		case 9:
			want(r.must(array) == 2, "two message types")
			for _, kind := range []uint64{request, echo} {
				want(r.must(array) == 3, "three elements")
				want(r.must(number) == kind && r.must(number) == laneOf[kind] && r.must(number) == bodyMax, "the types")
			}
		default:
			want(false, "a key of version 1", key)
		}
	}
	r.atEnd()
	want(got[2] == 1 && got[3] >= 1 && got[4] >= 1, "version 1 and an incarnation", got)
	fmt.Println("hello")
}

// record reads one record; false at the end of the stream.
func (e *end) record(r reader, lane uint64, acks bool) bool {
	_, n, err := r.head()
	if err != nil {
		return false
	}
	kind := r.must(number)
	switch {
	case acks && kind == 3 && n >= 4:
		e.ack(r.must(number), r.must(number), r.take(r.must(byteString)))
		r.skip(n - 4)
	case !acks && kind == 1 && n >= 6:
		seq, what, flags, _ := r.must(number), r.must(number), r.must(number), r.must(number)
		r.skip(n - 6)
		body := r.take(r.must(byteString))
		if flags&unordered != 0 {
			e.unordered(place{lane, seq}, what, body)
		} else {
			e.message(place{lane, seq}, what, body)
		}
	case !acks && kind == 2 && n >= 6:
		seq, what, _, _ := r.must(number), r.must(number), r.must(number), r.must(number)
		size := r.must(number)
		r.skip(n - 6)
		body := <-e.body(place{lane, seq})
		want(uint64(len(body)) == size, "one length", len(body), size)
		fmt.Println("body")
		e.message(place{lane, seq}, what, body)
	default:
		want(false, "a record of this stream", kind, n)
	}
	return true
}

func (e *end) ack(lane, floor uint64, bitmap []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	want(floor <= e.seq[lane], "an ack of what was sent", lane, floor)
	want(len(bitmap) == 0, "no gap", bitmap)
	e.acked[lane] = floor
	e.more.Broadcast()
}

func (e *end) message(at place, kind uint64, body []byte) {
	want(laneOf[kind] == at.lane%lanes, "the lane of the type", kind, at.lane)
	e.mu.Lock()
	if e.acks == nil {
		e.acks = e.open(1)
	}
	if e.acks != nil {
		write(e.acks, append(append(put(nil, array, 4), list(3, at.lane, at.seq)[1:]...), 0x40))
	}
	e.mu.Unlock()
	if kind == echo {
		e.echoes <- body
		return
	}
	e.send(echo, body)
	e.served <- struct{}{}
}
