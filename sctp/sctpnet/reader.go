package sctpnet

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
	"github.com/sluice-rtc/sluice/sctp"
)

const (
	// A read buffer starts at minPacket bytes, or the largest MTU if that is more, which
	// keeps idle associations small. One that proves too short grows.
	minPacket = 2048
	maxPacket = 64 << 10

	// maxPassing is how many reads in a row may fail in a passing way within a
	// second: more is a transport that does nothing else, unless they report ICMP
	// messages. Those may be forged, and do not end an association: after each one more
	// the reader rests for restTime, so that they do not keep it busy.
	maxPassing = 1000
	restTime   = 10 * time.Millisecond

	// maxEvents is how many events may wait for OnEvent before reading pauses.
	maxEvents = 1024
)

// reader is the state of the goroutine that reads the net.Conn, unless that is a
// PacketSource. A goroutine that gets stuck sending is replaced, and ends as soon as
// it comes back.
type reader struct {
	source   PacketSource    // the net.Conn, or nil
	attached bool            // it brings packets
	udp      *udpsock.Socket // the net.Conn, or nil
	batcher  BatchReader     // the net.Conn, or nil

	answers answers
	size    int  // of the read buffer
	turn    int  // which goroutine is the one that reads
	waiting bool // it is in Read

	passing int       // failed reads in a row
	since   time.Time // when they began, at most a second ago
}

// init sets the size for packets of up to mtu bytes.
func (r *reader) init(mtu int) {
	// One byte more than the longest packet: a filled buffer means a cut one.
	r.size = max(minPacket, min(mtu, maxPacket)+1)
}

// startReader starts the reading goroutine, or another in its place.
func (c *Conn) startReader() {
	if c.reader.source != nil {
		return
	}
	c.reader.turn++
	c.reader.waiting = true
	c.life.holds++
	go c.readLoop(c.reader.turn)
}

// readLoop is the reading goroutine.
func (c *Conn) readLoop(turn int) {
	growStack()
	var in incoming
	for {
		size, ok := c.beforeRead(turn)
		if !ok {
			return
		}
		err := in.read(c.nc, &c.reader, size)
		if c.handleRead(turn, &in, err) {
			select {
			case <-time.After(restTime):
			case <-c.when(&c.life.over):
			}
		}
	}
}

// incoming is what the reading goroutine has read: runs or packets.
type incoming struct {
	runs    []udpsock.Run
	packets [][]byte
	one     [1][]byte
	buf     []byte
}

// read reads, into a buffer of at least that size if it is one by one.
func (in *incoming) read(nc net.Conn, r *reader, size int) (err error) {
	switch {
	case r.udp != nil:
		in.runs, err = r.udp.Receive()
	case r.batcher != nil:
		in.packets, err = r.batcher.ReadBatch()
	default:
		if len(in.buf) < size {
			in.buf = make([]byte, size)
		}
		var n int
		n, err = nc.Read(in.buf)
		if in.one[0], in.packets = in.buf[:n], in.one[:]; err == nil && n == len(in.buf) && n <= maxPacket {
			err = io.ErrShortBuffer
		}
	}
	return err
}

// beforeRead waits until there is room for events, and returns the size of the buffer to
// read into. ok is false when the goroutine has to end, and its hold is given back.
func (c *Conn) beforeRead(turn int) (size int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaitEvents()
	if c.life.isOver || c.reader.turn != turn {
		if c.reader.udp != nil && c.reader.turn == turn {
			c.reader.udp.Release()
		}
		c.drop()
		return 0, false
	}
	c.reader.waiting = true
	return c.reader.size, true
}

// handleRead takes what was read, and tells whether the reader is to rest.
func (c *Conn) handleRead(turn int, in *incoming, err error) (rest bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reader.turn == turn {
		c.reader.waiting = false
	}
	if c.life.isOver {
		return false
	}
	now := time.Now()
	switch {
	case err == nil:
		c.reader.passing, c.sender.unheard = 0, 0
		now = c.takeAll(now, turn, in)
	case tooLong(err):
		// The packet did not fit. Whether the transport keeps it for the next
		// Read or its sender repeats it, it will.
		size := len(in.buf)
		c.reader.size = min(4*size, maxPacket+1) // before the peer has tried a larger MTU three times
		c.log.Debug("packet longer than the read buffer", "size", size)
		if c.reader.failed(now) {
			c.fail(now, "read", io.ErrShortBuffer)
		}
	case passingRead(err) && !c.gone(err):
		c.log.Debug("reading the transport", "error", err)
		if c.reader.failed(now) {
			if rest = fromICMP(err); !rest {
				c.fail(now, "read", err)
			}
		}
	default:
		c.fail(now, "read", err)
	}
	c.settle(now, aReader)
	return rest
}

// takeAll takes what was read. It returns the time if that was so much that it took a while: then
// each maxBatch packets are answered by themselves, and the peer goes on meanwhile.
func (c *Conn) takeAll(now time.Time, turn int, in *incoming) time.Time {
	c.reader.answers.came(now)
	n, all := 0, count(in.runs)
	for i := range in.runs {
		for packet := range in.runs[i].Datagrams() {
			c.assoc.HandlePacket(now, 0, packet)
			if n++; c.reader.answers.growing(n, all) {
				c.take(now)
			}
		}
	}
	rest := in.packets
	for len(rest) > maxBatch {
		c.handle(now, rest[:maxBatch])
		rest = rest[maxBatch:]
		c.settle(now, aReader)
		c.awaitEvents()
		if c.life.isOver || c.reader.turn != turn {
			return now // and what is left is not ours any more
		}
		now = time.Now()
	}
	c.handle(now, rest)
	return now
}

// handle takes packets that came in together, and are answered together.
func (c *Conn) handle(now time.Time, packets [][]byte) {
	for i, packet := range packets {
		c.assoc.HandlePacket(now, 0, packet)
		if c.reader.answers.within(i+1, len(packets)) {
			c.take(now)
		}
	}
}

// awaitEvents waits until there is room for the events of one more packet.
func (c *Conn) awaitEvents() {
	for c.events.len() > maxEvents && !c.life.isOver {
		c.events.room.Wait()
	}
}

// gone tells whether a refused datagram means that the peer has ended: it need not
// wait for the answer to SHUTDOWN ACK.
func (c *Conn) gone(err error) bool {
	return c.assoc.State() == sctp.ShutdownAckSent && errors.Is(err, syscall.ECONNREFUSED)
}

// failed counts a read that failed, and tells whether there were too many.
func (r *reader) failed(now time.Time) bool {
	if r.passing == 0 || now.Sub(r.since) > time.Second {
		r.passing, r.since = 0, now
	}
	r.passing++
	return r.passing > maxPassing
}

// growStack gives a goroutine that is about to handle packets the stack that it will need, while there is little
// on it: it would grow twice on the way to the first packet, and each time
// all that is on it is looked through and moved. That is a fifth of the instructions outside the kernel that setting up an association takes.
//
//go:noinline
func growStack() {
	var room [4 << 10]byte
	occupy(&room)
}

//go:noinline
func occupy(*[4 << 10]byte) {}
