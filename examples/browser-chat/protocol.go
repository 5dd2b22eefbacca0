package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The protocol of the room. A member has one connection with
//
//   - "chat", reliable and ordered: requests to the room and events from it,
//     one JSON object per text message;
//   - "live", unordered with maxRetransmits 0: pointers and pings, where the
//     newest value replaces a lost one;
//   - "file:ID", reliable and ordered, one per transfer and end: binary
//     messages are the file, text messages are fileControl.
const (
	labelChat = "chat"
	labelLive = "live"
	labelFile = "file:"

	protocolVersion = 1
)

// Signalling is one POST of an offer, answered by the answer or a problem.
const (
	joinPath = "/api/join"
	maxOffer = 64 << 10 // bytes of a signalling request
)

// problem is the body of a signalling answer that is not a description.
type problem struct {
	Code   string `json:"code"`
	Reason string `json:"reason"` // a sentence for people
}

// Bounds on what a member may say. The page reads them from the welcome.
const (
	maxNick     = 24        // runes
	maxText     = 2000      // runes
	maxFileName = 120       // runes
	maxRef      = 40        // bytes of a message reference
	maxKey      = 64        // bytes of a member's secret
	maxRequest  = 16 << 10  // bytes of one chat message on the wire
	maxLive     = 256       // bytes of one live message on the wire
	maxChunk    = 64 << 10  // bytes of one binary message of a file
	fileWindow  = 512 << 10 // bytes of a file that may be unacknowledged
	fileAck     = 64 << 10  // bytes between two acknowledgements
	maxHeld     = 8         // files that one member offers at a time
	maxTakes    = 4         // files that one member receives at a time
)

// request is what a member says on "chat". Type decides which fields count.
type request struct {
	Type string `json:"type"`

	// hello: the first message of a connection. Key is the member's secret:
	// who shows it again gets the same place. Room and After are what the
	// page has seen already, Files what it can still send.
	V     int      `json:"v,omitempty"`
	Key   string   `json:"key,omitempty"`
	Room  string   `json:"room,omitempty"`
	After int64    `json:"after,omitempty"`
	Files []string `json:"files,omitempty"`

	Nick string `json:"nick,omitempty"` // hello, nick
	Text string `json:"text,omitempty"` // say
	Ref  string `json:"ref,omitempty"`  // say, offer: chosen by the member, returned in the entry

	Name string `json:"name,omitempty"` // offer
	Size int64  `json:"size,omitempty"` // offer: bytes
	ID   string `json:"id,omitempty"`   // withdraw
}

// event is what the room says on "chat".
type event struct {
	Type string `json:"type"`

	// welcome: the answer to hello. Fresh tells the page to forget what it
	// shows, because the room is another one than it knew.
	V      int           `json:"v,omitempty"`
	Room   string        `json:"room,omitempty"`
	You    string        `json:"you,omitempty"`
	Fresh  bool          `json:"fresh,omitempty"`
	Limits *publicLimits `json:"limits,omitempty"`

	Entry   *entry   `json:"entry,omitempty"`   // entry
	People  []person `json:"people,omitempty"`  // people: everybody, in order of arrival
	Receipt *receipt `json:"receipt,omitempty"` // receipt: how a download of your file ended

	FileID string `json:"id,omitempty"`     // send, gone
	Ref    string `json:"ref,omitempty"`    // problem: of the request
	Code   string `json:"code,omitempty"`   // problem, bye
	Reason string `json:"reason,omitempty"` // problem, bye: a sentence for people
}

// publicLimits are the bounds that the page shows or enforces early.
type publicLimits struct {
	Nick   int   `json:"nick"`
	Text   int   `json:"text"`
	File   int64 `json:"file"`
	Held   int   `json:"held"`
	Window int   `json:"window"`
	Chunk  int   `json:"chunk"`
}

// entry is one line of the room's history.
type entry struct {
	Seq  int64  `json:"seq"`
	At   int64  `json:"at"`   // Unix milliseconds
	Kind string `json:"kind"` // say, join, leave, nick, file
	From string `json:"from"` // member id
	Nick string `json:"nick"` // as it was then
	Text string `json:"text,omitempty"`
	Ref  string `json:"ref,omitempty"`
	File *file  `json:"file,omitempty"`
}

// file is what the room knows of an offered file.
type file struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Gone bool   `json:"gone,omitempty"` // no longer on offer
}

// person is one row of the list of who is there.
type person struct {
	ID   string `json:"id"`
	Nick string `json:"nick"`
	Away bool   `json:"away,omitempty"` // connection lost a moment ago, or in trouble
}

// receipt tells the sender of a file how one download ended.
type receipt struct {
	File   string `json:"file"`
	Nick   string `json:"nick"`
	OK     bool   `json:"ok"`
	SHA256 string `json:"sha256,omitempty"` // what the receiver computed
	Note   string `json:"note,omitempty"`   // why not, when not OK
}

// fileControl is a text message on "file:ID". Towards the sender of bytes go
// Ack and, from a receiver at the end, Receipt; towards the receiver goes End.
// Abort goes either way and is the last word.
type fileControl struct {
	Ack     int64        `json:"ack,omitempty"` // bytes consumed so far
	End     *fileEnd     `json:"end,omitempty"`
	Receipt *fileVerdict `json:"receipt,omitempty"`
	Abort   string       `json:"abort,omitempty"`
}

type fileEnd struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

type fileVerdict struct {
	OK     bool   `json:"ok"`
	SHA256 string `json:"sha256"`
	Note   string `json:"note,omitempty"`
}

// live is a message on "live", both ways.
type live struct {
	T string `json:"t"`            // ping, pong, ptr
	N int64  `json:"n"`            // ping: number, returned in the pong; ptr: rises, older ones are ignored
	I string `json:"id,omitempty"` // ptr from the room: whose

	X   float64 `json:"x,omitempty"` // ptr: 0 to 1 of the width of the message area
	Y   float64 `json:"y,omitempty"` // ptr: 0 to 1 of its height
	Off bool    `json:"off,omitempty"`
}

var (
	errProtocol = errors.New("not in the protocol")
	errRate     = errors.New("too many messages in a short time; this one was not sent")
)

// sentence makes a line for people of an error.
func sentence(err error) string {
	s := strings.TrimRight(err.Error(), ".")
	if s == "" {
		s = "unknown error"
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// parseRequest decodes a chat message and brings it within the bounds. An
// error wraps errProtocol and says which rule was broken.
func parseRequest(b []byte) (request, error) {
	var q request
	if len(b) > maxRequest {
		return q, fmt.Errorf("%w: message of %d bytes, at most %d", errProtocol, len(b), maxRequest)
	}
	if err := json.Unmarshal(b, &q); err != nil {
		return q, fmt.Errorf("%w: %v", errProtocol, err)
	}
	switch q.Type {
	case "hello":
		return q, checkHello(&q)
	case "nick":
		q.Nick = cleanLine(q.Nick, maxNick)
		if q.Nick == "" {
			return q, fmt.Errorf("%w: the name is empty", errProtocol)
		}
	case "say":
		q.Text = strings.TrimSpace(clean(q.Text))
		if q.Text == "" {
			return q, fmt.Errorf("%w: the message is empty", errProtocol)
		}
		if n := utf8.RuneCountInString(q.Text); n > maxText {
			return q, fmt.Errorf("%w: message of %d characters, at most %d", errProtocol, n, maxText)
		}
	case "offer":
		q.Name = safeFileName(q.Name)
		if q.Size < 0 {
			return q, fmt.Errorf("%w: file of %d bytes", errProtocol, q.Size)
		}
	case "withdraw", "leave":
	default:
		return q, fmt.Errorf("%w: request %.20q", errProtocol, q.Type)
	}
	if len(q.Ref) > maxRef {
		return q, fmt.Errorf("%w: reference of %d bytes, at most %d", errProtocol, len(q.Ref), maxRef)
	}
	return q, nil
}

func checkHello(q *request) error {
	q.Nick = cleanLine(q.Nick, maxNick)
	if q.Nick == "" {
		q.Nick = "guest"
	}
	switch {
	case q.V != protocolVersion:
		return fmt.Errorf("%w: version %d, this room speaks %d", errProtocol, q.V, protocolVersion)
	case len(q.Key) < 16 || len(q.Key) > maxKey:
		return fmt.Errorf("%w: key of %d bytes, between 16 and %d", errProtocol, len(q.Key), maxKey)
	case len(q.Files) > maxHeld:
		return fmt.Errorf("%w: %d files held, at most %d", errProtocol, len(q.Files), maxHeld)
	}
	return nil
}

// parseLive decodes a live message; ok is false when it should be ignored.
func parseLive(b []byte) (m live, ok bool) {
	if len(b) > maxLive || json.Unmarshal(b, &m) != nil {
		return m, false
	}
	m.X, m.Y = min(max(m.X, 0), 1), min(max(m.Y, 0), 1)
	return m, m.T == "ping" || m.T == "pong" || m.T == "ptr"
}

// parseFileControl decodes a text message on a file channel.
func parseFileControl(b []byte) (fileControl, error) {
	var c fileControl
	if len(b) > maxRequest {
		return c, fmt.Errorf("%w: control message of %d bytes", errProtocol, len(b))
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%w: %v", errProtocol, err)
	}
	c.Abort = cleanLine(c.Abort, 200)
	if c.End != nil && !isSHA256(c.End.SHA256) {
		return c, fmt.Errorf("%w: end without a SHA-256", errProtocol)
	}
	if v := c.Receipt; v != nil {
		v.Note = cleanLine(v.Note, 200)
		if v.SHA256 != "" && !isSHA256(v.SHA256) {
			return c, fmt.Errorf("%w: receipt without a SHA-256", errProtocol)
		}
	}
	return c, nil
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// encode is json.Marshal for our own types, which cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("browser-chat: BUG: " + err.Error())
	}
	return b
}

// clean drops what could disturb a terminal or the order of the text around
// it: control characters other than line feed and tab, and bidirectional
// overrides.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return c
		case unicode.IsControl(c), c == utf8.RuneError,
			c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069,
			c == 0x2028, c == 0x2029, c == 0xfeff:
			return -1
		}
		return c
	}, s)
}

// cleanLine is clean for one line of at most limit runes with single spaces.
func cleanLine(s string, limit int) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	n := 0
	for i := range s {
		if n == limit {
			return strings.TrimSpace(s[:i])
		}
		n++
	}
	return s
}

// safeFileName makes a name that is safe to create in a directory of any
// system: no separators, no leading dots, no device names, never empty.
func safeFileName(s string) string {
	s = strings.ReplaceAll(s, "\\", "/")
	s = s[strings.LastIndexByte(s, '/')+1:]
	s = strings.Map(func(c rune) rune {
		if strings.ContainsRune(`<>:"|?*`, c) {
			return '_'
		}
		return c
	}, cleanLine(s, 1<<16))
	s = strings.Trim(s, ". ")
	if runes := []rune(s); len(runes) > maxFileName { // the extension stays
		dot := max(strings.LastIndexByte(s, '.'), 0)
		ext := []rune(s[dot:])
		if len(ext) > 16 || dot == 0 {
			ext = nil
		}
		s = strings.TrimRight(string(runes[:maxFileName-len(ext)]), ". ") + string(ext)
	}
	stem, _, _ := strings.Cut(strings.ToUpper(s), ".")
	switch strings.TrimRight(stem, "0123456789 ") {
	case "CON", "PRN", "AUX", "NUL", "COM", "LPT":
		s = "_" + s
	case "":
		if s == "" {
			s = "file"
		}
	}
	return s
}
