package sluice

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

// hostileDescriptions are made to be long to read, or to take much memory. All are
// refused, or read within bounds.
func hostileDescriptions(good string) map[string]string {
	head := good[:strings.Index(good, "m=")]
	many := func(line string) string { return strings.Repeat(line, (maxSDPSize-len(good)-100)/len(line)) }
	digits := strings.Repeat("9", 10000)
	return map[string]string{
		"ten megabytes":               strings.Repeat("a", 10<<20),
		"ten megabytes of line ends":  strings.Repeat("\n", 10<<20),
		"as many line ends as fit":    many("\n"),
		"NULs":                        strings.Repeat("\x00", maxSDPSize),
		"one line":                    "v=" + strings.Repeat("0", maxSDPSize-2),
		"a million sections":          head + strings.Repeat("m=audio 0 RTP/AVP 0\r\n", 1000000),
		"as many sections as fit":     head + many("m=audio 9 RTP/AVP 0\n"),
		"empty sections":              head + many("m=\n"),
		"attributes":                  good + many("a=x\n"),
		"attributes of the session":   head + many("a=x\n"),
		"a bad line after many":       good + strings.Repeat("a=x\n", maxSDPLines-100) + "q=1\n",
		"a bad line after long ones":  good + strings.Repeat("a="+strings.Repeat("x", 16000)+"\n", 60) + "q=1\n",
		"fields of a group":           strings.Replace(good, "a=group", strings.Repeat("a=group:BUNDLE "+strings.Repeat("0 ", 8000)+"\r\n", 60)+"a=group", 1),
		"unknown mids":                strings.Replace(good, "a=group", strings.Repeat("a=group:BUNDLE "+strings.Repeat("x ", 8000)+"\r\n", 60)+"a=group", 1),
		"formats":                     head + strings.Repeat("m=audio 9 RTP/AVP "+strings.Repeat("0 ", 4000)+"\r\n", 120),
		"formats of data":             strings.Replace(good, "webrtc-datachannel", strings.Repeat("0 ", 8000), 1),
		"rtpmaps":                     head + "m=audio 9 RTP/AVP 0\r\n" + strings.Repeat("a=rtpmap:0 x\n", maxSDPLines-100),
		"candidates":                  good + many("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"),
		"a candidate of a hundred kB": good + "a=candidate:1 1 udp 1 192.0.2.1 1 typ host " + strings.Repeat("x y ", 25000) + "\r\n",
		"fingerprints":                good + many("a=fingerprint:x 00\r\n"),
		"a long fingerprint":          good + "a=fingerprint:x " + strings.Repeat("00:", 5000) + "00\r\n",
		"options":                     strings.Replace(good, "a=ice-options:trickle", strings.Repeat("a=ice-options:"+strings.Repeat("x ", 8000)+"\r\n", 60), 1),
		"times":                       strings.Replace(good, "t=0 0\r\n", many("t=0 0\n"), 1),
		"repeat times":                strings.Replace(good, "t=0 0\r\n", "t=0 0\r\n"+many("r=1 1 1 1\n"), 1),
		"time zones":                  strings.Replace(good, "t=0 0\r\n", "t=0 0\r\nz="+strings.Repeat("1 1h ", 3000)+"\r\n", 1),
		"bandwidths":                  good + many("b=AS:1\n"),
		"long port":                   strings.Replace(good, "m=application 9", "m=application "+digits, 1),
		"long origin":                 strings.Replace(good, "o=- ", "o=- "+digits, 1),
		"long time":                   strings.Replace(good, "t=0 0", "t="+digits+" "+digits, 1),
		"long SCTP port":              strings.Replace(good, "sctp-port:5000", "sctp-port:"+digits, 1),
		"long size":                   strings.Replace(good, "size:262144", "size:"+digits, 1),
		"long bandwidth":              good + "b=AS:" + digits + "\r\n",
		"ports of a range":            strings.Replace(good, "m=application 9", "m=application 9/65535", 1),
	}
}

// What a description costs is bounded, whatever stands in it.
func TestHostileDescriptions(t *testing.T) {
	good := readSDP(t, "chromium-data-offer")
	for name, text := range hostileDescriptions(good) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := parseDescription(text)
		runtime.ReadMemStats(&after)
		if err != nil && !errors.As(err, new(*SDPError)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(d.sections) > maxSDPSections {
			t.Errorf("%s: %d sections", name, len(d.sections))
		}
		// A hundred times the longest description. (What takes a time that grows with the square would not come to an end.)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 100*maxSDPSize {
			t.Errorf("%s: %d bytes allocated", name, allocated)
		}
		// The same through the front door: nothing is kept of what is refused.
		pc := newTestPC(t)
		if got := pc.SetRemoteDescription(SessionDescription{SDPTypeOffer, text}); (got == nil) != (err == nil) && !errors.As(got, new(*InvalidAccessError)) {
			t.Errorf("%s: SetRemoteDescription = %v, and parsing %v", name, got, err)
		} else if got != nil && pc.RemoteDescription() != nil {
			t.Errorf("%s: a description that is refused is kept", name)
		} else if got == nil {
			answer := setLocal(t, pc, SDPTypeAnswer)
			if len(answer.SDP) > len(text)+10000 {
				t.Errorf("%s: an answer of %d bytes", name, len(answer.SDP))
			}
		}
		pc.Close()
	}
}
