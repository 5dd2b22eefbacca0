// Package device is what the programs of bench/small have in common: a transfer over a
// bad link within one process, and the memory that it takes.
package device

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// The flags of the programs.
var (
	duration = flag.Duration("for", 5*time.Second, "how long messages are sent")
	loss     = flag.Float64("loss", 0.05, "the part of the packets that is lost")
	rate     = flag.Int("rate", 125_000, "what the link carries each way, bytes per second")
	limit    = flag.Int("limit", 0, "the most memory that may be taken, bytes; 0: any")
	emulated = flag.Bool("emulated", false, "what is resident is an emulator's: the limit is for what the runtime has from the system")
)

// Size is that of the messages, in bytes.
const Size = 1000

// Check ends the program if there is an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Pair returns two ends of a link over loopback UDP.
func Pair() (a, b net.Conn) {
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	x, err := net.ListenUDP("udp4", local)
	Check(err)
	to := x.LocalAddr().(*net.UDPAddr)
	y, err := net.DialUDP("udp4", local, to)
	Check(err)
	from := y.LocalAddr().(*net.UDPAddr)
	Check(x.Close())
	x, err = net.DialUDP("udp4", to, from)
	Check(err)
	return &end{Conn: x}, &end{Conn: y}
}

// end is one end of the link. Write waits until the link is free, as on a serial line.
type end struct {
	net.Conn
	mu   sync.Mutex
	free time.Time
}

func (e *end) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if wait := e.free.Sub(now); wait > 0 {
		time.Sleep(wait)
	} else {
		e.free = now
	}
	e.free = e.free.Add(time.Duration(len(p)) * time.Second / time.Duration(*rate))
	if rand.Float64() < *loss {
		return len(p), nil
	}
	return e.Conn.Write(p)
}

// Run measures the process: connect sets up what send and receive then move messages
// through. Everything must arrive, in order; and the memory stay within the limit.
func Run(connect func() (send func([]byte) error, receive func([]byte) (int, error), err error)) {
	flag.Parse()
	Report("start")
	send, receive, err := connect()
	Check(err)
	debug.FreeOSMemory()
	Report("idle")
	const end = 1 << 31
	sent := make(chan error, 1)
	go func() {
		message := bytes.Repeat([]byte{0x5A}, Size)
		n := uint32(0)
		for start := time.Now(); time.Since(start) < *duration; n++ {
			binary.BigEndian.PutUint32(message, n)
			if err := send(message); err != nil {
				sent <- err
				return
			}
		}
		binary.BigEndian.PutUint32(message, end|n)
		sent <- send(message)
	}()
	start, message := time.Now(), make([]byte, Size)
	for n := uint32(0); ; n++ {
		size, err := receive(message)
		Check(err)
		if number := binary.BigEndian.Uint32(message); size != Size || number&^end != n || message[Size-1] != 0x5A {
			Check(fmt.Errorf("message %d: %d bytes, number %d", n, size, number))
		} else if number >= end {
			break
		}
		if *emulated {
			bound(fromSystem())
		}
	}
	Check(<-sent)
	n := binary.BigEndian.Uint32(message) &^ end
	fmt.Printf("rate %.3f\n", float64(n)*Size*8/1e6/time.Since(start).Seconds())
	Report("load")
	if !*emulated {
		bound(status("VmHWM") << 10) // ever
	}
}

// bound ends the program if it has taken more memory than it may.
func bound(taken int) {
	if *limit != 0 && taken > *limit {
		Check(fmt.Errorf("%d bytes of memory, the limit is %d", taken, *limit))
	}
}

// fromSystem returns what the runtime has from the system and not given back.
func fromSystem() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys - m.HeapReleased)
}

// Report prints the memory of the process in KiB: resident now and at most, from the
// system and not given back, of that in use in the heap.
func Report(when string) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("memory %s %d %d %d %d\n", when, status("VmRSS"), status("VmHWM"), (m.Sys-m.HeapReleased)>>10, m.HeapAlloc>>10)
}

// status returns a field of the process's status, in KiB.
func status(field string) (n int) {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			fmt.Sscan(value, &n)
		}
	}
	return n
}
