// Package architecture states who may import whom in this house, and finds who
// does not keep to it: packages by layer, libraries by the rooms they live in,
// and SQL by whose tables it names. Its test holds the whole tree to the rules,
// and shows with a fixture for each that the rule can fire.
//
// Only tests run it; nothing imports it.
package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Violation is a place that does not keep to a rule.
type Violation struct {
	Rule  string
	Where string // a package or a file
	What  string // what it imports or names
	Why   string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s → %s: %s", v.Rule, v.Where, v.What, v.Why)
}

// Package is what `go list` says of one.
type Package struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	GoFiles    []string
}

// List gives the packages of the module in dir, by `go list`. Imports that
// cannot be resolved are listed all the same.
func List(dir string) ([]Package, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Standard,Imports,GoFiles", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w: %s", dir, err, stderr.String())
	}
	var packages []Package
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, err
		}
		packages = append(packages, p)
	}
}

// root is the module's own path, and the first element of all its packages.
const root = "stoa/"

// room tells where in the house a package stands.
type room struct {
	layer  string // cmd, app, configs, migrations, platform, or of a module: root, rpc, test, wiring, rest, service, store, proxy, internal
	module string // of a module's rooms, and of its migrations
	name   string // of a platform package or a command
}

// gateway is the module whose work is to pass HTTP on: it has a room for that
// which others have not.
const gateway = "gateway"

func roomOf(importPath string) (room, bool) {
	in, ours := strings.CutPrefix(importPath, root)
	if !ours {
		return room{}, false
	}
	parts := strings.Split(in, "/")
	rest := parts[1:]
	switch parts[0] {
	case "modules":
		if len(rest) == 0 {
			return room{}, false
		}
		m := rest[0]
		switch {
		case len(rest) == 1:
			return room{"root", m, ""}, true
		case rest[1] == m+"rpc":
			return room{"rpc", m, ""}, true
		case rest[1] == m+"test":
			return room{"test", m, ""}, true
		case rest[1] == "module":
			return room{"wiring", m, ""}, true
		case rest[1] == "internal" && len(rest) > 2 && slices.Contains([]string{"rest", "service", "store"}, rest[2]):
			return room{rest[2], m, ""}, true
		case rest[1] == "internal" && m == gateway && len(rest) > 2 && rest[2] == "proxy":
			return room{"proxy", m, ""}, true
		case rest[1] == "internal":
			return room{"internal", m, strings.Join(rest[2:], "/")}, true
		}
		return room{"unknown", m, in}, true
	case "migrations":
		if len(rest) == 0 {
			return room{"unknown", "", in}, true
		}
		return room{"migrations", rest[0], ""}, true
	case "platform", "cmd":
		if len(rest) == 0 {
			return room{"unknown", "", in}, true
		}
		return room{parts[0], "", rest[0]}, true
	case "app", "configs":
		return room{parts[0], "", strings.Join(rest, "/")}, true
	}
	return room{"unknown", "", in}, true
}

// arrow says whether one room may import another, and why not.
type arrow struct {
	rule string
	from string
	may  func(from, to room) bool
	why  string
}

// vocabulary is what a contract may speak with, besides the standard library.
var vocabulary = []string{"errs", "money"}

// isBench tells whether a room is one of the benchmarks, which build what the
// shop is compared with from the same libraries.
func isBench(r room) bool {
	return r.layer == "app" && (r.name == "bench" || strings.HasPrefix(r.name, "bench/"))
}

func isPlatform(r room) bool { return r.layer == "platform" }

func own(from, to room, layers ...string) bool {
	return from.module == to.module && slices.Contains(layers, to.layer)
}

// arrows are the house's, one for each layer.
var arrows = []arrow{
	{"command", "cmd", func(_, to room) bool {
		return to.layer == "app" && !isBench(to) || to.layer == "wiring" || isPlatform(to) && to.name == "module"
	},
		"a command only hands modules' wirings to app"},
	{"composition", "app", func(_, to room) bool { return isPlatform(to) || to.layer == "app" || to.layer == "configs" },
		"app composes what it is handed and knows no module"},
	{"benchmark", "app", func(from, to room) bool { return isBench(from) || !isBench(to) },
		"benchmarks look at the shop from outside; what they compare it with is no part of it"},
	{"platform", "platform", func(_, to room) bool { return isPlatform(to) || to.layer == "migrations" && to.module == "platform" },
		"platform is what modules stand on and knows none of them"},
	{"contract", "root", func(_, to room) bool { return isPlatform(to) && slices.Contains(vocabulary, to.name) },
		"a contract drags no implementation in: standard library, platform/errs and platform/money"},
	{"client", "rpc", func(from, to room) bool { return own(from, to, "root") || isPlatform(to) },
		"a client knows its contract and the platform"},
	{"fake", "test", func(from, to room) bool { return to.layer == "root" || isPlatform(to) },
		"a fake and its suite know contracts and the platform"},
	{"wiring", "wiring", func(from, to room) bool {
		return own(from, to, "root", "rpc", "rest", "service", "store", "proxy", "internal", "migrations") ||
			to.layer == "root" || to.layer == "rpc" || isPlatform(to)
	}, "a wiring joins its own rooms, its own migrations, and contracts and clients of others"},
	{"rest", "rest", func(from, to room) bool {
		return own(from, to, "root", "service") || isPlatform(to) && slices.Contains([]string{"web", "auth", "errs", "money", "config", "telemetry"}, to.name)
	}, "routes know their contract, their service and platform/web"},
	{"service", "service", func(from, to room) bool {
		return to.layer == "root" || own(from, to, "store", "internal", "service") || isPlatform(to) && to.name != "web"
	}, "rules know contracts, their own store and the platform, not HTTP"},
	{"store", "store", func(from, to room) bool {
		return own(from, to, "root") || isPlatform(to) && slices.Contains(append([]string{"db"}, vocabulary...), to.name)
	}, "a store knows its contract and platform/db"},
	{"proxy", "proxy", func(from, to room) bool { return own(from, to, "root") || isPlatform(to) },
		"the gateway's proxy knows its contract and the platform, and no module that it serves"},
	{"inner", "internal", func(from, to room) bool {
		return own(from, to, "root", "internal") || isPlatform(to) && to.name != "web"
	}, "a module's inner helper stands below its service"},
	{"schema", "migrations", func(_, to room) bool { return false }, "migrations are files"},
	{"examples", "configs", func(_, to room) bool { return false }, "examples are files"},
}

// library says in which rooms a library may be imported.
type library struct {
	rule   string
	prefix string
	may    func(from room) bool
	why    string
}

func inPlatform(names ...string) func(room) bool {
	return func(from room) bool { return from.layer == "platform" && slices.Contains(names, from.name) }
}

func either(rooms ...func(room) bool) func(room) bool {
	return func(r room) bool {
		return slices.ContainsFunc(rooms, func(is func(room) bool) bool { return is(r) })
	}
}

func inLayer(layer string) func(room) bool {
	return func(from room) bool { return from.layer == layer }
}

var libraries = []library{
	{"fiber", "github.com/gofiber/", either(inPlatform("web", "rpc"), inLayer("rest"), isBench), "Fiber lives in platform/web, platform/rpc and rest packages"},
	{"fasthttp", "github.com/valyala/fasthttp", either(inPlatform("web", "rpc"), inLayer("rest"), inLayer("proxy"), isBench), "fasthttp lives where Fiber does, and in the gateway's proxy"},
	{"huma", "github.com/danielgtaylor/huma", either(inPlatform("web"), inLayer("rest")), "Huma lives in platform/web and rest packages"},
	{"bun", "github.com/uptrace/bun", either(inPlatform("db", "outbox"), inLayer("store")), "bun lives in platform/db, platform/outbox and stores"},
	{"sqlite", "modernc.org/sqlite", either(inPlatform("db"), isBench), "the SQLite driver lives in platform/db"},
	{"pgx", "github.com/jackc/pgx", either(inPlatform("db"), isBench), "the PostgreSQL driver lives in platform/db"},
	{"nats", "github.com/nats-io/", inPlatform("broker", "bus", "rpc", "directory"), "NATS lives in platform/broker, platform/bus, platform/rpc and platform/directory"},
	{"koanf", "github.com/knadh/koanf", inPlatform("config"), "koanf lives in platform/config"},
}

// Check holds packages to the arrows.
func Check(packages []Package) []Violation {
	var found []Violation
	for _, p := range packages {
		from, ours := roomOf(p.ImportPath)
		if !ours {
			continue
		}
		if from.layer == "unknown" {
			found = append(found, Violation{"room", p.ImportPath, from.name, "the house has no such room"})
			continue
		}
		for _, imported := range p.Imports {
			found = append(found, checkImport(p, from, imported)...)
		}
	}
	return found
}

func checkImport(p Package, from room, imported string) []Violation {
	var found []Violation
	if to, ours := roomOf(imported); ours {
		for _, a := range arrows {
			if a.from == from.layer && !a.may(from, to) {
				found = append(found, Violation{a.rule, p.ImportPath, imported, a.why})
			}
		}
		return found
	}
	for _, l := range libraries {
		if strings.HasPrefix(imported, l.prefix) && !l.may(from) {
			found = append(found, Violation{l.rule, p.ImportPath, imported, l.why})
		}
	}
	if from.layer == "root" && strings.Contains(strings.Split(imported, "/")[0], ".") {
		found = append(found, Violation{"contract", p.ImportPath, imported, "a contract imports no library"})
	}
	return found
}

var (
	comments = regexp.MustCompile(`(?m)--.*$`)
	creates  = regexp.MustCompile(`(?i)\bCREATE\s+(?:UNLOGGED\s+|VIRTUAL\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"?([a-z_][a-z0-9_]*)"?`)
	names    = regexp.MustCompile(`(?i)\b(?:REFERENCES|FROM|JOIN|INTO|UPDATE|TABLE|ON)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"?([a-z_][a-z0-9_]*)"?`)
)

// CheckSQL finds SQL that names a table of another module: in the migrations
// below dir/migrations, and in the string literals of the modules' own code.
// The platform's tables stand in every module's database and belong to all.
func CheckSQL(dir string, packages []Package) ([]Violation, error) {
	owners := map[string][]string{} // of a table: the modules that create it
	texts := map[string]string{}    // of a migration file
	files, err := fs.Glob(os.DirFS(dir), "migrations/*/*.sql")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		texts[file] = comments.ReplaceAllString(string(text), "")
		owner := path.Base(path.Dir(file))
		for _, m := range creates.FindAllStringSubmatch(texts[file], -1) {
			table := strings.ToLower(m[1])
			if !slices.Contains(owners[table], owner) {
				owners[table] = append(owners[table], owner)
			}
		}
	}
	var found []Violation
	for table, modules := range owners {
		if len(modules) > 1 {
			sort.Strings(modules)
			found = append(found, Violation{"table", strings.Join(modules, ", "), table, "a table belongs to one module"})
		}
	}
	for file, text := range texts {
		found = append(found, foreign("migration", file, path.Base(path.Dir(file)), text, owners)...)
	}
	for _, p := range packages {
		r, ours := roomOf(p.ImportPath)
		if !ours || r.module == "" || r.layer == "migrations" {
			continue
		}
		for _, file := range p.GoFiles {
			text, err := literals(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			found = append(found, foreign("statement", p.ImportPath+"/"+file, r.module, text, owners)...)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].String() < found[j].String() })
	return found, nil
}

// foreign finds tables in a text that belong to another module.
func foreign(rule, where, module, text string, owners map[string][]string) []Violation {
	var found []Violation
	for _, m := range names.FindAllStringSubmatch(text, -1) {
		table := strings.ToLower(m[1])
		owner, known := owners[table]
		if !known || slices.Contains(owner, module) || slices.Contains(owner, "platform") {
			continue
		}
		v := Violation{rule, where, table, "this table belongs to " + owner[0]}
		if !slices.Contains(found, v) {
			found = append(found, v)
		}
	}
	return found
}

var verb = regexp.MustCompile(`(?i)^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP)\b`)

// literals gives the string literals of a Go file that begin like SQL, a line each.
func literals(file string) (string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil && verb.MatchString(s) {
				text.WriteString(comments.ReplaceAllString(s, ""))
				text.WriteByte('\n')
			}
		}
		return true
	})
	return text.String(), nil
}

// Rules names every rule.
func Rules() []string {
	rules := []string{"room", "table", "migration", "statement"}
	for _, a := range arrows {
		rules = append(rules, a.rule)
	}
	for _, l := range libraries {
		rules = append(rules, l.rule)
	}
	return rules
}
