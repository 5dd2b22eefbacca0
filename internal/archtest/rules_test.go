package archtest

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// sound is a small module that breaks no rule. Each case below lays files over it.
var sound = map[string]string{
	"go.mod":    "module " + modulePath + "\n",
	"README.md": "The engine is `sctp`, see `sctp/association.go`, `sctp.Association.State` and `TestSound`.\n",
	"sluice.go": "package sluice\n",
	"sctp/association.go": `package sctp

import (
	"math/rand/v2"
	"time"
)

type Config struct{ Seed [32]byte }

type Association struct {
	cfg   Config
	in    inbound
	rng   *rand.ChaCha8
	start time.Time
}

type inbound struct{ n int }

func (i *inbound) add(now time.Time, n int) (total int) { i.n += n; return i.n }

func (a *Association) State() int { return a.in.n }

func (a *Association) draw(cfg Config) uint64 { return rand.New(rand.NewChaCha8(cfg.Seed)).Uint64() }
`,
	"sctp/association_test.go": `package sctp

import "testing"

func TestSound(t *testing.T) {}
`,
	"sctp/internal/wire/serial.go": `package wire

type TSN uint32

func (t TSN) Before(u TSN) bool { return int32(t-u) < 0 }

type ChunkType uint8
`,
}

// An overlay is files laid over the sound module, by name.
type overlay map[string]string

// engineFile is an overlay of one file of package sctp.
func engineFile(source string) overlay { return overlay{"sctp/x.go": "package sctp\n" + source} }

var cases = []struct {
	rule string
	desc string
	over overlay
	want []string // a part of each finding, in order of position
}{
	{"imports", "the engine imports a socket", engineFile(`import _ "net"`),
		[]string{"sctp/x.go:2: package sctp may not import net"}},
	{"imports", "the codec imports a lock", overlay{"sctp/internal/wire/x.go": `package wire; import _ "sync"`},
		[]string{"may not import sync"}},
	{"imports", "the engine imports true randomness", engineFile(`import _ "crypto/rand"`),
		[]string{"may not import crypto/rand"}},
	{"imports", "the engine imports a function over maps", engineFile(`import _ "maps"`),
		[]string{"may not import maps"}},
	{"imports", "the engine imports its driver", engineFile(`import _ "github.com/sluice-rtc/sluice/sctp/sctpnet"`),
		[]string{"imports run one way"}},
	{"imports", "a test of the engine imports a layer above",
		overlay{"sctp/x_test.go": `package sctp_test; import _ "github.com/sluice-rtc/sluice/datachannel"`},
		[]string{"also those of tests"}},
	{"imports", "a test of the engine imports the network, a lock and the simulated network",
		overlay{"sctp/x_test.go": `package sctp_test; import (_ "net"; _ "sync"; _ "github.com/sluice-rtc/sluice/internal/netsim"; _ "github.com/sluice-rtc/sluice/sctp")`},
		nil},
	{"imports", "the driver imports the codec past the engine",
		overlay{"sctp/sctpnet/x.go": `package sctpnet; import _ "github.com/sluice-rtc/sluice/sctp/internal/wire"`},
		[]string{"imports run one way"}},
	{"imports", "the driver imports what a driver needs",
		overlay{"sctp/sctpnet/x.go": `package sctpnet; import (_ "net"; _ "sync"; _ "github.com/sluice-rtc/sluice/sctp")`}, nil},
	{"imports", "dcep imports something of ours",
		overlay{"dcep/x.go": `package dcep; import _ "github.com/sluice-rtc/sluice/sctp"`},
		[]string{"imports run one way"}},
	{"imports", "pion below the root package",
		overlay{"datachannel/x.go": `package datachannel; import _ "github.com/pion/logging"`},
		[]string{"no such module is used at this place"}},
	{"imports", "pion in the root package, but another SCTP",
		overlay{"x.go": `package sluice; import (_ "github.com/pion/logging"; _ "github.com/pion/sctp")`},
		[]string{"may not import github.com/pion/sctp"}},
	{"imports", "a prefix that is no path prefix",
		overlay{"x.go": `package sluice; import _ "github.com/pion/dtls/v22"`},
		[]string{"may not import github.com/pion/dtls/v22"}},
	{"imports", "an example imports an internal package",
		overlay{"examples/x/x.go": `package main; import _ "github.com/sluice-rtc/sluice/internal/netsim"`},
		[]string{"imports run one way"}},
	{"imports", "a package in a place without a row", overlay{"misc/x.go": `package misc`},
		[]string{"directory misc has no row"}},
	{"imports", "a nested module goes its own way",
		overlay{"bench/go.mod": "module bench\n", "bench/x.go": `package bench; import _ "github.com/pion/sctp"`}, nil},

	{"seam", "a type of ICE in the seam", overlay{"seam.go": `package sluice; import _ "github.com/pion/ice/v2"`},
		[]string{"seam.go:1: the seam must not know"}},
	{"seam", "ICE behind the seam", overlay{"ice.go": `package sluice; import _ "github.com/pion/ice/v2"`}, nil},

	{"clock", "reads the clock", engineFile(`import "time"; var x = time.Now()`), []string{"time.Now"}},
	{"clock", "reads it by another name", engineFile("import c \"time\"\nfunc x(t c.Time) c.Duration { f := c.Since; return f(t) }"),
		[]string{"sctp/x.go:3: time.Since"}},
	{"clock", "waits", overlay{"sctp/internal/wire/x.go": `package wire; import "time"; func x() { <-time.After(1) }`},
		[]string{"time.After"}},
	{"clock", "holds a timer", engineFile(`import "time"; type x struct { t *time.Timer }`), []string{"time.Timer"}},
	{"clock", "methods with such names, and times that were given", engineFile(`import "time"
		func x(now, t time.Time) bool { return now.After(t) && now.Local() == now && now.Sub(t) > time.Second }`), nil},
	{"clock", "the driver has a clock", overlay{"sctp/sctpnet/x.go": `package sctpnet; import "time"; var x = time.Now()`}, nil},
	{"clock", "a test has a clock", overlay{"sctp/x_test.go": `package sctp; import "time"; var x = time.Now()`}, nil},

	{"randomness", "draws from the shared source", engineFile(`import "math/rand/v2"; var x = rand.Uint32()`), []string{"rand.Uint32"}},
	{"randomness", "shuffles by it", engineFile("import . \"math/rand/v2\"\nfunc x() { Shuffle(1, nil) }"), []string{"rand.Shuffle"}},
	{"randomness", "draws from a seed", engineFile(`import "math/rand/v2"; var x = rand.New(rand.NewPCG(1, 2)).IntN(3)`), nil},

	{"concurrency", "every way to wait for another goroutine", engineFile(`
		type c chan int
		func x(ch c) {
			go x(ch)
			select {}
			ch <- 1
			<-ch
			for range ch {}
		}`), []string{":3: channel type", ":5: go statement", ":6: select", ":7: channel send", ":8: channel receive", ":9: range over a channel"}},
	{"concurrency", "the driver runs goroutines", overlay{"sctp/sctpnet/x.go": `package sctpnet; func x() { go x() }`}, nil},

	{"map iteration", "over a named map type", engineFile(`
		type set map[int]bool
		func x(s set) { for range s {} }`), []string{":4: range over a map"}},
	{"map iteration", "look-ups, and loops over slices", engineFile(`func x(m map[int]bool, s []int) bool { for i := range s { return m[i] }; return false }`), nil},

	{"floating point", "a product, and an update in place", engineFile(`func x(f float64, n int) float64 {
			f += 0.5
			return f * float64(n)
		}`), []string{":3: floating point", ":4: floating point"}},
	{"floating point", "constants and integers", engineFile(`const half = 1 / 2.0; func x(n int) int { n -= 1; return n * int(half * 4) }`), nil},

	{"association size", "26 fields", overlay{"sctp/association.go": "package sctp\ntype Association struct { a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z int }\n"},
		[]string{"Association has 26 fields"}},

	{"components", "holds the association", overlay{"sctp/x.go": "package sctp\ntype x struct { a *Association }\n"},
		[]string{"x.a points back to Association"}},
	{"components", "holds it out of sight", engineFile(`
		type x struct { f map[int][]chan *Association }
		type y func(Association)`),
		[]string{"x.f points back to Association", "type y has Association in it"}},
	{"components", "holds a way to it", engineFile(`
		type hook func()
		type x struct { f map[int]hook }
		type y struct { n int }
		func (y) each(visit func(int)) {}`),
		[]string{"x.f is a function"}},
	{"components", "holds the endpoint", engineFile(`
		type Endpoint struct { all []*Association }
		type x struct { e *Endpoint }`), []string{"x.e points back to Endpoint"}},
	{"components", "takes the association", overlay{"sctp/x.go": "package sctp\nfunc (i *inbound) x(a *Association) {}\n"},
		[]string{"method inbound.x has Association"}},
	{"components", "an interface takes it", engineFile(`type x interface { on(*Association) }`), []string{"type x has Association"}},
	{"components", "holds it as an interface", engineFile(`type x struct { host interface { State() int } }`),
		[]string{"x.host is an interface that Association satisfies"}},
	{"components", "points to a sibling", engineFile(`type x struct { in []*inbound }`), []string{"x.in points to the component inbound"}},
	{"components", "points to its own kind, holds a sibling's type by value, uses data", overlay{
		"sctp/association.go": `package sctp
			type Config struct{}
			type Association struct { l list; r ring }
			type list struct { next *list; r ring; cfg *Config }
			type ring struct{}
			func free(a *Association) {}
			func (a *Association) x(b *Association) {}`}, nil},

	{"file length", "a long source and a long test", overlay{
		"dcep/x.go":      "package dcep\n" + strings.Repeat("\n", maxSourceLines),
		"dcep/x_test.go": "package dcep\n" + strings.Repeat("\n", maxTestLines)},
		[]string{"dcep/x.go: 801 lines", "dcep/x_test.go: 2001 lines"}},

	{"serial numbers", "every raw operation", engineFile(`
		import "github.com/sluice-rtc/sluice/sctp/internal/wire"
		func x(t, u wire.TSN) {
			_ = t < u
			_ = t > 5
			_ = (t) <= u
			_ = 7 >= t
			_ = t - u
			t -= 1
			t--
			_ = int32(uint32(t)) < 9
			_ = min(t, u)
		}`), []string{":5: < on", ":6: > on", ":7: <= on", ":8: >= on", ":9: - on", ":10: -= on", ":11: -- on", ":12: < on", ":13: min on"}},
	{"serial numbers", "through a generic function", engineFile(`
		import ("cmp"; "slices"; "github.com/sluice-rtc/sluice/sctp/internal/wire")
		func x(all []wire.TSN) int { slices.Sort(all); return cmp.Compare(all[0], all[1]) }`),
		[]string{"Compare orders the serial number type TSN", "Sort orders the serial number type TSN"}},
	{"serial numbers", "in the driver", overlay{"sctp/sctpnet/x.go": `package sctpnet
		import "github.com/sluice-rtc/sluice/sctp/internal/wire"
		var x = wire.TSN(1); var y = x < 2`}, []string{"< on the serial number type TSN"}},
	{"serial numbers", "methods, equality, successors and other types", engineFile(`
		import ("slices"; "github.com/sluice-rtc/sluice/sctp/internal/wire")
		func x(t, u wire.TSN, c wire.ChunkType) bool {
			t++
			return t.Before(u) || t == u+1 || c < 3 || slices.Contains([]wire.TSN{t}, u) || len("x") - 1 > 2
		}`), nil},

	{"panics", "for no reason, without the mark, with a value", engineFile(`
		func x(err error) {
			panic("no")
			panic(err)
			panic("bad: " + "sctp: BUG: late")
		}`), []string{":4: the message", ":5: the message", ":6: the message"}},
	{"panics", "for bugs", overlay{
		"sctp/x.go":               "package sctp\nimport \"fmt\"\nfunc x(n int) { panic(\"sctp: BUG: x\"); panic(fmt.Sprintf(\"sctp: BUG: %d\", n)); panic(\"sctp: BUG: \" + fmt.Sprint(n)) }\n",
		"sctp/internal/wire/x.go": `package wire; func x() { panic("sctp: BUG: x") }`,
		"datachannel/x.go":        `package datachannel; func x() { panic("datachannel: BUG: x") }`,
		"datachannel/x_test.go":   `package datachannel; func y() { panic("in a test") }`}, nil},
	{"panics", "under another package's name", overlay{"datachannel/x.go": `package datachannel; func x() { panic("sctp: BUG: x") }`},
		[]string{`starts with "datachannel: BUG: "`}},

	{"panics", "recovered from", overlay{"datachannel/x.go": `package datachannel; func x() { defer func() { _ = recover() }() }`},
		[]string{"nothing recovers"}},

	{"machine paths", "in a script and in a document", overlay{
		"scripts/x.sh": "cd /" + "home/someone/sluice\n",
		"notes.txt":    "see (/" + "work/x)\nand https://example.org/" + "work/x, $HOME/" + "work/x\n"},
		[]string{"notes.txt:1: a path", "scripts/x.sh:1: a path"}},

	{"registry hosts", "in a file that is no Go", overlay{".ci/x": "GOPROXY=https://registry." + "invalid\n"},
		[]string{".ci/x:1: the host name of a registry"}},

	{"unfinished", "a mark in a comment, not in a string", overlay{
		"dcep/x.go": "package dcep\n\n// TO" + "DO: x\nvar x = \"TO" + "DO\"\n"}, []string{"dcep/x.go:3: TO" + "DO"}},

	{"sleeps", "a test that sleeps, a program that does", overlay{
		"dcep/x_test.go":  "package dcep\nimport \"time\"\nfunc x() { time.Sl" + "eep(1) }\n",
		"examples/x/x.go": "package main\nimport \"time\"\nfunc main() { time.Sl" + "eep(1) }\n"}, []string{"dcep/x_test.go:3: time.Sleep"}},

	{"documents", "names what is not there", overlay{"README.md": "`TestNothing`\n`sctp.Nothing`\n`sctp.Association.nothing`\n`sctp/nothing.go`\n`nothing.go`\n`./examples/x`\n"},
		[]string{"no such test", "no such declaration", "no such declaration", "no such file", "no such file", "no such file"}},
	{"documents", "a program that does not compile", overlay{"README.md": "# x\n```go\npackage main\n\nimport \"github.com/sluice-rtc/sluice/sctp\"\n\nfunc main() { sctp.Nothing() }\n```\n"},
		[]string{"README.md:7: the program does not compile"}},
	{"documents", "a program that does, a piece of one, and another language", overlay{"README.md": "```go\npackage main\n\nimport \"github.com/sluice-rtc/sluice/sctp\"\n\nfunc main() { _ = sctp.Config{} }\n```\n```go\nx := 1\n```\n```js\npackage main\n```\n"}, nil},
	{"documents", "a map of a package with a file that is gone and without one that is there", overlay{
		"sctp/timers.go": "package sctp\n", "sctp/doc.go": "package sctp\n",
		"ARCHITECTURE.md": "## Map\n### `sctp`\n`association.go` `gone.go`\n### More\n`sctp/timers.go` `sluice.go` `timers.go`\n"},
		[]string{"ARCHITECTURE.md:2: sctp/timers.go is not named here", "ARCHITECTURE.md:3: `gone.go`: there is no such file",
			"ARCHITECTURE.md:5: `timers.go`: there is no such file"}},
	{"documents", "maps that are whole, and a heading without one", overlay{"ARCHITECTURE.md": "### The `sctp` files\n`association.go`\n## `sluice`\n`sluice.go`\n### `sctp/internal/wire`\nsee there\n"}, nil},
	{"documents", "names what is there, and what is not ours", overlay{"README.md": "`sctp/` `sctp.Config.Seed` `wire.TSN.Before` `net.Conn` `golang.org/x/net` `a=sctp-port` `make test` `./sctp`\n"}, nil},
}

// TestRules shows each rule trees that break it and trees that come close.
func TestRules(t *testing.T) {
	broken := make(map[string]bool)
	for _, c := range cases {
		t.Run(c.rule+"/"+c.desc, func(t *testing.T) {
			found, err := ruleNamed(t, c.rule).run(lay(t, c.over))
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != len(c.want) {
				t.Fatalf("%d findings, want %d:\n%v", len(found), len(c.want), found)
			}
			for i, want := range c.want {
				if !strings.Contains(found[i].String(), want) {
					t.Errorf("finding %d is %q, want %q", i, found[i], want)
				}
			}
		})
		broken[c.rule] = broken[c.rule] || len(c.want) > 0
	}
	for _, r := range rules {
		if !broken[r.name] {
			t.Errorf("no case breaks rule %q", r.name)
		}
	}
}

// TestSoundTree shows every rule a tree that breaks none.
func TestSoundTree(t *testing.T) {
	for _, r := range rules {
		found, err := r.run(lay(t, nil))
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v %v", r.name, found, err)
		}
	}
}

// TestRulesNeedTheirSubject: a rule whose subject is gone says so; it does not pass.
func TestRulesNeedTheirSubject(t *testing.T) {
	for rule, over := range map[string]overlay{
		"association size": {"sctp/association.go": "package sctp\n", "sctp/association_test.go": "package sctp\n"},
		"components":       {"sctp/association.go": "package sctp\n", "sctp/association_test.go": "package sctp\n"},
		"serial numbers":   {"sctp/internal/wire/serial.go": "package wire\ntype TSN uint32\n"},
		"clock":            {"sctp/x.go": "package sctp\nvar x int = \"no int\"\n"},
	} {
		if found, err := ruleNamed(t, rule).run(lay(t, over)); err == nil {
			t.Errorf("%s: no error, findings %v", rule, found)
		}
	}
}

func TestRegistryHosts(t *testing.T) {
	got := registryHosts("https://user:secret@proxy.invalid:8443/go|direct", "off", "http://npm.invalid/,https://proxy.invalid")
	if want := "proxy.invalid npm.invalid"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// lay loads the sound module with over laid on it.
func lay(t *testing.T, over overlay) *tree {
	t.Helper()
	all := maps.Clone(sound)
	maps.Copy(all, over)
	fsys := make(fstest.MapFS)
	for name, content := range all {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	laid, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	laid.hosts = []string{"registry." + "invalid"}
	return laid
}

func ruleNamed(t *testing.T, name string) rule {
	t.Helper()
	for _, r := range rules {
		if r.name == name {
			return r
		}
	}
	t.Fatalf("no rule %q", name)
	return rule{}
}
