package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice"
)

// Over the one channel of a connection, "file", which the receiver opens, texts are
// JSON and binary messages are the file:
//
//	sender    {"name", "size", "sha256"}
//	receiver  {"from": n}                  what it has already
//	sender    the bytes from n on, in messages of up to 64 KiB
//	receiver  {"have": n}                  now and then; the sender keeps at most window ahead
//	receiver  {"verified": true}           or false: the bytes are not those that were announced
//
// A connection that is lost is made again, and goes on where the receiver is.
const label = "file"

const (
	offerPath  = "/api/offer"
	maxRequest = 64 << 10
	chunkSize  = 64 << 10
	window     = 4 << 20   // bytes under way, at most
	reportEach = 256 << 10 // bytes between two "have"
	maxName    = 255
)

// request is what a receiver posts; the answer is a sluice.SessionDescription.
type request struct {
	Key   string                    `json:"key"`
	Offer sluice.SessionDescription `json:"offer"`
}

// info describes the file.
type info struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // 64 hexadecimal digits
}

// report is what a receiver says; one of its members is there.
type report struct {
	From     *int64 `json:"from,omitempty"`
	Have     *int64 `json:"have,omitempty"`
	Verified *bool  `json:"verified,omitempty"`
}

// validate checks what a sender announces.
func (i *info) validate() error {
	switch {
	case i.Size < 0:
		return errors.New("the size is negative")
	case len(i.SHA256) != 64 || strings.Trim(i.SHA256, "0123456789abcdef") != "":
		return errors.New("the SHA-256 is none")
	case i.Name == "" || len(i.Name) > maxName || !utf8.ValidString(i.Name):
		return fmt.Errorf("the name must be 1 to %d bytes of UTF-8", maxName)
	}
	return nil
}

// safeName is a name that stays in its directory and shows in a listing.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if name = strings.TrimLeft(filepath.Base(name), ". "); name == "" {
		return "file"
	}
	return name
}

// encode never fails for the types of this file.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("filedrop: BUG: " + err.Error())
	}
	return b
}
