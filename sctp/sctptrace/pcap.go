package sctptrace

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Pcap writes packets as pcapng (draft-ietf-opsawg-pcapng), link type SCTP: what
// a packet has below the common header is not in it. Each packet has its time, in
// nanoseconds, and its direction. It may be used by several associations at once.
//
// Each packet is one Write; a bufio.Writer makes fewer of them.
type Pcap struct {
	mu      sync.Mutex
	w       io.Writer
	snapLen int
	block   []byte
	begun   bool
	err     error
}

// NewPcap returns a Pcap that writes to w, of each packet the first snapLen bytes;
// 0 is all.
func NewPcap(w io.Writer, snapLen int) *Pcap { return &Pcap{w: w, snapLen: max(snapLen, 0)} }

// Err returns the first error of writing. Nothing is written after it.
func (p *Pcap) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Numbers of pcapng.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 6
	byteOrderMagic = 0x1A2B3C4D

	optionSectionApp  = 4 // shb_userappl
	optionName        = 2 // if_name
	optionResolution  = 9 // if_tsresol
	optionPacketFlags = 2 // epb_flags

	linkSCTP = 248

	flagInbound, flagOutbound = "\x01\x00\x00\x00", "\x02\x00\x00\x00"
)

// Trace writes a packet that was sent or received.
func (p *Pcap) Trace(e sctp.TraceEvent) {
	switch e.Kind {
	case sctp.TracePacketSent:
		p.packet(e.Time, e.Packet, flagOutbound)
	case sctp.TracePacketReceived:
		p.packet(e.Time, e.Packet, flagInbound)
	}
}

var le = binary.LittleEndian

func (p *Pcap) packet(at time.Time, packet []byte, flags string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.begun = true
		p.header()
	}
	taken := packet
	if p.snapLen > 0 {
		taken = packet[:min(len(packet), p.snapLen)]
	}
	ns := uint64(at.UnixNano())
	p.begin(blockPacket)
	p.block = le.AppendUint32(p.block, 0) // interface
	p.block = le.AppendUint32(p.block, uint32(ns>>32))
	p.block = le.AppendUint32(p.block, uint32(ns))
	p.block = le.AppendUint32(p.block, uint32(len(taken)))
	p.block = le.AppendUint32(p.block, uint32(len(packet)))
	p.block = pad(append(p.block, taken...))
	p.option(optionPacketFlags, flags)
	p.end()
}

// header writes the section header and the description of the one interface.
func (p *Pcap) header() {
	p.begin(blockSection)
	p.block = le.AppendUint32(p.block, byteOrderMagic)
	p.block = le.AppendUint16(p.block, 1) // version 1.0
	p.block = le.AppendUint16(p.block, 0)
	p.block = le.AppendUint64(p.block, 1<<64-1) // the section is as long as the file
	p.option(optionSectionApp, "sluice")
	p.end()
	p.begin(blockInterface)
	p.block = le.AppendUint16(p.block, linkSCTP)
	p.block = le.AppendUint16(p.block, 0)
	p.block = le.AppendUint32(p.block, uint32(p.snapLen))
	p.option(optionName, "sctp")
	p.option(optionResolution, "\x09") // 10^-9 s
	p.end()
}

// begin and end put a block together and write it; option adds an option.
func (p *Pcap) begin(kind uint32) {
	p.block = le.AppendUint32(p.block[:0], kind)
	p.block = le.AppendUint32(p.block, 0)
}

func (p *Pcap) option(code uint16, value string) {
	p.block = le.AppendUint16(p.block, code)
	p.block = le.AppendUint16(p.block, uint16(len(value)))
	p.block = pad(append(p.block, value...))
}

func (p *Pcap) end() {
	p.block = le.AppendUint32(p.block, 0) // no more options
	length := uint32(len(p.block) + 4)
	le.PutUint32(p.block[4:], length)
	p.block = le.AppendUint32(p.block, length)
	if p.err == nil {
		_, p.err = p.w.Write(p.block)
	}
}

// pad fills up to a multiple of 4 bytes.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
