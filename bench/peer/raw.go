package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/sluice-rtc/sluice/bench/internal/tally"
)

// What the machine can do without any protocol: packets of packetSize bytes.

// stream sends with send, which returns how many bytes it sent, for a time.
func stream(j job, y *tally.Tally, window int64, send func() (int, error)) (report, error) {
	sent := int64(0)
	work := func(d time.Duration) error {
		for deadline := time.Now().Add(d); time.Now().Before(deadline); {
			n, err := send()
			if err != nil {
				return err
			}
			sent = y.Await(sent+int64(n), window)
		}
		sent = y.Await(sent, 0)
		return nil
	}
	if err := work(warmUp(j)); err != nil {
		return nil, err
	}
	before, m := y.Load(), start()
	if err := work(j.duration); err != nil {
		return nil, err
	}
	n := y.Load() - before
	return m.stop(n/packetSize, n), nil
}

// drain reads all there is, up to 64 KiB at a time.
func drain(read func([]byte) (int, error), y *tally.Tally) {
	buf := make([]byte, 64<<10)
	for {
		n, err := read(buf)
		if err != nil {
			return
		}
		y.Arrive(n)
	}
}

// batch is how many packets a batch has: with GSO what fits into 64 KiB.
const batch = 50

// rawMemory: datagrams through the pipe alone.
func rawMemory(j job) (report, error) {
	a, b := newPipe()
	defer a.Close()
	y := tally.New()
	go drain(b.Read, y)
	packets := make([][]byte, batch)
	for i := range packets {
		packets[i] = make([]byte, packetSize)
	}
	return stream(j, y, 4*batch*packetSize, func() (int, error) {
		n, err := a.WriteBatch(packets)
		return n * packetSize, err
	})
}

// rawAEAD: AES-128-GCM, sealed and opened.
func rawAEAD(j job) (report, error) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var nonce [12]byte
	var additional [13]byte
	frame := make([]byte, packetSize, packetSize+16)
	y := tally.New()
	return stream(j, y, 0, func() (int, error) {
		for range batch {
			binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])+1)
			sealed := gcm.Seal(frame[:0], nonce[:], frame, additional[:])
			if _, err := gcm.Open(sealed[:0], nonce[:], sealed, additional[:]); err != nil {
				return 0, err
			}
		}
		y.Arrive(batch * packetSize)
		return batch * packetSize, nil
	})
}

// rawUDP: a system call for each packet, on either side.
func rawUDP(j job) (report, error) {
	a, b, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer a.Close()
	defer b.Close()
	y := tally.New()
	go drain(b.Read, y)
	packet := make([]byte, packetSize)
	return stream(j, y, 64*packetSize, func() (int, error) { return a.Write(packet) })
}

// The options of Linux for segmentation, which package syscall does not name.
const (
	udpSegment = 103
	udpGRO     = 104
)

// rawGSO: many packets with one system call, on either side.
func rawGSO(j job) (report, error) {
	a, b, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer a.Close()
	defer b.Close()
	for c, option := range map[*net.UDPConn][2]int{a: {udpSegment, packetSize}, b: {udpGRO, 1}} {
		raw, err := c.SyscallConn()
		if err != nil {
			return nil, err
		}
		failed := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, option[0], option[1])
		})
		if failed != nil || err != nil {
			return nil, fmt.Errorf("segmentation: %v %v", failed, err)
		}
	}
	y := tally.New()
	go drain(func(buf []byte) (int, error) {
		n, _, _, _, err := b.ReadMsgUDPAddrPort(buf, nil)
		return n, err
	}, y)
	packets := make([]byte, batch*packetSize)
	return stream(j, y, batch*packetSize, func() (int, error) {
		n, _, err := a.WriteMsgUDPAddrPort(packets, nil, netip.AddrPort{})
		return n, err
	})
}

// rawPingPong: 64 bytes there and back between two sockets.
func rawPingPong(j job) (report, error) {
	return pingPong(func(int) (end, end, error) {
		a, b, err := socketPair()
		return socketEnd{a}, socketEnd{b}, err
	}, j)
}

// rawSetUp makes two sockets that carry, as a handshake does, four packets of its size, and closes them.
func rawSetUp(j job) (report, error) {
	packet := make([]byte, 150)
	return setUp(func(int) (end, end, error) {
		b, err := net.ListenUDP("udp4", loopback(0))
		if err != nil {
			return nil, nil, err
		}
		a, err := net.DialUDP("udp4", nil, b.LocalAddr().(*net.UDPAddr))
		if err != nil {
			return nil, nil, err
		}
		for range 2 {
			if _, err := a.Write(packet); err != nil {
				return nil, nil, err
			}
			_, from, err := b.ReadFromUDPAddrPort(packet)
			if err != nil {
				return nil, nil, err
			}
			if _, err := b.WriteToUDPAddrPort(packet, from); err != nil {
				return nil, nil, err
			}
			if _, err := a.Read(packet); err != nil {
				return nil, nil, err
			}
		}
		return socketEnd{a}, socketEnd{b}, nil
	}, j)
}

type socketEnd struct{ *net.UDPConn }

func (e socketEnd) send(_ int, p []byte) error {
	_, err := e.Write(p)
	return err
}

func (e socketEnd) receive(f func(stream int, p []byte)) {
	go func() {
		buf := make([]byte, maxMessage)
		for {
			n, err := e.Read(buf)
			if err != nil {
				return
			}
			f(0, buf[:n])
		}
	}()
}

func (e socketEnd) close() { e.Close() }
