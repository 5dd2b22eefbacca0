package archtest

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// A layer is what packages in one place may import. Imports run one way, from the
// root package down to the codec, and other modules enter at the top only.
type layer struct {
	// dir is the directory, or with a final /... everything below it.
	dir string
	// own are the packages of this module that it may import, written like dir.
	own []string
	// other are prefixes of import paths outside this module and the standard
	// library; tests may use the same.
	other []string
	// engine says that the package is sans-IO: no clock, lock, goroutine, socket or
	// randomness of its own, and of the standard library engineImports only.
	engine bool
}

// pion are the modules that ICE and DTLS come from. Its SCTP and data channel
// modules are not among them, and neither is anything that contains them.
var pion = []string{
	"github.com/pion/dtls/v2",
	"github.com/pion/ice/v2",
	"github.com/pion/logging",
	"github.com/pion/mdns",
	"github.com/pion/sdp/v3",
	"github.com/pion/stun",
	"github.com/pion/transport/v2",
	"github.com/pion/turn/v2",
	"golang.org/x",
}

// layers has a row for every place that may hold a package. The longest dir that
// covers a package is its row.
var layers = []layer{
	{
		dir:   ".",
		own:   []string{"datachannel", "dcep", "sctp", "sctp/sctpnet", "internal/dtlsrecord", "internal/stunmsg", "internal/udpmux", "internal/udpsock", "internal/webjs"},
		other: pion,
	},
	{dir: "datachannel", own: []string{"dcep", "sctp", "sctp/sctpnet", "internal/webjs"}},
	{dir: "dcep"},
	{dir: "sctp", own: []string{"sctp/internal/..."}, engine: true},
	{dir: "sctp/internal/...", own: []string{"sctp/internal/..."}, engine: true},
	{dir: "sctp/sctpnet", own: []string{"sctp", "internal/udpsock"}},
	{dir: "sctp/sctptrace", own: []string{"sctp", "sctp/internal/wire"}},

	{dir: "internal/archtest"},
	{dir: "internal/dtlsrecord", other: []string{"github.com/pion/dtls/v2", "github.com/pion/logging"}},
	{dir: "internal/hotpath"},
	{dir: "internal/netns"},
	{dir: "internal/netsim"},
	{dir: "internal/stunmsg"},
	{dir: "internal/wpt", own: []string{"datachannel"}},
	{dir: "internal/udpmux", own: []string{"internal/stunmsg", "internal/udpsock"}, other: []string{"golang.org/x/sys"}},
	{dir: "internal/udpsock"},
	{dir: "internal/webjs"},
	{dir: "scripts/..."},
	{dir: "conformance/...", own: []string{"sctp", "internal/netsim", "conformance/..."}},
	{dir: "examples/...", own: []string{".", "datachannel", "dcep", "sctp", "sctp/sctpnet", "sctp/sctptrace", "examples/..."}, other: append([]string{"rsc.io/qr"}, pion...)},
	{dir: "e2e/...", own: []string{"..."}, other: pion},
}

// testOnly are packages that every test may import.
var testOnly = []string{"internal/hotpath", "internal/netns", "internal/netsim", "internal/wpt", "sctp/sctptrace"}

// engineImports is what the engine may use of the standard library. Absent on
// purpose: net (net/netip holds no socket), os, sync, context, crypto/rand,
// math/rand, maps and hash/maphash (random order), reflect, runtime, unsafe, log.
var engineImports = []string{
	"bytes", "cmp", "container/heap", "container/list",
	"crypto/aes", "crypto/cipher", "crypto/hmac", "crypto/sha1", "crypto/sha256", "crypto/subtle",
	"encoding/binary", "encoding/hex", "errors", "fmt", "hash", "hash/crc32", "io", "iter",
	"math", "math/bits", "math/rand/v2", "net/netip", "slices", "sort", "strconv", "strings",
	"time", "unicode/utf8",
}

// covers says whether pattern, a directory or one with a final /..., covers dir.
func covers(pattern, dir string) bool {
	below, subtree := strings.CutSuffix(pattern, "...")
	if !subtree {
		return pattern == dir
	}
	return strings.HasPrefix(dir+"/", below)
}

func coversAny(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, dir) })
}

// layerOf returns the row of a directory.
func layerOf(dir string) (best layer, ok bool) {
	for _, l := range layers {
		if covers(l.dir, dir) && len(l.dir) >= len(best.dir) {
			best, ok = l, true
		}
	}
	return best, ok
}

// isEngine says whether the package in dir is part of the sans-IO engine.
func isEngine(dir string) bool {
	l, _ := layerOf(dir)
	return l.engine
}

func checkImports(t *tree, report reporter) error {
	for _, p := range t.pkgs {
		l, ok := layerOf(p.dir)
		if !ok {
			report(t.at(p.files[0].ast), "directory %s has no row in archtest's table of layers", p.dir)
			continue
		}
		for _, f := range p.files {
			for _, spec := range f.ast.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				if complaint := l.complaint(p.dir, imported, f.test); complaint != "" {
					report(t.at(spec), "package %s may not import %s: %s", p.dir, imported, complaint)
				}
			}
		}
	}
	return nil
}

// complaint says why a file in dir may not import a package, or "".
func (l layer) complaint(dir, imported string, test bool) string {
	own, ours := ownDir(imported)
	switch {
	case ours && test:
		if own != dir && !coversAny(reach(l.own), own) && !slices.Contains(testOnly, own) {
			return "imports run one way, also those of tests"
		}
	case ours:
		if !coversAny(l.own, own) {
			return "imports run one way"
		}
	case standard(imported):
		if l.engine && !test && !slices.Contains(engineImports, imported) {
			return "it is not on the list for the sans-IO engine"
		}
	default:
		if !slices.ContainsFunc(l.other, func(prefix string) bool {
			return imported == prefix || strings.HasPrefix(imported, prefix+"/")
		}) {
			return "no such module is used at this place"
		}
	}
	return ""
}

// reach returns patterns and, for each row that they name, what that row reaches.
func reach(patterns []string) []string {
	all := slices.Clone(patterns)
	for i := 0; i < len(all); i++ {
		for _, l := range layers {
			if l.dir != all[i] {
				continue
			}
			for _, next := range l.own {
				if !slices.Contains(all, next) {
					all = append(all, next)
				}
			}
		}
	}
	return all
}

// standard says whether an import path is of the standard library.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// checkSeam keeps the types of ICE and DTLS on their side: the interface through
// which the rest of the stack meets them is declared without them.
func checkSeam(t *tree, report reporter) error {
	root := t.byDir["."]
	if root == nil {
		return nil
	}
	for _, f := range root.files {
		if path.Base(f.name) != "seam.go" {
			continue
		}
		for _, spec := range f.ast.Imports {
			if strings.Contains(spec.Path.Value, "github.com/pion/") {
				report(t.at(spec), "the seam must not know %s", spec.Path.Value)
			}
		}
	}
	return nil
}
