package sluice

import (
	"context"
	"errors"
	"syscall/js"
	"time"

	"github.com/sluice-rtc/sluice/internal/webjs"
)

// A Certificate is the identity that a connection proves in DTLS, an RTCCertificate of
// the browser, which does not give away its key. It is immutable.
//
// By default each connection makes a fresh one (RFC 8827, section 6.5). One certificate
// used for several connections lets peers recognise each other.
type Certificate struct{ object js.Value }

// GenerateCertificate makes an ECDSA P-256 key and a certificate valid for 30 days. It
// waits for the browser, as the methods of PeerConnection do.
func GenerateCertificate() (*Certificate, error) {
	class := js.Global().Get("RTCPeerConnection")
	if !webjs.Is(class) {
		return nil, errNoPeerConnection
	}
	promise := class.Call("generateCertificate", map[string]any{"name": "ECDSA", "namedCurve": "P-256"})
	object, err := webjs.Await(context.Background(), promise)
	if err != nil {
		return nil, errors.New("sluice: certificate: " + err.Error())
	}
	return &Certificate{object}, nil
}

// Expires returns when the certificate ends.
func (c *Certificate) Expires() time.Time {
	return time.UnixMilli(int64(c.object.Get("expires").Float()))
}

// Fingerprints returns the fingerprints that the browser announces; nil in browsers that
// do not tell.
func (c *Certificate) Fingerprints() (list []Fingerprint) {
	if !webjs.Is(c.object.Get("getFingerprints")) {
		return nil
	}
	prints := c.object.Call("getFingerprints")
	for i := range prints.Length() {
		p := prints.Index(i)
		list = append(list, Fingerprint{webjs.Text(p.Get("algorithm")), webjs.Text(p.Get("value"))})
	}
	return list
}

// bytesOf copies an ArrayBuffer.
func bytesOf(buffer js.Value) []byte {
	view := js.Global().Get("Uint8Array").New(buffer)
	b := make([]byte, view.Length())
	js.CopyBytesToGo(b, view)
	return b
}
