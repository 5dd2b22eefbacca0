package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-rtc/sluice"
)

// The channels that a gateway opens. What they carry is JSON in text messages.
const (
	labelReadings = "readings" // a reading; unordered, late ones are not sent
	labelBacklog  = "backlog"  // entries: readings from while the gateway was offline; the server answers with ack
	labelAlarms   = "alarms"   // entries: alarms; the server answers with ack
)

// readingLifetime is for how long a reading is worth sending, in milliseconds.
const readingLifetime = 2000

// Bounds of what a server takes from a gateway.
const (
	maxName        = 64       // bytes of a gateway's, a sensor's name
	maxText        = 200      // bytes of an alarm
	maxBatch       = 1000     // bytes of the records in one message, about a packet
	maxMessage     = 16 << 10 // bytes
	connectPath    = "/api/connect"
	maxConnectBody = 64 << 10
)

// reading is a measured value.
type reading struct {
	N      uint64  `json:"n"` // counts the gateway's readings since it was started
	Time   int64   `json:"t"` // ms since 1970
	Sensor string  `json:"s"`
	Value  float64 `json:"v"`
}

// alarm is something that somebody must know of.
type alarm struct {
	Time   int64   `json:"t"`
	Sensor string  `json:"s"`
	Value  float64 `json:"v"`
	Text   string  `json:"text"`
}

// entry is a record of a journal with its number.
type entry struct {
	N      uint64          `json:"n"`
	Record json.RawMessage `json:"record"`
}

// ack says that the server has all entries up to a number.
type ack struct {
	Acked uint64 `json:"acked"`
}

// connectRequest is what a gateway posts; the answer is the server's
// sluice.TransportParameters.
type connectRequest struct {
	Name       string                     `json:"name"`
	Boot       string                     `json:"boot"`    // another one each time it is started
	Alarms     string                     `json:"alarms"`  // identity of the journal
	Backlog    string                     `json:"backlog"` // the same
	Parameters sluice.TransportParameters `json:"parameters"`
}

func (r *connectRequest) validate() error {
	if err := validName(r.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	for _, id := range []string{r.Boot, r.Alarms, r.Backlog} {
		if id == "" || len(id) > maxName {
			return errors.New("boot, alarms and backlog must have 1 to 64 bytes")
		}
	}
	return nil
}

func (r *reading) validate() error {
	if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		return errors.New("the value is no number")
	}
	return validName(r.Sensor)
}

func (a *alarm) validate() error {
	if len(a.Text) > maxText || !utf8.ValidString(a.Text) {
		return fmt.Errorf("the text must be UTF-8 of at most %d bytes", maxText)
	}
	return (&reading{Sensor: a.Sensor, Value: a.Value}).validate()
}

func validName(s string) error {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) {
		return fmt.Errorf("must be 1 to %d bytes of UTF-8", maxName)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return errors.New("must be printable")
		}
	}
	return nil
}

// encode never fails for the types of this file with valid values.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("telemetry: BUG: " + err.Error())
	}
	return b
}
