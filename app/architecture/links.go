package architecture

import (
	"bytes"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// Links gives the packages that a command is made of, by `go list -deps`.
func Links(dir, command string) ([]string, error) {
	cmd := exec.Command("go", "list", "-deps", "./"+command)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -deps %s: %w: %s", command, err, stderr.String())
	}
	return strings.Fields(string(out)), nil
}

// CheckLinks finds the internals, wirings and schemas of other modules in a
// command that is named after one module, cmd/stoa-orders, and that the module's
// own are there.
func CheckLinks(command string, packages []string) []Violation {
	const rule = "link"
	_, module, _ := strings.Cut(path.Base(command), "-")
	var (
		found []Violation
		own   bool
	)
	for _, p := range packages {
		r, ours := roomOf(p)
		if !ours || r.module == "" || !slices.Contains([]string{"wiring", "rest", "service", "store", "internal", "migrations"}, r.layer) {
			continue
		}
		switch {
		case r.module == module:
			own = true
		case r.module != "platform":
			found = append(found, Violation{rule, command, p, "a service links its own module and no other's insides"})
		}
	}
	if !own {
		found = append(found, Violation{rule, command, "", "it does not link the module that it is named after"})
	}
	return found
}
