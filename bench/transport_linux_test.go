package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/bench/internal/tally"
	"github.com/sluice-rtc/sluice/internal/dtlsrecord"
)

const (
	transportTitle   = "Transport"
	transportPreface = `Written by ` + "`make bench-transport`" + `. Both ends run in one process, over loopback UDP with host
candidates; CPU time is that of all its threads, kernel included, for both ends together, and a GB is
10^9 bytes of payload. Records carry 1200 bytes under AES-128-GCM. What is compared is measured in
turn, and each figure is the median; the ratios are to be trusted more than the figures.
`
	recordSize = 1200
	roomBefore = dtlsrecord.Before
	roomAfter  = dtlsrecord.After
	rounds     = 5
	burst      = 32 // records in a batch
)

// TestTransport makes the tables, from the cipher up to data channels.
func TestTransport(t *testing.T) {
	section(t, transportTitle, transportPreface+"\n"+machine()+"\n")
	t.Run("Records", benchRecords)
	t.Run("Sessions", benchSessions)
	t.Run("Crowd", benchCrowd)
	t.Run("Full", benchFull)
	t.Run("Latency", benchLatency)
	t.Run("Above", benchAbove)
}

func newSecrets() *dtlsrecord.Secrets {
	s := &dtlsrecord.Secrets{Suite: 0xC02B}
	rand.Read(s.Master[:])
	return s
}

// benchRecords: protection of records alone, beside the cipher in it.
func benchRecords(t *testing.T) {
	const count = 500_000
	s := newSecrets()
	sealer, _, err := s.Protection(true)
	if err != nil {
		t.Fatal(err)
	}
	_, opener, err := s.Protection(false)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, roomBefore+recordSize+roomAfter)
	ours := func() int64 {
		for range count {
			if err := sealer.Seal(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := opener.Open(frame); err != nil {
				t.Fatal(err)
			}
		}
		return count * recordSize
	}
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var nonce [12]byte
	var additional [13]byte
	bare := func() int64 {
		for range count {
			sealed := gcm.Seal(frame[:0], nonce[:], frame[:recordSize], additional[:])
			if _, err := gcm.Open(sealed[:0], nonce[:], sealed, additional[:]); err != nil {
				t.Fatal(err)
			}
		}
		return count * recordSize
	}
	costs := alternate(rounds, ours, bare)
	table(t, "Record protection alone: seal and open", "CPU-s/GB", "allocations per record", "of AES-GCM itself")
	reference := median(costs[1], cost.perGB)
	for i, name := range []string{"sluice", "AES-GCM itself"} {
		perGB := median(costs[i], cost.perGB)
		row(t, name, fmt.Sprintf("%.2f", perGB), perRecord(costs[i]), fmt.Sprintf("%.2f", perGB/reference))
	}
}

func perRecord(costs []cost) string {
	return fmt.Sprintf("%.1f", median(costs, func(c cost) float64 { return c.allocsPer(recordSize) }))
}

// A carrier takes records in batches at one end of a connection, and counts the bytes
// of payload that come out at the other.
type carrier struct {
	send    func(frames [][]byte) // with room around each payload
	arrived *tally.Tally
	lost    int64
}

// window is how many bytes are on their way at most: nothing below SCTP holds a
// sender back, and what the socket has no room for is lost.
const window = 64 * recordSize

// carry sends records for a time, and returns how many bytes have arrived.
func (c *carrier) carry(d time.Duration) int64 {
	buf := make([]byte, burst*(roomBefore+recordSize+roomAfter))
	var frames [][]byte
	for b := buf; len(b) > 0; b = b[len(buf)/burst:] {
		frames = append(frames, b[:len(buf)/burst])
	}
	begin := c.arrived.Load()
	deadline := time.Now().Add(d)
	for sent := begin; ; sent += burst * recordSize {
		if time.Now().After(deadline) {
			break
		}
		kept := c.arrived.Await(sent, window-burst*recordSize)
		c.lost += sent - kept
		sent = kept
		c.send(frames)
	}
	return c.arrived.Load() - begin
}

// benchSessions: from one session to another, below SCTP.
func benchSessions(t *testing.T) {
	carriers := []struct {
		name string
		*carrier
	}{
		{"sluice", newOursCarrier(t)},
		{"dtls/v2 on ice/v2", newPlainCarrier(t)},
	}
	var works []func() int64
	for _, c := range carriers {
		c.carry(100 * time.Millisecond)
		works = append(works, func() int64 { return c.carry(time.Second) })
	}
	costs := alternate(rounds, works...)
	table(t, "Session to session below SCTP", "CPU-s/GB", "MB/s", "allocations per record", "CPU relative to the libraries", "lost")
	reference := median(costs[len(costs)-1], cost.perGB)
	for i, c := range carriers {
		perGB := median(costs[i], cost.perGB)
		row(t, c.name, fmt.Sprintf("%.2f", perGB), fmt.Sprintf("%.0f", median(costs[i], cost.rate)), perRecord(costs[i]),
			fmt.Sprintf("%.2f", perGB/reference), fmt.Sprint(c.lost/recordSize))
	}
}
