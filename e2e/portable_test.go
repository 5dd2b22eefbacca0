package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
	"github.com/sluice-rtc/sluice/e2e/portable"
)

// portableTest builds the tests of package portable for the browser, once, and returns
// the path of the program.
var portableTest = sync.OnceValues(func() (string, error) {
	dir, err := exampleDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "portable.wasm")
	cmd := exec.Command("go", "test", "-c", "-o", path, "./portable")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the tests for the browser: %w\n%s", err, out)
	}
	return path, nil
})

// TestPortable runs the tests of package portable in the browsers, as WebAssembly: with a
// peer that the same program makes, and with one of this program, which is native.
func TestPortable(t *testing.T) {
	program, err := portableTest()
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := http.NewServeMux()
	files.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>tests</title><script src=%q></script><script src=wasm_exec.js></script>", browser.AgentPath)
	})
	files.HandleFunc("GET /wasm_exec.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "wasm_exec.js"))
	})
	files.HandleFunc("GET /portable.wasm", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, program) })
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		mux := http.NewServeMux()
		mux.Handle("/", files)
		mux.Handle("POST /peer", answering(t.Context()))
		site, err := browser.NewSite(mux)
		if err != nil {
			t.Fatal(err)
		}
		defer site.Close()
		t.Run("with itself", func(t *testing.T) { runPortable(t, b, site, "") })
		t.Run("with Go", func(t *testing.T) { runPortable(t, b, site, site.URL+"/peer") })
	})
}

// answering serves peers, which end with ctx.
func answering(ctx context.Context) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var offer sluice.SessionDescription
		if err := json.NewDecoder(r.Body).Decode(&offer); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := portable.Answer(ctx, sluice.Config{IncludeLoopback: true}, offer)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// runPortable runs the tests in a tab, and each of them as a test of t.
func runPortable(t *testing.T, b *browser.Browser, site *browser.Site, peer string) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*testTime) // it is many tests
	defer cancel()
	const js = `const [browser, peer] = args, go = new Go(), text = new TextDecoder();
		let code;
		window.output = '';
		globalThis.fs.writeSync = (fd, bytes) => { output += text.decode(bytes, {stream: true}); return bytes.length; };
		go.argv = ['portable.test', '-test.v'];
		go.env = {SLUICE_BROWSER: browser, SLUICE_PEER: peer};
		go.exit = (status) => { code = status; };
		const program = await WebAssembly.instantiateStreaming(fetch('portable.wasm'), go.importObject);
		await go.run(program.instance);
		return {code, output};`
	p, err := b.Open(ctx, site, "/")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(ctx)
	var result struct {
		Code   int
		Output string
	}
	if err := p.Eval(ctx, &result, js, b.Kind, peer); err != nil {
		late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var output string
		_ = p.Eval(late, &output, "return output")
		t.Fatalf("%v\n%s", err, output)
	}
	if result.Code != 0 || !strings.Contains(result.Output, "--- PASS: TestMessages") {
		t.Errorf("exit status %d\n%s", result.Code, result.Output)
	}
	if c := p.Complaints(); len(c) > 0 {
		t.Errorf("the page complains: %s", strings.Join(c, "\n"))
	}
}
