package udpsock

import (
	"encoding/binary"
	"syscall"
)

// Of ip(7) and ipv6(7).
const (
	optTOS            = 1
	optReceiveTOS     = 13
	optTrafficClass   = 67
	optReceiveTraffic = 66
)

func receiveECN(fd uintptr) error {
	err4 := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, optReceiveTOS, 1)
	err6 := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, optReceiveTraffic, 1)
	if err4 != nil && err6 != nil {
		return err4
	}
	return nil
}

// A control message begins with its length, a word of the machine, level and type;
// what it holds is aligned to a word.
var (
	word   = syscall.CmsgLen(0) - 8
	native = binary.NativeEndian
)

func parseECN(oob []byte) byte {
	for len(oob) >= word+8 {
		size := int(native.Uint32(oob))
		if word == 8 {
			size = int(min(native.Uint64(oob), 1<<16))
		}
		if size < word+8 || size > len(oob) {
			return 0
		}
		level, kind, data := native.Uint32(oob[word:]), native.Uint32(oob[word+4:]), oob[word+8:size]
		switch {
		case level == syscall.IPPROTO_IP && kind == optTOS && len(data) >= 1:
			return data[0] & 3
		case level == syscall.IPPROTO_IPV6 && kind == optTrafficClass && len(data) >= 4:
			return byte(native.Uint32(data) & 3)
		}
		oob = oob[min((size+word-1)&^(word-1), len(oob)):]
	}
	return 0
}

func appendECN(oob []byte, ipv4 bool, codepoint byte) []byte {
	level, kind := uint32(syscall.IPPROTO_IPV6), uint32(optTrafficClass)
	if ipv4 {
		level, kind = syscall.IPPROTO_IP, optTOS
	}
	start := len(oob)
	if word == 8 {
		oob = native.AppendUint64(oob, uint64(syscall.CmsgLen(4)))
	} else {
		oob = native.AppendUint32(oob, uint32(syscall.CmsgLen(4)))
	}
	oob = native.AppendUint32(oob, level)
	oob = native.AppendUint32(oob, kind)
	oob = native.AppendUint32(oob, uint32(codepoint))
	for len(oob)-start < syscall.CmsgSpace(4) {
		oob = append(oob, 0)
	}
	return oob
}
