package archtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTree applies every rule to the module that this package is part of.
func TestTree(t *testing.T) {
	module, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	module.hosts = registryHosts(strings.TrimSpace(string(proxy)), os.Getenv("npm_config_registry"))

	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			found, err := r.run(module)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

// TestTreeIsWhole makes sure that TestTree looks at what it is meant to look at: a
// rule that is shown an empty tree finds nothing.
func TestTreeIsWhole(t *testing.T) {
	module, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"sctp", "sctp/internal/wire", "sctp/sctpnet", "internal/archtest"} {
		if p := module.byDir[dir]; p == nil || !p.hasSources() {
			t.Errorf("no package in %s", dir)
		}
	}
	for _, name := range []string{"go.mod", "README.md", ".ci/run", ".github/workflows/test.yml"} {
		if !module.exists(name) {
			t.Errorf("%s was not read", name)
		}
	}
}
