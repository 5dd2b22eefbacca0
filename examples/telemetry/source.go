package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// simulate measures what is not there: a temperature that wanders, a humidity, a
// battery. It reports an alarm each time the temperature rises above hot.
func (g *gateway) simulate(ctx context.Context, every time.Duration) error {
	const hot = 23
	temperature, humidity, battery := 20+2*rand.Float64(), 40+20*rand.Float64(), 100.0
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		before := temperature
		temperature += rand.NormFloat64()*0.4 + (21.5-temperature)*0.02
		humidity += rand.NormFloat64()*0.3 + (50-humidity)*0.02
		battery = max(battery-0.001, 0)
		for _, m := range []struct {
			sensor string
			value  float64
		}{{"temperature", temperature}, {"humidity", humidity}, {"battery", battery}} {
			if err := g.measure(m.sensor, float64(int(m.value*100))/100); err != nil {
				return err
			}
		}
		if temperature > hot && before <= hot {
			if err := g.alarm("temperature", temperature, fmt.Sprintf("it is warmer than %d °C", hot)); err != nil {
				return err
			}
		}
	}
}

// read takes lines: "SENSOR VALUE" is a reading, "! SENSOR VALUE TEXT" an alarm.
func (g *gateway) read(in io.Reader, complain func(line string, err error)) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			if err := g.line(line); err != nil {
				complain(line, err)
			}
		}
	}
	return lines.Err()
}

func (g *gateway) line(line string) error {
	rest, isAlarm := strings.CutPrefix(line, "!")
	f := strings.Fields(rest)
	if len(f) < 2 || !isAlarm && len(f) > 2 {
		return fmt.Errorf(`must be "SENSOR VALUE" or "! SENSOR VALUE TEXT"`)
	}
	value, err := strconv.ParseFloat(f[1], 64)
	if err != nil {
		return fmt.Errorf("%q is no number", f[1])
	}
	if isAlarm {
		return g.alarm(f[0], value, strings.Join(f[2:], " "))
	}
	return g.measure(f[0], value)
}
